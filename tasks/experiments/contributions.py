"""From outcomes to sums: what each unit adds to its arm's statistics, and what a new or amended outcome changes.

A unit counts once, whatever the number of its outcomes: a binary metric asks whether any is 1, a rate takes their mean,
every other kind their sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, inf
from typing import Any

from tasks.experiments.errors import OutcomeConflictError
from tasks.experiments.metric_kinds import MetricKind

SUMS = ("n", "y", "yy", "d", "dd", "yd", "with_covariate", "x", "xx", "xy")
Cell = tuple[str, int, str]  # variant, epoch, segment
Key = tuple[str, str]  # unit, key


@dataclass(frozen=True, slots=True)
class Given:
    """One outcome as it was handed in; a denominator comes with a ratio, and with nothing else."""

    unit_id: str
    key: str
    value: float
    denominator: float | None = None

    @property
    def parts(self) -> tuple[float, float]:
        """Value and denominator as they are stored."""
        return self.value, 1.0 if self.denominator is None else self.denominator


@dataclass(frozen=True, slots=True)
class Changes:
    """What a batch writes."""

    outcomes: list[dict[str, Any]]
    amendments: list[dict[str, Any]]
    before: dict[str, list[tuple[float, float]]]
    after: dict[str, list[tuple[float, float]]]
    unchanged: int


def changes(given: Sequence[Given], recorded: Mapping[Key, Mapping[str, Any]], *, amend: bool) -> Changes:
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


def statistics(
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
        cell: dict(zip(SUMS, map(fsum, zip(*found, strict=True)), strict=True)) for cell, found in sorted(cells.items())
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
    found: dict[str, list[tuple[float, float]]] = {unit: [] for unit in units}
    for (unit, _), (value, denominator, _) in state.items():
        if unit in found:
            found[unit].append((value, denominator))
    return found
