"""Outcomes as they are handed in: checked, then compared with what is recorded.

Single outcomes raise what is wrong with them. Of a batch, a row whose text no database can hold, or that occurred
outside its window, is left out with its reason and the rest is kept; anything else wrong with a row refuses the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any

import numpy as np
import polars as pl

from tasks.errors import InputError
from tasks.experiments.assignment import require_unit
from tasks.experiments.design import LARGEST, Design, as_number, calendar_of, require_storable
from tasks.experiments.errors import (
    InvalidOutcomeError,
    OutcomeConflictError,
    OutcomeOutsideWindowError,
    UnstorableTextError,
    WrongStateError,
    start_it,
)
from tasks.experiments.records import MetricKind

PRIMARY_KEY = "primary"
SUMS: tuple[str, ...] = (
    *("n", "y", "yy", "d", "dd", "yd", "with_covariate", "x", "xx", "xy"),
    *("m", "mm", "b", "xm", "xb", "hy", "hm", "hb", "hd", "xd"),
    *("y3", "y4", "m3", "m4", "y3d", "y2d2", "yd3", "d4"),
    *("negative", "not_binary", "not_rate", "not_count"),
)
COLUMNS = ("unit_id", "outcome", "key", "denominator", "occurred_at")
ROWS_AT_ONCE = 20_000
CLOCKS_DIFFER = timedelta(minutes=1)
Row = Mapping[str, Any]
Key = tuple[str, str]  # unit, key


@dataclass(frozen=True, slots=True)
class OutcomeInput:
    """One outcome as it was handed in; a denominator comes with a ratio, and with nothing else."""

    unit_id: str
    key: str
    value: float
    denominator: float | None = None
    occurred_at: datetime | None = None

    @property
    def parts(self) -> tuple[float, float]:
        """Value and denominator as they are stored."""
        return self.value, 1.0 if self.denominator is None else self.denominator


@dataclass(frozen=True, slots=True)
class OutcomeWindow:
    """When outcomes of an experiment may have occurred.

    Attributes:
        started_at: of the experiment; outcomes before it, or before their unit's exposure, are none of it.
        conversion: how long after its exposure a unit's outcomes of the metric count; None: as long as the experiment
            takes any.
        calendar: where a day begins, and where `has_zone` the zone of instants that come without one.
    """

    started_at: datetime
    now: datetime
    calendar: tzinfo
    conversion: timedelta | None = None
    has_zone: bool = False

    @classmethod
    def of(cls, experiment: Row, metric: Row, now: datetime) -> OutcomeWindow:
        """Of an experiment that takes outcomes now, and of one of its metrics.

        Raises:
            WrongStateError: before the start.
            OutcomeOutsideWindowError: after the end and its late days.
        """
        identifier, started, completed = (experiment[name] for name in ("experiment_id", "started_at", "completed_at"))
        if started is None:
            state = experiment["status"]
            raise WrongStateError(identifier, state, "outcomes need a running one", start_it(identifier))
        design = Design.of(experiment)
        if completed is not None and now > completed + timedelta(days=design.late_days):
            raise OutcomeOutsideWindowError(
                f"experiment '{identifier}' was completed {completed:%Y-%m-%d %H:%M} and takes no more outcomes; "
                "late_days at creation lets late ones in"
            )
        days = window_days_of(metric, design)
        window = None if days is None else timedelta(days=days)
        return cls(started, now, calendar_of(design), window, has_zone=design.time_zone is not None)

    def instant(self, given: object) -> datetime | None:
        """An instant with its zone; None for None.

        Raises:
            InvalidOutcomeError: for anything else, or one without a zone where the experiment has none.
        """
        if given is None:
            return None
        if not isinstance(given, datetime):
            raise InvalidOutcomeError(f"occurred_at is a datetime, not {given!r}")
        if given.tzinfo is not None:
            return given
        if not self.has_zone:
            raise InvalidOutcomeError(f"occurred_at {given!r} has no zone; give it one, or the experiment a time_zone")
        return given.replace(tzinfo=self.calendar)

    def require_occurred(self, at: datetime | None, exposed_at: datetime | None = None) -> None:
        """Raise unless an outcome of this instant is one of the experiment and, where it is known, of its unit."""
        at = at or self.now
        if at < self.started_at:
            raise OutcomeOutsideWindowError(
                f"outcome of {at:%Y-%m-%d %H:%M} is before the start {self.started_at:%Y-%m-%d %H:%M}"
            )
        if at > self.now + CLOCKS_DIFFER:
            raise OutcomeOutsideWindowError(f"outcome of {at:%Y-%m-%d %H:%M} is in the future; check its time zone")
        if exposed_at is None:
            return
        if at < exposed_at - CLOCKS_DIFFER:
            raise OutcomeOutsideWindowError(
                f"outcome of {at:%Y-%m-%d %H:%M} is before its unit was exposed, {exposed_at:%Y-%m-%d %H:%M}"
            )
        if self.conversion is not None and at > exposed_at + self.conversion:
            days = self.conversion / timedelta(days=1)
            raise OutcomeOutsideWindowError(
                f"outcome of {at:%Y-%m-%d %H:%M} is later than {days:g} days after its unit was exposed, "
                f"{exposed_at:%Y-%m-%d %H:%M}: outside the conversion window"
            )


def window_days_of(metric: Row, design: Design) -> float | None:
    """Days after its exposure in which a unit's outcomes of a metric count: the metric's own, else the experiment's."""
    days = design.conversion_window_days if metric["window_days"] is None else metric["window_days"]
    return None if days is None else float(days)


@dataclass(slots=True)
class Intake:
    """Outcomes on their way in, some at a time, and what was left out of them.

    Attributes:
        is_single: one outcome by itself, that raises what a batch leaves out.
    """

    rows: pl.DataFrame | Iterable[Row]
    window: OutcomeWindow
    occurred_at: datetime | None = None
    is_single: bool = False
    refused: list[dict[str, Any]] = field(default_factory=list)

    def batches(self) -> Iterator[list[OutcomeInput]]:
        """Checked outcomes in the order of their units, so that two intakes that share some never deadlock.

        Raises:
            InputError: if a column is missing or unknown, or a row cannot be counted.
        """
        for rows in _in_order_of_units(self.rows):
            checked = []
            for row in rows:
                try:
                    checked.append(self._checked(row))
                except UnstorableTextError as error:
                    self.refuse(row["unit_id"], error)
            yield checked

    def _checked(self, row: Row) -> OutcomeInput:
        one = make_outcome(*(row.get(name) for name in ("unit_id", "outcome", "key", "denominator")))
        at = self.window.instant(row.get("occurred_at", self.occurred_at))
        return one if at is None else OutcomeInput(one.unit_id, one.key, one.value, one.denominator, at)

    def inside(self, given: Iterable[OutcomeInput], assignments: Mapping[str, Row]) -> list[OutcomeInput]:
        """Those that occurred in their unit's window."""
        kept = []
        for one in given:
            try:
                self.window.require_occurred(one.occurred_at, assignments[one.unit_id]["assigned_at"])
                kept.append(one)
            except OutcomeOutsideWindowError as error:
                self.refuse(one.unit_id, error)
        return kept

    def refuse(self, unit_id: object, error: InputError) -> None:
        """Leave one out and remember why; a single one raises."""
        if self.is_single:
            raise error
        self.refused.append({"unit_id": unit_id, "reason": str(error)})


def _in_order_of_units(given: pl.DataFrame | Iterable[Row]) -> Iterator[Sequence[Row]]:
    if isinstance(given, pl.DataFrame):
        _require_columns(set(given.columns))
        order = given["unit_id"].cast(pl.String, strict=False) if given["unit_id"].dtype != pl.Object else None
        frame = given if order is None else given[order.arg_sort()]
        for start in range(0, frame.height, ROWS_AT_ONCE):
            yield frame[start : start + ROWS_AT_ONCE].to_dicts()
        return
    rows = list(given) if isinstance(given, Iterable) else [given]
    if not all(isinstance(row, Mapping) for row in rows):
        raise InputError("outcomes are a data frame, or a list of dictionaries with unit_id and outcome")
    if rows:
        _require_columns({name for row in rows for name in row})
    rows.sort(key=_unit_of)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[start : start + ROWS_AT_ONCE]


def _unit_of(row: Row) -> str:
    return str(row.get("unit_id"))


def _require_columns(columns: set[str]) -> None:
    if not {"unit_id", "outcome"} <= columns <= set(COLUMNS):
        optional = ", ".join(COLUMNS[2:])
        raise InputError(f"outcomes have unit_id, outcome and optionally {optional}; not {sorted(columns)}")


def make_outcome(unit_id: object, outcome: object, key: object = None, denominator: object = None) -> OutcomeInput:
    """One outcome, checked by itself."""
    value, parts = require_outcome(outcome), None if denominator is None else require_denominator(denominator)
    name = PRIMARY_KEY if key is None else str(key).strip()
    if not name or len(name) > 128:
        raise InvalidOutcomeError(f"an outcome's key is a text of 1 to 128 characters, not {key!r}")
    if unit_id is None:
        raise InvalidOutcomeError("an outcome in a batch names its unit; unit_id is missing")
    return OutcomeInput(require_unit(unit_id), require_storable("an outcome's key", name), value, parts)


def require_outcome(value: object) -> float:
    """The value as a float.

    Raises:
        InvalidOutcomeError: for anything but a finite number of a size that can be squared.
    """
    number = as_number(value)
    if number is None:
        raise InvalidOutcomeError(f"an outcome is a finite number, not {value!r}; leave out units without one")
    return _require_size("an outcome", number)


def require_denominator(value: object) -> float:
    """The denominator as a float.

    Raises:
        InvalidOutcomeError: for anything but a positive finite number.
    """
    number = None if isinstance(value, bool | np.bool_) else as_number(value)
    if number is None or number <= 0:
        raise InvalidOutcomeError(f"a denominator is a positive number, not {value!r}; leave out units without one")
    if number < 1 / LARGEST:
        raise InvalidOutcomeError(f"a denominator is at least {1 / LARGEST:g}, not {number:g}; use a smaller unit")
    return _require_size("a denominator", number)


def _require_size(what: str, number: float) -> float:
    if abs(number) > LARGEST:
        raise InvalidOutcomeError(f"{what} is at most {LARGEST:g} in size, not {number:g}; measure it in a larger unit")
    return number


def require_values(given: Sequence[OutcomeInput], kind: MetricKind | None, metric: Row) -> None:
    """Raise if a value does not fit the metric's declared kind or its bounds, or lacks its denominator."""
    require_kind([outcome.value for outcome in given], kind, metric["lower"], metric["upper"])
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


def require_kind(values: Iterable[float], kind: MetricKind | None, lower: float | None, upper: float | None) -> None:
    """Check values against a declared kind, and against declared bounds.

    Raises:
        InvalidOutcomeError: naming the first value that does not fit.
    """
    low, high = -np.inf if lower is None else lower, np.inf if upper is None else upper
    is_bounded = lower is not None and upper is not None
    for value in values:
        if not low <= value <= high:
            raise InvalidOutcomeError(f"outcome {value!r} is outside the metric's bounds [{low}, {high}]")
        if not _fits(value, kind, is_bounded=is_bounded):
            raise InvalidOutcomeError(
                f"outcome {value!r} does not fit the metric, which is declared as {kind}; "
                "declare another metric_kind in a new experiment, or none"
            )


def _fits(value: float, kind: MetricKind | None, *, is_bounded: bool) -> bool:
    if kind == MetricKind.BINARY:
        return value in (0, 1)
    if kind == MetricKind.RATE:
        return is_bounded or 0 <= value <= 1
    return kind != MetricKind.COUNT or (value >= 0 and value.is_integer())


@dataclass(frozen=True, slots=True)
class State:
    """One outcome as it stands."""

    value: float
    denominator: float
    revision: int
    occurred_at: datetime | None

    @property
    def parts(self) -> tuple[float, float]:
        """Value and denominator."""
        return self.value, self.denominator


@dataclass(frozen=True, slots=True)
class Changes:
    """What a batch writes.

    Attributes:
        touched: each outcome that is new or replaced: before, None where there was none, and after.
        before, after: values and denominators of all outcomes of the units touched.
    """

    touched: dict[Key, tuple[State | None, State]]
    before: dict[str, list[tuple[float, float]]]
    after: dict[str, list[tuple[float, float]]]
    unchanged: int

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        """Rows to write."""
        return [_row(key, after) for key, (_, after) in self.touched.items()]

    @property
    def amendments(self) -> list[dict[str, Any]]:
        """What was replaced."""
        return [_row(key, before) for key, (before, _) in self.touched.items() if before is not None]


def changes(given: Sequence[OutcomeInput], recorded: Mapping[Key, Row], *, amend: bool) -> Changes:
    """Compare a batch with what is recorded for its units.

    Raises:
        OutcomeConflictError: if a key is recorded with another value and this is no amendment.
    """
    start = {key: state_of(row) for key, row in recorded.items()}
    current, unchanged, touched = dict(start), 0, dict[Key, None]()
    for one in given:
        key = (one.unit_id, one.key)
        known = current.get(key)
        is_moved = amend and one.occurred_at is not None and known is not None and known.occurred_at != one.occurred_at
        if known is not None and known.parts == one.parts and not is_moved:
            unchanged += 1
            continue
        if known is not None and not amend:
            raise OutcomeConflictError(one.unit_id, one.key, known.value, one.value)
        revision = 0 if known is None else start[key].revision + 1 if key in start else known.revision
        at = one.occurred_at or (None if known is None else known.occurred_at)
        current[key] = State(*one.parts, revision, at)
        touched[key] = None
    units = {unit for unit, _ in touched}
    return Changes(
        {key: (start.get(key), current[key]) for key in touched},
        _by_unit(start, units),
        _by_unit(current, units),
        unchanged,
    )


def state_of(row: Row) -> State:
    """An outcome from its stored row."""
    return State(row["value"], row["denominator"], row["revision"], row["occurred_at"])


def _row(key: Key, state: State) -> dict[str, Any]:
    row = {"unit_id": key[0], "key": key[1], "value": state.value, "denominator": state.denominator}
    return row | {"revision": state.revision, "occurred_at": state.occurred_at}


def _by_unit(state: Mapping[Key, State], units: Iterable[str]) -> dict[str, list[tuple[float, float]]]:
    values: dict[str, list[tuple[float, float]]] = {unit: [] for unit in units}
    for (unit, _), one in state.items():
        if unit in values:
            values[unit].append(one.parts)
    return values
