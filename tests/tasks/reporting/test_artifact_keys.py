"""No two things share a page, and who needs no change keeps the page it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.backup import PACKAGE
from flows.runtime import ENTRYPOINTS
from tasks.models import ModelType
from tasks.plain_text import digest
from tasks.reporting import artifact_key, fixed_key
from tasks.reporting.artifacts import OUR_WORDS

ROOT = Path(__file__).resolve().parents[3]
IDS = st.one_of(st.text(min_size=1, max_size=30), st.text("aA-._ 0é東", min_size=1, max_size=8))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("acme.com", "acme-com"), ("acme com", "acme.com"), ("Acme", "acme"), ("東京", "大阪"), ("", "–"),
        ("a--b", "a-b"), ("-a", "a"), ("acme.com", f"acme-com-{digest('acme.com')}"),
        ("é", "e"), ("ＡＣＭＥ", "acme"),
    ],
)  # fmt: skip
def test_ids_that_look_alike_have_pages_of_their_own(one: str, other: str) -> None:
    assert artifact_key("pattern-learning", one) != artifact_key("pattern-learning", other)


@given(IDS, IDS)
def test_keys_are_injective_and_such_as_prefect_takes(one: str, other: str) -> None:
    keys = {artifact_key("pattern-learning", name) for name in (one, other)}
    assert len(keys) == len({one, other})
    assert all(re.fullmatch(r"pattern-learning(-[a-z0-9]+)+", key) for key in keys)


@pytest.mark.parametrize("name", ["acme", "acme-com", "simulated-outdoor-shop", "page-2016"])
def test_an_id_that_needs_no_change_keeps_its_key(name: str) -> None:
    assert artifact_key("pattern-learning", name) == f"pattern-learning-{name}"
    for model_type in ModelType:
        key = artifact_key("model-rollback", name, model_type.value)
        assert key == f"model-rollback-{name}-{model_type.value.lower().replace('_', '-')}"


def test_no_id_takes_a_page_of_ours() -> None:
    for word in OUR_WORDS:
        assert artifact_key("pattern-learning", word) != fixed_key("pattern-learning", word)
        assert artifact_key("pattern-learning", f"learn-patterns-{word}") != f"pattern-learning-learn-patterns-{word}"
    plain = artifact_key("model-promotion", "acme", "TONE_CLASSIFIER", "mlflow")
    assert plain != artifact_key("model-promotion", "acme-tone-classifier-mlflow")
    assert plain != artifact_key("model-promotion", "acme-tone-classifier", "mlflow")


def test_every_key_of_ours_ends_in_a_word_that_is_kept_for_us() -> None:
    source = "\n".join(path.read_text() for folder in ("flows", "tasks") for path in (ROOT / folder).rglob("*.py"))
    keys = re.findall(rf'"((?:raptorflow|{"|".join(ENTRYPOINTS)})-[a-z-]+)"', source)
    words = re.findall(r'fixed_key\([^"\n]*"([a-z-]+)"', source)
    assert {"pattern-learning-report", "model-promotion-challenger", "raptorflow-clients"} <= set(keys)
    assert {"plan", "answered"} <= set(words)
    assert {key.rpartition("-")[2] for key in {*keys, *words} - {PACKAGE}} <= OUR_WORDS
    assert {model_type.value.rpartition("_")[2].lower() for model_type in ModelType} <= OUR_WORDS
