"""Which columns are features, what kind each is, and their values as plain numbers.

A column is a feature because something declares it: the content catalogue, the list of labels, or the workspace's own
attributes. Comparing plain numbers takes a tenth of what expressions on a frame do.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.conditions import TITLE_AND_BODY, Condition, Membership, Rule, known
from tasks.content.catalogue import CATALOGUE, Kind
from tasks.content.words import tokens
from tasks.warehouse.attribute_roles import AttributeRoles, is_numeric, roles_in

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

Role = str  # text, timing, media, label, channel, attribute or words

LABELS = ("tone", "sentiment", "topic")
MAX_FEATURES = 40
DECLARED: tuple[tuple[str, Kind, Role], ...] = (
    ("channel", "category", "channel"),
    *((feature.name, feature.kind, feature.group) for feature in CATALOGUE),
    *((name, "category", "label") for name in LABELS),
)


@dataclass(frozen=True, eq=False)
class EncodedFeature:
    """Something that rules may be about, and its values for n posts.

    Attributes:
        name: the column, or the attribute.
        kind: boolean, count, share, score, hour, category or words, as in tasks/content/catalogue.py.
        role: what it is about: text, timing, media, label, channel, attribute or words.
        numbers: (n,) a number, 1 or 0 for true or false, or the index of a label; NaN where missing, never infinite.
        labels: of a feature in words, in alphabetical order; none for any other.
        tokens: (n,) of the feature that is the words of title and body themselves, whose numbers are 0 where known.
    """

    name: str
    kind: Kind
    role: Role
    numbers: Floats
    labels: Sequence[str] = ()
    tokens: pl.Series | None = None

    @cached_property
    def known(self) -> Mask:
        """Where (n,) the feature is not missing."""
        return known(self.numbers)

    def matching(self, condition: Condition) -> Mask:
        """Posts (n,) that meet a condition on this feature; see `known` for those of which nothing can be said."""
        if self.tokens is not None:
            met = pl.select(condition.of_tokens(pl.lit(self.tokens))).to_series()
            return met.fill_null(False).to_numpy()
        return condition.matching(self.numbers, self.labels)


def rule_membership(features: Sequence[EncodedFeature], rule: Rule) -> Membership:
    """Posts (n,) that meet all of a rule's conditions, whose features must be there, and those of which it is known.

    Raises:
        KeyError: if one is not.
    """
    by_name = {feature.name: feature for feature in features}
    about = [by_name[condition.feature] for condition in rule]
    met = [feature.matching(condition) for feature, condition in zip(about, rule, strict=True)]
    return Membership(np.logical_and.reduce(met), np.logical_and.reduce([feature.known for feature in about]))


def with_attributes(frame: pl.DataFrame, taken: Collection[str]) -> tuple[pl.DataFrame, list[str]]:
    """The frame with a column for each scalar attribute that may be a feature, and the names of those columns.

    Args:
        frame: content rows; `attributes` holds JSON objects, one a row.
        taken: columns of the table, which no attribute overwrites.
    """
    if "attributes" not in frame.columns:
        return frame, []
    texts = frame["attributes"]
    if texts.null_count() == len(texts):
        return frame.drop("attributes"), []
    rows, roles = [json.loads(text) if text else {} for text in texts], roles_in(frame)
    names = sorted({name for row in rows for name in row} - {*taken, TITLE_AND_BODY})
    columns = [_scalar_column(name, [row.get(name) for row in rows], roles) for name in names]
    added = [column for column in columns if column is not None]
    return frame.drop("attributes").with_columns(added), [column.name for column in added]


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


def features_of(frame: pl.DataFrame, attributes: Collection[str]) -> list[EncodedFeature]:
    """The channel, the catalogue's features, labels, then these attributes by name; at most 40."""
    declared = [_declared(frame[name], kind, role) for name, kind, role in DECLARED if name in frame.columns]
    names = sorted(set(attributes) - {name for name, _, _ in DECLARED})
    return declared + [_attribute(frame[name]) for name in names[: MAX_FEATURES - len(declared)]]


def words_of(frame: pl.DataFrame, rows: NDArray[np.int64]) -> list[EncodedFeature]:
    """What title and body of some rows mention, as one feature; none where no post has a text."""
    if not {"title", "body"} <= set(frame.columns):
        return []
    texts = frame.select(pl.col("title", "body").cast(pl.String))[rows]
    held = texts.select(tokens(pl.col("title"), pl.col("body"))).to_series()
    if held.null_count() == len(held):
        return []
    numbers = np.where(held.is_null().to_numpy(), np.nan, 0.0)
    return [EncodedFeature(TITLE_AND_BODY, "words", "words", numbers, tokens=held)]


def _declared(column: pl.Series, kind: Kind, role: Role) -> EncodedFeature:
    """A feature whose kind is in the catalogue."""
    if kind == "category" and not column.dtype.is_numeric():
        return EncodedFeature(column.name, kind, role, *_as_codes(column))
    numbers = _as_numbers(column)
    return EncodedFeature(
        column.name, kind, role, np.where(numbers > 0, 1.0, numbers) if kind == "boolean" else numbers
    )


def _attribute(column: pl.Series) -> EncodedFeature:
    """A feature whose kind its values tell."""
    if column.dtype == pl.Boolean:
        return EncodedFeature(column.name, "boolean", "attribute", _as_numbers(column))
    if not column.dtype.is_numeric():
        return EncodedFeature(column.name, "category", "attribute", *_as_codes(column))
    numbers = _as_numbers(column)
    return EncodedFeature(column.name, _kind(numbers[~np.isnan(numbers)]), "attribute", numbers)


def _kind(values: Floats) -> Kind:
    for some in (values[:50], values):  # a few values settle most
        if (some < 0).any() or (some != np.round(some)).any():
            return "score"
    return "boolean" if bool((values <= 1).all()) else "count"


def _as_numbers(column: pl.Series) -> Floats:
    """Numbers (n,) of a column of numbers or booleans; NaN where missing or not finite."""
    numbers = column.cast(pl.Float64).to_numpy()
    endless = np.isinf(numbers)
    return np.where(endless, np.nan, numbers) if endless.any() else numbers


def _as_codes(column: pl.Series) -> tuple[Floats, list[str]]:
    """Labels in alphabetical order, and the index of each row's (n,); NaN where missing."""
    encoded = column.cast(pl.String).to_arrow().dictionary_encode()
    labels = encoded.dictionary.to_pylist()
    order = np.argsort(labels, kind="stable")
    rank = np.full(len(labels) + 1, np.nan)
    rank[order] = np.arange(len(labels))
    codes: Floats = rank[encoded.indices.fill_null(len(labels)).to_numpy()]
    return codes, [labels[i] for i in order]
