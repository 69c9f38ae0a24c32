"""A model type is one file and one enum member, and a file that says something unknown is refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import skops.io
import yaml
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier

from tasks.models import ModelType, estimators, specs
from tasks.models.dataset import examples
from tasks.models.errors import ModelSpecError
from tasks.models.model_folder import MODEL_FILE, TRUSTED_TYPES, write_model_folder
from tasks.models.specs import FOLDER, load_spec
from tests.tasks.models.model_rows import posts

ROOM = Path(specs.__file__).parent
ENGAGEMENT = "engagement_predictor.yaml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(specs, "FOLDER", tmp_path)
    load_spec.cache_clear()
    yield tmp_path
    load_spec.cache_clear()


def test_every_type_has_its_file_and_every_file_its_type() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {member.value.lower() for member in ModelType}
    assert all(load_spec(member).model_type == member for member in ModelType)


def test_no_code_beyond_the_enum_names_a_type() -> None:
    named = re.compile("|".join(rf"\b{member.value}\b" for member in ModelType))
    files = [path for path in ROOM.glob("*.py") if path.name != "records.py"]
    assert [path.name for path in files if named.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"estimator": {"kind": "magic"}}, "estimator.kind"),
        ({"minimum_rows": 1}, "minimum_rows"),
        ({"colour": "green"}, "colour"),
        ({"gate": {"confidence": 2}}, "gate.confidence"),
    ],
)
def test_file_that_says_something_unknown_is_refused_by_name(
    folder: Path, change: dict[str, object], said: str
) -> None:
    content = yaml.safe_load((FOLDER / ENGAGEMENT).read_text(encoding="utf-8"))
    (folder / ENGAGEMENT).write_text(yaml.safe_dump(content | change), encoding="utf-8")
    with pytest.raises(ModelSpecError, match=rf"{ENGAGEMENT}: .*{said}"):
        load_spec(ModelType.ENGAGEMENT_PREDICTOR)


def test_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(ModelSpecError, match=rf"{ENGAGEMENT}: is missing"):
        load_spec(ModelType.ENGAGEMENT_PREDICTOR)


def test_text_model_of_very_many_rows_hashes_its_words_and_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimators, "HASHING_ROWS", 300)
    spec = load_spec(ModelType.TONE_CLASSIFIER)
    for n, words, model in ((300, TfidfVectorizer, LogisticRegression), (301, HashingVectorizer, SGDClassifier)):
        frame = pl.DataFrame(posts(n), infer_schema_length=None)
        known = examples(frame, spec)
        fitted = estimators.fit(spec, known)
        columns, last = (part for _, part in fitted.estimator.steps)
        assert (type(columns.named_transformers_["words"]), type(last)) == (words, model)
        write_model_folder(fitted, tmp_path / str(n))
        loaded = estimators.FittedModel.of(skops.io.load(tmp_path / str(n) / MODEL_FILE, trusted=TRUSTED_TYPES))
        assert loaded.columns == fitted.columns
        assert (loaded.predict(known.features) == fitted.predict(known.features)).all()
