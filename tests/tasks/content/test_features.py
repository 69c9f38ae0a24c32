"""What each feature counts and what it leaves alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from tasks.content import CATALOGUE, DERIVED, with_features
from tasks.errors import UnknownNameError
from tasks.warehouse.schema import Content

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)  # a Monday
GIVEN = {"workspace_id": pl.String, "title": pl.String, "body": pl.String, "media_type": pl.String}
SCHEMA = GIVEN | {"published_at": pl.Datetime("us", "UTC")}


def features(body: str | None, title: str | None = None, at: datetime = NOON, zone: str = "UTC") -> dict[str, Any]:
    row = {"workspace_id": "acme", "title": title, "body": body, "media_type": "Image", "published_at": at}
    return with_features(pl.DataFrame([row], schema=SCHEMA), {"acme": zone}).row(0, named=True)


def test_the_catalogue_names_the_schema_s_feature_columns() -> None:
    columns = list(Content.__table__.columns.keys())
    assert list(DERIVED) == columns[columns.index("run_id") + 1 :]


def test_features_have_the_schema_s_types() -> None:
    kinds = {"boolean": pl.Boolean, "share": pl.Float64, "score": pl.Float64}
    made = with_features(pl.DataFrame(schema=SCHEMA), {}).schema
    assert {f.name: made[f.name] for f in CATALOGUE if f.derived} == {
        f.name: kinds.get(f.kind, pl.Int64) for f in CATALOGUE if f.derived
    }


def test_a_row_without_text_has_no_text_features_but_a_time() -> None:
    row = features(None)
    assert {row[f.name] for f in CATALOGUE if f.group == "text"} == {None}
    assert (row["local_hour"], row["local_weekday"], row["is_weekend"]) == (12, 0, False)


def test_a_workspace_without_a_zone_is_refused() -> None:
    with pytest.raises(UnknownNameError):
        with_features(pl.DataFrame([{"workspace_id": "other"}], schema=SCHEMA), {"acme": "UTC"})
