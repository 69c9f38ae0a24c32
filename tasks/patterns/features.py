"""Which columns are features, what kind each is, and how attributes become columns."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import polars as pl

from tasks.content.catalogue import BY_NAME, CATALOGUE, Kind

Role = str  # text, timing, media, label, channel or attribute

LABELS = ("tone", "sentiment", "topic")
NOT_FEATURES = frozenset(
    (
        *("workspace_id", "content_id", "content_type", "published_at", "measured_at", "run_id"),
        *("title", "body", "attributes"),
        *("impressions", "engagements", "clicks", "conversions", "audience_size"),
    )
)
MAX_FEATURES = 40


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """A column that rules may speak of.

    Attributes:
        name: the column.
        kind: boolean, count, share, score, hour or category, as in tasks/content/catalogue.py.
        role: what it is about: text, timing, media, label, channel or attribute.
    """

    name: str
    kind: Kind
    role: Role


def flatten(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with each scalar attribute as a column of its own; a column of the table is never overwritten."""
    if "attributes" not in frame.columns:
        return frame
    texts = frame["attributes"]
    if texts.null_count() == len(texts):
        return frame.drop("attributes")
    rows = [json.loads(text) if text else {} for text in texts]
    names = sorted({name for row in rows for name in row} - set(frame.columns))
    columns = [_scalar_column(name, [row.get(name) for row in rows]) for name in names]
    return frame.drop("attributes").with_columns(column for column in columns if column is not None)


def _scalar_column(name: str, values: list[object]) -> pl.Series | None:
    """Booleans and numbers as such, numbers written as text too, the rest as labels; None for nested values."""
    kinds = {type(value) for value in values if value is not None}
    if not kinds or not kinds <= {bool, int, float, str}:
        return None
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds <= {int, float, bool}:
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    column = pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)
    number = column.cast(pl.Float64, strict=False)
    return number if number.null_count() == column.null_count() else column


def feature_columns(frame: pl.DataFrame) -> list[FeatureColumn]:
    """Features of a flattened frame: the channel, the catalogue's, labels, then attributes by name; at most 40."""
    known = [FeatureColumn("channel", "category", "channel")]
    known += [FeatureColumn(feature.name, feature.kind, feature.group) for feature in CATALOGUE]
    known += [FeatureColumn(name, "category", "label") for name in LABELS]
    taken = {column.name for column in known} | NOT_FEATURES
    others = [FeatureColumn(name, _kind(frame[name]), "attribute") for name in sorted(set(frame.columns) - taken)]
    return ([column for column in known if column.name in frame.columns] + others)[:MAX_FEATURES]


def _kind(column: pl.Series) -> Kind:
    if column.dtype == pl.Boolean:
        return "boolean"
    if not column.dtype.is_numeric():
        return "category"
    known = column.drop_nulls().to_numpy()
    if bool(((known == 0) | (known == 1)).all()):
        return "boolean"
    return "count" if bool((known >= 0).all() and (known == np.round(known)).all()) else "score"


def as_features(frame: pl.DataFrame, columns: list[FeatureColumn]) -> pl.DataFrame:
    """The feature columns alone: booleans as booleans, labels as text, numbers as floats without NaN or infinities."""
    return frame.select(_typed(column) for column in columns)


def _typed(column: FeatureColumn) -> pl.Expr:
    values = pl.col(column.name)
    if column.kind == "boolean":
        return values.cast(pl.Boolean)
    if column.kind == "category" and column.name not in BY_NAME:
        return values.cast(pl.String)
    if column.kind == "category":
        return values
    number = values.cast(pl.Float64)
    return pl.when(number.is_finite()).then(number)
