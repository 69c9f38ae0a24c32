"""Outcomes as they are handed in, checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from tasks.errors import InputError
from tasks.experiments.assignment import require_unit
from tasks.experiments.contributions import Given
from tasks.experiments.design import Design
from tasks.experiments.errors import InvalidOutcomeError, OutcomeOutsideWindowError, WrongStateError
from tasks.experiments.metric_kinds import MetricKind, require_denominator, require_kind, require_outcome

PRIMARY_KEY = "primary"
Row = Mapping[str, Any]


def from_rows(rows: pl.DataFrame | Iterable[Row]) -> list[Given]:
    """Outcomes from a frame or dictionaries with `unit_id`, `outcome` and, if wanted, `key` and `denominator`.

    Raises:
        InputError: if a column is missing or unknown.
    """
    found = rows.to_dicts() if isinstance(rows, pl.DataFrame) else list(rows)
    columns = {name for row in found for name in row}
    if found and not {"unit_id", "outcome"} <= columns <= {"unit_id", "outcome", "key", "denominator"}:
        raise InputError(f"outcomes have unit_id, outcome and optionally key, denominator; not {sorted(columns)}")
    return [one(*(row.get(name) for name in ("unit_id", "outcome", "key", "denominator"))) for row in found]


def one(unit_id: object, outcome: object, key: object = None, denominator: object = None) -> Given:
    """One outcome."""
    value, parts = require_outcome(outcome), None if denominator is None else require_denominator(denominator)
    name = PRIMARY_KEY if key is None else str(key).strip()
    if not name or len(name) > 128:
        raise InvalidOutcomeError(f"an outcome's key is a text of 1 to 128 characters, not {key!r}")
    if unit_id is None:
        raise InvalidOutcomeError("an outcome in a batch names its unit; unit_id is missing")
    return Given(require_unit(unit_id), name, value, parts)


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
    late = timedelta(days=Design.from_json(experiment["design"]).late_days)
    if completed is not None and max(at, now) > completed + late:
        raise OutcomeOutsideWindowError(
            f"experiment '{identifier}' was completed {completed:%Y-%m-%d %H:%M} and takes no more outcomes; "
            "late_days at creation lets late ones in"
        )


def require_values(given: Sequence[Given], kind: MetricKind | None, metric: Row) -> None:
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
    """Raise if a unit's outcome is told under another arm than the unit has."""
    for unit_id, variant_id in expected.items():
        stored = assignments[unit_id]["variant_id"]
        if stored != variant_id:
            raise InputError(f"unit '{unit_id}' has arm '{stored}', not '{variant_id}'; leave out variant_id")
