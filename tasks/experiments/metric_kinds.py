"""What kind of number a metric is: declared, or inferred from its first outcomes and then fixed.

A rate such as 0.15 never goes into a Beta posterior: its variance is a fiftieth of a coin's, so it would ask for fifty
times the units.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from math import inf, isfinite
from numbers import Real

from tasks.experiments.errors import InvalidOutcomeError

UNITS_UNTIL_FIXED = 30


class MetricKind(StrEnum):
    """How a unit's value behaves."""

    BINARY = "binary"
    RATE = "rate"
    CONTINUOUS = "continuous"
    COUNT = "count"
    RATIO = "ratio"


def infer(values: Iterable[float], so_far: MetricKind | None = None) -> MetricKind:
    """The narrowest kind that holds all values, these and those before: binary, then rate or count, then continuous."""
    found = _narrowest(list(values))
    if so_far in (None, found, MetricKind.BINARY):
        return found
    return so_far if found == MetricKind.BINARY or so_far == MetricKind.RATIO else MetricKind.CONTINUOUS


def require_outcome(value: object) -> float:
    """The value as a float.

    Raises:
        InvalidOutcomeError: for anything but a finite number.
    """
    if not isinstance(value, Real) or not isfinite(value):
        raise InvalidOutcomeError(f"an outcome is a finite number, not {value!r}; leave out units without one")
    return float(value)


def require_denominator(value: object) -> float:
    """The denominator as a float.

    Raises:
        InvalidOutcomeError: for anything but a positive finite number.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < inf:
        raise InvalidOutcomeError(f"a denominator is a positive number, not {value!r}; leave out units without one")
    return float(value)


def require_kind(values: Iterable[float], kind: MetricKind, lower: float | None, upper: float | None) -> None:
    """Check values against a kind that is fixed, and against declared bounds.

    Raises:
        InvalidOutcomeError: naming the first value that does not fit.
    """
    low, high = -inf if lower is None else lower, inf if upper is None else upper
    for value in values:
        if not low <= value <= high:
            raise InvalidOutcomeError(f"outcome {value!r} is outside the metric's bounds [{low}, {high}]")
        if not _fits(value, kind, is_bounded=lower is not None and upper is not None):
            raise InvalidOutcomeError(
                f"outcome {value!r} does not fit the metric, which is fixed as {kind.value}; "
                "declare another metric_kind in a new experiment"
            )


def _fits(value: float, kind: MetricKind, *, is_bounded: bool) -> bool:
    if kind == MetricKind.RATE:
        return is_bounded or 0 <= value <= 1
    return infer([value], kind) == kind


def _narrowest(values: list[float]) -> MetricKind:
    if all(value in (0, 1) for value in values):
        return MetricKind.BINARY
    if all(0 <= value <= 1 for value in values):
        return MetricKind.RATE
    if all(value >= 0 and value.is_integer() for value in values):
        return MetricKind.COUNT
    return MetricKind.CONTINUOUS
