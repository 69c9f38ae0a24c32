"""Outcomes: checked before anything is written, and turned into what they add to their arm's sums.

What kind of number a metric is, is declared, or inferred from its first outcomes and then fixed. A unit counts once,
whatever the number of its outcomes: a binary metric asks whether any is 1, a rate takes their mean, every other kind
their sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import fsum, inf, isfinite
from numbers import Real
from typing import Any

import polars as pl

from tasks.errors import InputError
from tasks.experiments.assignment import require_unit
from tasks.experiments.design import Design
from tasks.experiments.errors import (
    InvalidOutcomeError,
    OutcomeConflictError,
    OutcomeOutsideWindowError,
    WrongStateError,
)
from tasks.experiments.records import MetricKind

PRIMARY_KEY = "primary"
UNITS_UNTIL_FIXED = 30
SUMS = ("n", "y", "yy", "d", "dd", "yd", "with_covariate", "x", "xx", "xy")
Row = Mapping[str, Any]
Cell = tuple[str, int, str]  # variant, epoch, segment
Key = tuple[str, str]  # unit, key


@dataclass(frozen=True, slots=True)
class OutcomeInput:
    """One outcome as it was handed in; a denominator comes with a ratio, and with nothing else."""

    unit_id: str
    key: str
    value: float
    denominator: float | None = None

    @property
    def parts(self) -> tuple[float, float]:
        """Value and denominator as they are stored."""
        return self.value, 1.0 if self.denominator is None else self.denominator


def outcomes_from(rows: pl.DataFrame | Iterable[Row]) -> list[OutcomeInput]:
    """Outcomes from a frame or dictionaries with `unit_id`, `outcome` and, if wanted, `key` and `denominator`.

    Raises:
        InputError: if a column is missing or unknown.
    """
    given = rows.to_dicts() if isinstance(rows, pl.DataFrame) else list(rows)
    columns = {name for row in given for name in row}
    if given and not {"unit_id", "outcome"} <= columns <= {"unit_id", "outcome", "key", "denominator"}:
        raise InputError(f"outcomes have unit_id, outcome and optionally key, denominator; not {sorted(columns)}")
    return [make_outcome(*(row.get(name) for name in ("unit_id", "outcome", "key", "denominator"))) for row in given]


def make_outcome(unit_id: object, outcome: object, key: object = None, denominator: object = None) -> OutcomeInput:
    """One outcome, checked by itself."""
    value, parts = require_outcome(outcome), None if denominator is None else require_denominator(denominator)
    name = PRIMARY_KEY if key is None else str(key).strip()
    if not name or len(name) > 128:
        raise InvalidOutcomeError(f"an outcome's key is a text of 1 to 128 characters, not {key!r}")
    if unit_id is None:
        raise InvalidOutcomeError("an outcome in a batch names its unit; unit_id is missing")
    return OutcomeInput(require_unit(unit_id), name, value, parts)


def require_window(experiment: Row, now: datetime, occurred_at: datetime | None) -> None:
    """Raise unless outcomes of this instant are still, or already, taken.

    Raises:
        WrongStateError: before the start.
        OutcomeOutsideWindowError: for an instant before the start or after the end and its late days.
    """
    identifier, started, completed = (experiment[name] for name in ("experiment_id", "started_at", "completed_at"))
    if started is None:
        raise WrongStateError(identifier, experiment["status"], "outcomes need a running one", "call start_experiment")
    at = occurred_at or now
    if at.tzinfo is None:
        raise InvalidOutcomeError(f"occurred_at {at!r} has no zone; give it one")
    if at < started:
        raise OutcomeOutsideWindowError(f"outcome of {at:%Y-%m-%d %H:%M} is before the start {started:%Y-%m-%d %H:%M}")
    late = timedelta(days=Design.from_dict(experiment["design"]).late_days)
    if completed is not None and max(at, now) > completed + late:
        raise OutcomeOutsideWindowError(
            f"experiment '{identifier}' was completed {completed:%Y-%m-%d %H:%M} and takes no more outcomes; "
            "late_days at creation lets late ones in"
        )


def require_values(given: Sequence[OutcomeInput], kind: MetricKind | None, metric: Row) -> None:
    """Raise if a value does not fit the metric's kind, where it is fixed, or its bounds, or lacks its denominator."""
    wanted = MetricKind.RATIO if kind is None else kind
    require_kind([outcome.value for outcome in given], wanted, metric["lower"], metric["upper"])
    kind_so_far = metric["kind"]
    with_parts = sum(outcome.denominator is not None for outcome in given)
    is_ratio = kind_so_far == MetricKind.RATIO or (kind_so_far is None and with_parts > 0)
    if is_ratio and with_parts < len(given):
        raise InvalidOutcomeError("every outcome of a ratio has a denominator; pass denominator, or for none of them")
    if not is_ratio and with_parts:
        raise InvalidOutcomeError(
            f"the metric is {kind_so_far} and takes no denominator; declare metric_kind='ratio' in a new experiment"
        )


def require_variant(assignments: Mapping[str, Row], expected: Mapping[str, str]) -> None:
    """Raise if a unit's outcome comes under another arm than the unit has."""
    for unit_id, variant_id in expected.items():
        stored = assignments[unit_id]["variant_id"]
        if stored != variant_id:
            raise InputError(f"unit '{unit_id}' has arm '{stored}', not '{variant_id}'; leave out variant_id")


def infer_kind(values: Iterable[float], so_far: MetricKind | None = None) -> MetricKind:
    """The narrowest kind that holds all values, these and those before: binary, then rate or count, then continuous."""
    narrowest = _narrowest(list(values))
    if so_far in (None, narrowest, MetricKind.BINARY):
        return narrowest
    return so_far if narrowest == MetricKind.BINARY or so_far == MetricKind.RATIO else MetricKind.CONTINUOUS


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
    return infer_kind([value], kind) == kind


def _narrowest(values: list[float]) -> MetricKind:
    if all(value in (0, 1) for value in values):
        return MetricKind.BINARY
    if all(0 <= value <= 1 for value in values):
        return MetricKind.RATE
    if all(value >= 0 and value.is_integer() for value in values):
        return MetricKind.COUNT
    return MetricKind.CONTINUOUS


@dataclass(frozen=True, slots=True)
class Changes:
    """What a batch writes."""

    outcomes: list[dict[str, Any]]
    amendments: list[dict[str, Any]]
    before: dict[str, list[tuple[float, float]]]
    after: dict[str, list[tuple[float, float]]]
    unchanged: int


def changes(given: Sequence[OutcomeInput], recorded: Mapping[Key, Mapping[str, Any]], *, amend: bool) -> Changes:
    """Compare a batch with what is recorded for its units.

    Raises:
        OutcomeConflictError: if a key is recorded with another value and this is no amendment.
    """
    current = {key: (row["value"], row["denominator"], row["revision"]) for key, row in recorded.items()}
    start, unchanged, touched = dict(current), 0, dict[Key, None]()
    for one in given:
        key = (one.unit_id, one.key)
        known = current.get(key)
        if known is not None and known[:2] == one.parts:
            unchanged += 1
            continue
        if known is not None and not amend:
            raise OutcomeConflictError(one.unit_id, one.key, known[0], one.value)
        revision = 0 if known is None else start[key][2] + 1 if key in start else known[2]
        current[key] = (*one.parts, revision)
        touched[key] = None
    units = {unit for unit, _ in touched}
    return Changes(
        [_row(key, current[key]) for key in touched],
        [_row(key, start[key]) for key in touched if key in start],
        _by_unit(start, units),
        _by_unit(current, units),
        unchanged,
    )


def sums_by_cell(
    units: Mapping[str, Sequence[tuple[float, float]]],
    assignments: Mapping[str, Mapping[str, Any]],
    kind: MetricKind,
    origin: float,
    cap: float = inf,
) -> dict[Cell, dict[str, float]]:
    """Sums over units by arm, epoch and segment.

    Args:
        units: values and denominators of each unit's outcomes.
        assignments: each unit's variant, epoch, segment and covariate.
        origin: taken off every unit's value.
        cap: no unit's value counts for more.
    """
    cells: dict[Cell, list[tuple[float, ...]]] = defaultdict(list)
    for unit_id, outcomes in units.items():
        if outcomes:
            row = assignments[unit_id]
            cell = (row["variant_id"], row["epoch"], row["segment"])
            cells[cell].append(_contribution(outcomes, row["covariate"], kind, origin, cap))
    return {
        cell: dict(zip(SUMS, map(fsum, zip(*parts, strict=True)), strict=True)) for cell, parts in sorted(cells.items())
    }


def difference(
    after: Mapping[Cell, Mapping[str, float]], before: Mapping[Cell, Mapping[str, float]]
) -> dict[Cell, dict[str, float]]:
    """What has to be added to the stored sums."""
    nothing = dict.fromkeys(SUMS, 0.0)
    cells = sorted({*after, *before})
    return {
        cell: {name: after.get(cell, nothing)[name] - before.get(cell, nothing)[name] for name in SUMS}
        for cell in cells
    }


def unit_value(outcomes: Sequence[tuple[float, float]], kind: MetricKind) -> tuple[float, float]:
    """A unit's value and denominator from its outcomes."""
    total, denominator = fsum(value for value, _ in outcomes), fsum(parts for _, parts in outcomes)
    if kind == MetricKind.BINARY:
        return float(total > 0), denominator
    return (total / len(outcomes) if kind == MetricKind.RATE else total), denominator


def _contribution(
    outcomes: Sequence[tuple[float, float]], covariate: float | None, kind: MetricKind, origin: float, cap: float
) -> tuple[float, ...]:
    value, d = unit_value(outcomes, kind)
    y = min(value, cap) - origin
    x, has = (0.0, 0) if covariate is None else (covariate, 1)
    return 1, y, y * y, d, d * d, y * d, has, x, x * x, x * y


def _row(key: Key, state: tuple[float, float, int]) -> dict[str, Any]:
    return {"unit_id": key[0], "key": key[1], "value": state[0], "denominator": state[1], "revision": state[2]}


def _by_unit(
    state: Mapping[Key, tuple[float, float, int]], units: Iterable[str]
) -> dict[str, list[tuple[float, float]]]:
    values: dict[str, list[tuple[float, float]]] = {unit: [] for unit in units}
    for (unit, _), (value, denominator, _) in state.items():
        if unit in values:
            values[unit].append((value, denominator))
    return values
