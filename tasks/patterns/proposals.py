"""Which conditions on a feature are worth looking at, and where to cut its range."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import numpy as np

from tasks.patterns.encoding import Feature, Floats
from tasks.patterns.records import Selector
from tasks.statistics.group_codes import groups

MAX_LABELS = 12
ZERO_INFLATED = 0.1
HOURS_PER_BLOCK = 4
SIGNIFICANT_DIGITS = 2
QUARTERS = np.array((0.25, 0.5, 0.75))


def propose(feature: Feature, values: Floats) -> Iterator[Selector]:
    """Conditions on a feature: present, in a quarter of its range, or with a certain label.

    Args:
        feature: what it is.
        values: known values (m,), m ≥ 1, that cut points and labels are chosen from.
    """
    if feature.kind == "boolean":
        yield Selector(feature.name, "==", True, "true")
        yield Selector(feature.name, "==", False, "false")
    elif feature.kind == "category":
        for label in _labels(feature, values):
            yield Selector(feature.name, "==", label, str(label))
    elif feature.kind == "hour":
        for first in range(0, 24, HOURS_PER_BLOCK):
            yield Selector(feature.name, "between", (first, first + HOURS_PER_BLOCK), f"from_{first:02d}")
    else:
        yield from _numeric(feature.name, values, whole=feature.kind == "count")


def _labels(feature: Feature, values: Floats) -> list[str | int]:
    """The twelve most common labels, ties by name."""
    found = groups(values.astype(np.int64))
    common = found.numbers[np.argsort(-found.rows, kind="stable")[:MAX_LABELS]]
    return [feature.labels[int(code)] if feature.labels else int(code) for code in common]


def _numeric(name: str, values: Floats, *, whole: bool) -> Iterator[Selector]:
    """Present or absent where zeros are common; quarters and halves of the range elsewhere."""
    floor = -np.inf
    if whole and np.mean(values < 1) >= ZERO_INFLATED:
        yield Selector(name, ">=", 1, "present")
        yield Selector(name, "<", 1, "absent")
        floor = 1
    low, middle, high = (_round(cut, whole) for cut in _quartiles(values))
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


def _quartiles(values: Floats) -> list[float]:
    """Values that are there, never means of two of them: `np.quantile(…, method="higher")` in half the time."""
    at = np.ceil((len(values) - 1) * QUARTERS).astype(np.int64)
    found: list[float] = np.partition(values, at)[at].tolist()
    return found


def _round(value: float, whole: bool) -> float:
    """Cut points a person can read, that stay put when one more day of posts comes in."""
    return ceil(value) if whole else float(f"{value:.{SIGNIFICANT_DIGITS}g}")
