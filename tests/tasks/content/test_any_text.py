"""Whatever a text holds, its features are finite, in range and always the same."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.content import CATALOGUE, with_features

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=200) | st.none()
TEXTS = [feature for feature in CATALOGUE if feature.group == "text"]
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def made(texts: list[tuple[str | None, str | None]]) -> pl.DataFrame:
    rows = [{"workspace_id": "a", "title": title, "body": body, "published_at": NOON} for title, body in texts]
    schema = {
        "workspace_id": pl.String,
        "title": pl.String,
        "body": pl.String,
        "published_at": pl.Datetime("us", "UTC"),
    }
    return with_features(pl.DataFrame(rows, schema=schema), {"a": "UTC"})


def in_range(kind: str, name: str, value: float) -> bool:
    if kind == "share" or name == "readability":
        return 0 <= value <= (1 if kind == "share" else 121.22)
    return -1 <= value <= 1 if name == "sentiment_score" else value >= 0


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(ANY, ANY), min_size=1, max_size=8))
def test_any_text_has_finite_features_in_range(texts: list[tuple[str | None, str | None]]) -> None:
    for row in made(texts).iter_rows(named=True):
        for feature in TEXTS:
            value = row[feature.name]
            assert value is None or (math.isfinite(value) and in_range(feature.kind, feature.name, value)), feature.name


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ANY, ANY), min_size=2, max_size=6))
def test_a_text_s_features_do_not_depend_on_its_neighbors(texts: list[tuple[str | None, str | None]]) -> None:
    assert pl.concat([made([text]) for text in texts]).equals(made(texts))


@pytest.mark.parametrize("piece", ["a", "a@", "www.a!", "🎉", "#x ", "\x00", "not good but ", "שלום ", "a.b/", "?!"])
def test_a_megabyte_is_no_trouble(piece: str) -> None:
    row = made([(piece, piece * (1_000_000 // len(piece.encode())))]).row(0, named=True)
    assert all(value is None or math.isfinite(value) for value in (row[feature.name] for feature in TEXTS))
