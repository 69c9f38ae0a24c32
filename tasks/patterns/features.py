"""Which columns are features, what kind each is, and how attributes become columns."""

from __future__ import annotations

import json

import numpy as np
import polars as pl

from tasks.content.catalogue import CATALOGUE, Kind
from tasks.patterns.encoding import Feature, Floats, Role, as_codes, as_numbers
from tasks.warehouse.attribute_roles import AttributeRoles, is_numeric, roles_in

LABELS = ("tone", "sentiment", "topic")
NOT_FEATURES = frozenset(
    (
        *("workspace_id", "content_id", "content_type", "published_at", "measured_at", "run_id"),
        *("title", "body", "attributes", "attribute_roles"),
        *("impressions", "engagements", "clicks", "conversions", "audience_size"),
    )
)
MAX_FEATURES = 40


def flatten(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with each scalar attribute that may be a feature as a column; a column of the table stays as it is."""
    if "attributes" not in frame.columns:
        return frame
    texts = frame["attributes"]
    if texts.null_count() == len(texts):
        return frame.drop("attributes")
    rows, roles = [json.loads(text) if text else {} for text in texts], roles_in(frame)
    names = sorted({name for row in rows for name in row} - set(frame.columns))
    columns = [_scalar_column(name, [row.get(name) for row in rows], roles) for name in names]
    return frame.drop("attributes").with_columns(column for column in columns if column is not None)


def _scalar_column(name: str, values: list[object], roles: AttributeRoles) -> pl.Series | None:
    """Booleans and numbers as such, numbers written as text too, the rest as labels; None where it is no feature."""
    kinds = {type(value) for value in values if value is not None}
    if not kinds or not kinds <= {bool, int, float, str}:
        return None
    if kinds == {bool}:
        column = pl.Series(name, values, dtype=pl.Boolean)
    elif kinds <= {int, float, bool}:
        column = pl.Series(name, values, dtype=pl.Float64, strict=False)
    else:
        column = pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)
        number = column.cast(pl.Float64, strict=False)
        if number.null_count() == column.null_count() and not roles.is_label(name):
            column = number
    return column if roles.is_feature(name, numeric=is_numeric(column)) else None


def features_of(frame: pl.DataFrame) -> list[Feature]:
    """Features of a flattened frame: the channel, the catalogue's, labels, then attributes by name; at most 40."""
    known: list[tuple[str, Kind, Role]] = [("channel", "category", "channel")]
    known += [(feature.name, feature.kind, feature.group) for feature in CATALOGUE]
    known += [(name, "category", "label") for name in LABELS]
    taken = {name for name, _, _ in known} | NOT_FEATURES
    found = [_known(frame[name], kind, role) for name, kind, role in known if name in frame.columns]
    others = [name for name in sorted(frame.columns) if name not in taken]
    return found + [_attribute(frame[name]) for name in others[: MAX_FEATURES - len(found)]]


def _known(column: pl.Series, kind: Kind, role: Role) -> Feature:
    """A feature whose kind is in the catalogue."""
    if kind == "category" and not column.dtype.is_numeric():
        return Feature(column.name, kind, role, *as_codes(column))
    numbers = as_numbers(column)
    return Feature(column.name, kind, role, np.where(numbers > 0, 1.0, numbers) if kind == "boolean" else numbers)


def _attribute(column: pl.Series) -> Feature:
    """A feature whose kind its values tell."""
    if column.dtype == pl.Boolean:
        return Feature(column.name, "boolean", "attribute", as_numbers(column))
    if not column.dtype.is_numeric():
        return Feature(column.name, "category", "attribute", *as_codes(column))
    numbers = as_numbers(column)
    return Feature(column.name, _kind(numbers[~np.isnan(numbers)]), "attribute", numbers)


def _kind(known: Floats) -> Kind:
    for values in (known[:50], known):  # a few values settle most
        if (values < 0).any() or (values != np.round(values)).any():
            return "score"
    return "boolean" if bool((known <= 1).all()) else "count"
