"""Conditions a rule may be made of: a feature is present, in a quarter of its range, or has a certain label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.patterns.features import FeatureColumn
from tasks.patterns.preparation import Posts
from tasks.patterns.records import Rule, Selector

Mask = NDArray[np.bool_]

MAX_SELECTORS = 150
MAX_LABELS = 12
MIN_MATCHES = 20
MAX_SHARE = 0.95
ZERO_INFLATED = 0.1
HOURS_PER_BLOCK = 4
SIGNIFICANT_DIGITS = 2
OPPOSITE = {"false": "true", "absent": "present", "lower_half": "upper_half"}


@dataclass(frozen=True, slots=True)
class SelectorTable:
    """S selectors and which of n posts match them.

    Attributes:
        selectors: S conditions.
        columns: (S) the feature each is about.
        owner: (S,) index of that feature.
        matches: (n, S); a missing feature matches nothing.
        known: (n, F) whether each feature is known.
        dropped: features that can tell no posts apart, with the reason.
    """

    selectors: list[Selector]
    columns: list[FeatureColumn]
    owner: NDArray[np.int64]
    matches: Mask
    known: Mask
    dropped: dict[str, str]

    @property
    def alone(self) -> Mask:
        """(S,) false for a condition that only negates another one here: one finding is told once, the positive way."""
        names = {(selector.feature, selector.level) for selector in self.selectors}
        return np.array([(s.feature, OPPOSITE.get(s.level)) not in names for s in self.selectors], dtype=bool)

    def rule(self, members: tuple[int, ...]) -> Rule:
        """The selectors of a rule."""
        return tuple(self.selectors[i] for i in members)

    def roles(self, members: tuple[int, ...]) -> set[str]:
        """What a rule is about."""
        return {self.columns[i].role for i in members}

    def valid(self, members: tuple[int, ...]) -> Mask:
        """Rows (n,) on which all of a rule's features are known."""
        first, last = self.owner[members[0]], self.owner[members[-1]]
        return self.known[:, first] & self.known[:, last]


def selector_table(posts: Posts) -> SelectorTable:
    """At most 150 selectors; cut points and support come from the discovery half alone."""
    searched = posts.features.filter(posts.discovery)
    dropped: dict[str, str] = {}
    proposed: list[tuple[Selector, int]] = []
    for index, column in enumerate(posts.columns):
        values = searched[column.name].drop_nulls()
        if values.is_empty() or values.min() == values.max():
            dropped[column.name] = "all missing" if values.is_empty() else "constant"
            continue
        proposed += [(selector, index) for selector in _propose(column, values)]
    matches = _matches(posts.features, [selector for selector, _ in proposed])
    kept = _supported(matches[posts.discovery])
    owner = np.array([proposed[i][1] for i in kept], dtype=np.int64)
    return SelectorTable(
        selectors=[proposed[i][0] for i in kept],
        columns=[posts.columns[i] for i in owner],
        owner=owner,
        matches=matches[:, kept],
        known=posts.features.select(pl.all().is_not_null()).to_numpy(),
        dropped=dropped,
    )


def _matches(features: pl.DataFrame, selectors: list[Selector]) -> Mask:
    """Which rows match (n, S), in the columns' order that the matrix products want."""
    found = np.zeros((len(features), len(selectors)), dtype=bool, order="F")
    numbers = {name: features[name].to_numpy() for name in features.columns if features.schema[name] == pl.Float64}
    others = [i for i, selector in enumerate(selectors) if selector.feature not in numbers]
    for i, selector in enumerate(selectors):
        if selector.feature in numbers:
            found[:, i] = _compare(numbers[selector.feature], selector)
    if others:
        found[:, others] = features.select(selectors[i].expression.alias(str(i)) for i in others).to_numpy()
    return found


def _compare(numbers: NDArray[np.float64], selector: Selector) -> Mask:
    """`Selector.expression` on plain numbers, a tenth of its cost; NaN stands for missing and matches nothing."""
    if isinstance(selector.value, tuple):
        return (numbers >= selector.value[0]) & (numbers < selector.value[1])
    bound = float(selector.value)
    return numbers >= bound if selector.op == ">=" else numbers < bound


def _supported(matches: Mask) -> list[int]:
    """Selectors that match neither too few nor nearly all rows, the most evenly dividing ones if there are too many."""
    rows = matches.sum(axis=0)
    usable = np.flatnonzero((rows >= MIN_MATCHES) & (rows <= MAX_SHARE * len(matches)))
    if len(usable) > MAX_SELECTORS:
        unevenness = np.abs(rows[usable] / len(matches) - 0.5)
        usable = np.sort(usable[np.argsort(unevenness, kind="stable")[:MAX_SELECTORS]])
    return [int(i) for i in usable]


def _propose(column: FeatureColumn, values: pl.Series) -> Iterator[Selector]:
    if column.kind == "boolean":
        yield Selector(column.name, "==", True, "true")
        yield Selector(column.name, "==", False, "false")
    elif column.kind == "category":
        for label in _labels(values):
            yield Selector(column.name, "==", label, str(label))
    elif column.kind == "hour":
        for first in range(0, 24, HOURS_PER_BLOCK):
            yield Selector(column.name, "between", (first, first + HOURS_PER_BLOCK), f"from_{first:02d}")
    else:
        yield from _numeric(column.name, values, whole=column.kind == "count")


def _labels(values: pl.Series) -> list[str | int]:
    """The twelve most common labels, ties by name."""
    counted = values.value_counts().sort(["count", values.name], descending=[True, False])
    return counted[values.name].head(MAX_LABELS).to_list()


def _numeric(name: str, values: pl.Series, *, whole: bool) -> Iterator[Selector]:
    """Present or absent where zeros are common; quarters and halves of the range elsewhere."""
    floor, numbers = -np.inf, values.to_numpy()
    if whole and np.mean(numbers < 1) >= ZERO_INFLATED:
        yield Selector(name, ">=", 1, "present")
        yield Selector(name, "<", 1, "absent")
        floor = 1
    cuts = np.quantile(numbers, (0.25, 0.5, 0.75), method="higher")
    low, middle, high = (_round(float(cut), whole) for cut in cuts)
    if high > max(floor, middle):
        yield Selector(name, ">=", high, "top_quarter")
    if floor < middle:
        yield Selector(name, ">=", middle, "upper_half")
        yield Selector(name, "<", middle, "lower_half")
    if floor < low < middle:
        yield Selector(name, "<", low, "bottom_quarter")
    if floor < low < middle < high:
        yield Selector(name, "between", (low, middle), "second_quarter")
        yield Selector(name, "between", (middle, high), "third_quarter")


def _round(value: float, whole: bool) -> float:
    """Cut points a person can read, that stay put when one more day of posts comes in."""
    return ceil(value) if whole else float(f"{value:.{SIGNIFICANT_DIGITS}g}")
