"""Outcomes: each counts once, and its arm's sums change in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, select, update

from tasks.experiments.assignment import UNNAMED
from tasks.experiments.design import Design, calendar_of
from tasks.experiments.errors import UnassignedUnitError
from tasks.experiments.outcomes import (
    SUMS,
    Changes,
    Intake,
    Key,
    OutcomeInput,
    changes,
    require_values,
    require_variant,
    state_of,
)
from tasks.experiments.records import MetricKind
from tasks.experiments.store.assignments import UNITS_PER_QUERY, Assignments
from tasks.experiments.store.rows import Row, add_to_sums, insert_into, rows_within
from tasks.experiments.unit_sums import (
    DAY_SUMS,
    PEAKS,
    Cell,
    Day,
    added,
    as_columns,
    day_rows,
    difference,
    kind_of_values,
    middle_of,
    sums_by_cell,
    sums_by_day,
    units_above,
)
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Experiment,
    ExperimentAmendment,
    ExperimentAssignment,
    ExperimentDay,
    ExperimentMetric,
    ExperimentOutcome,
    ExperimentStatistic,
)

ROWS_AT_ONCE = 10_000


class Outcomes:
    """Outcomes, their amendments and the sums over units, in one warehouse."""

    def __init__(self, warehouse: Warehouse, assignments: Assignments) -> None:
        self.warehouse, self.assignments = warehouse, assignments

    def record(
        self,
        experiment_id: str,
        metric_name: str,
        intake: Intake,
        *,
        amend: bool,
        expected: Mapping[str, str],
        waiting_for: str | None = None,
    ) -> tuple[int, int, int]:
        """Write outcomes and bring the sums up to date, in one transaction; returns written, unchanged, amended.

        Args:
            expected: the arm that comes with a unit, where one does; raises if it is another than the stored one.
            waiting_for: the arm of a unit that has no name, when the only outcome given names none.
        """
        counts = (0, 0, 0)
        with self.warehouse.begin() as connection:
            for given in intake.batches():
                metric = self._locked(connection, experiment_id, metric_name)
                if waiting_for is not None:
                    unit = self._waiting(connection, experiment_id, metric_name, waiting_for)
                    given = [replace(one, unit_id=unit) for one in given]
                made = self._record(connection, metric, intake, given, expected if waiting_for is None else {}, amend)
                counts = (
                    counts[0] + len(made.touched),
                    counts[1] + made.unchanged,
                    counts[2] + len(made.amendments),
                )
        return counts

    def _record(
        self,
        connection: Connection,
        metric: Row,
        intake: Intake,
        given: Sequence[OutcomeInput],
        expected: Mapping[str, str],
        amend: bool,
    ) -> Changes:
        units = sorted({one.unit_id for one in given})
        assignments = self.assignments.of_units(connection, metric["experiment_id"], units, lock=True)
        if len(assignments) < len(units):
            raise UnassignedUnitError(next(unit for unit in units if unit not in assignments))
        require_values(given, MetricKind(metric["kind"]) if metric["is_kind_fixed"] else None, metric)
        require_variant(assignments, expected)
        kept = intake.inside(given, assignments)
        made = changes(kept, self._recorded(connection, metric, units), amend=amend)
        if made.touched:
            self._write(connection, self._settled(connection, metric, given, made), made, assignments, intake)
        return made

    def _locked(self, connection: Connection, experiment_id: str, metric_name: str) -> Row:
        """The metric; nobody changes its origin until this transaction ends.

        Shared with other writers once it is settled, alone while it is not: a shared lock that became an exclusive one
        would wait for another that does the same.
        """
        table = ExperimentMetric
        mine = (table.experiment_id == experiment_id) & (table.metric_name == metric_name)
        query = select(table.__table__).where(mine)
        is_settled = _is_settled(dict(connection.execute(query).mappings().one()))
        metric = dict(connection.execute(query.with_for_update(read=is_settled)).mappings().one())
        return metric if metric["has_all_sums"] or metric["origin"] is None else self._sum_anew(connection, metric)

    def _waiting(self, connection: Connection, experiment_id: str, metric_name: str, variant_id: str) -> str:
        a, o = ExperimentAssignment, ExperimentOutcome
        has_outcome: ColumnElement[bool] = exists().where(
            o.experiment_id == a.experiment_id, o.unit_id == a.unit_id, o.metric_name == metric_name
        )
        mine = (a.experiment_id == experiment_id) & (a.variant_id == variant_id) & a.unit_id.startswith(UNNAMED)
        query = select(a.unit_id).where(mine, ~has_outcome).order_by(a.assigned_at, a.unit_id).limit(1)
        unit = connection.execute(query.with_for_update(skip_locked=True)).scalar()
        if unit is None:
            raise UnassignedUnitError.none_waiting(variant_id)
        return str(unit)

    def _recorded(self, connection: Connection, metric: Row, unit_ids: Sequence[str]) -> dict[Key, Row]:
        table = ExperimentOutcome
        recorded: dict[Key, Row] = {}
        for start in range(0, len(unit_ids), UNITS_PER_QUERY):
            chunk = unit_ids[start : start + UNITS_PER_QUERY]
            query = select(table.__table__).where(_of_metric(table, metric), table.unit_id.in_(chunk))
            rows = connection.execute(query).mappings()
            recorded |= {(row["unit_id"], row["key"]): dict(row) for row in rows}
        return recorded

    def _write(
        self, connection: Connection, metric: Row, made: Changes, assignments: Mapping[str, Row], intake: Intake
    ) -> None:
        about = {name: metric[name] for name in ("experiment_id", "metric_name")}
        table, now = ExperimentOutcome, intake.window.now
        insert = insert_into(self.warehouse, table)
        names = ("value", "denominator", "revision", "recorded_at", "occurred_at")
        replaced = {name: insert.excluded[name] for name in names}
        keys = [column.name for column in table.__table__.primary_key]
        rows = [about | row | {"recorded_at": now} for row in made.outcomes]
        connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=replaced), rows)
        amended = [about | row | {"replaced_at": now} for row in made.amendments]
        self.warehouse.upsert(connection, ExperimentAmendment, amended, keep_existing=True)
        origin = metric["origin"]
        has_covariates = any(row["covariate"] is not None for row in assignments.values())
        other = _covariate_origin(connection, metric["experiment_id"]) if has_covariates else 0.0
        before, after = (sums_by_cell(units, assignments, origin, other) for units in (made.before, made.after))
        delta = [about | as_columns(*item) for item in difference(after, before).items()]
        add_to_sums(self.warehouse, connection, ExperimentStatistic, delta, SUMS, PEAKS)
        days = sums_by_day(made.touched, assignments, intake.window.calendar, origin)
        add_to_sums(self.warehouse, connection, ExperimentDay, [about | row for row in day_rows(days)], DAY_SUMS)

    def _settled(self, connection: Connection, metric: Row, given: Sequence[OutcomeInput], made: Changes) -> Row:
        """The metric with its origin, and its kind as far as it is known; the first outcomes say both."""
        if metric["origin"] is not None:
            return metric
        is_ratio = metric["kind"] == MetricKind.RATIO or given[0].denominator is not None
        values: Row = {"has_all_sums": True, "origin": 0.0 if is_ratio else middle_of(made.after.values())}
        if metric["kind"] is None:
            kind = MetricKind.RATIO if is_ratio else kind_of_values([one.value for one in given])
            values |= {"kind": kind.value, "is_kind_fixed": is_ratio}
        connection.execute(update(ExperimentMetric).where(_of_metric(ExperimentMetric, metric)).values(**values))
        return metric | values

    def sum_anew(self, experiment_id: str, metric_name: str) -> None:
        """Make the sums of one metric from its outcomes, about their mean, while nobody else adds to them."""
        table = ExperimentMetric
        mine = (table.experiment_id == experiment_id) & (table.metric_name == metric_name)
        with self.warehouse.begin() as connection:
            query = select(table.__table__).where(mine).with_for_update()
            self._sum_anew(connection, dict(connection.execute(query).mappings().one()))

    def _sum_anew(self, connection: Connection, metric: Row) -> Row:
        s, d = ExperimentStatistic, ExperimentDay
        n, y = connection.execute(select(func.sum(s.n), func.sum(s.y)).where(_of_metric(s, metric))).one()
        is_shifted = metric["kind"] != MetricKind.RATIO and n
        origin = metric["origin"] + float(y) / int(n) if is_shifted else metric["origin"]
        values: Row = {"origin": origin, "has_all_sums": True}
        connection.execute(update(ExperimentMetric).where(_of_metric(ExperimentMetric, metric)).values(**values))
        cells, days = self._recounted(connection, metric | values)
        about = {name: metric[name] for name in ("experiment_id", "metric_name")}
        for table in (s, d):
            connection.execute(delete(table).where(_of_metric(table, metric)))
        self.warehouse.upsert(connection, s, [about | as_columns(*item) for item in cells.items()])
        self.warehouse.upsert(connection, d, [about | row for row in day_rows(days)])
        return metric | values

    def recount(
        self, experiment_id: str, metric: Row, capped: Mapping[str, list[tuple[float, float]]] | None = None
    ) -> dict[Cell, Row]:
        """The sums made anew from the outcomes, some units' counted for others; what the stored ones must equal."""
        with self.warehouse.connect() as connection:
            cells, _ = self._recounted(connection, metric | {"experiment_id": experiment_id}, capped)
        return {cell: {name: sums[name] for name in SUMS} for cell, sums in cells.items()}

    def _recounted(
        self, connection: Connection, metric: Row, capped: Mapping[str, list[tuple[float, float]]] | None = None
    ) -> tuple[dict[Cell, Row], dict[Day, Row]]:
        """Sums by cell and by day, over all outcomes, some thousand units at a time; some units in another way."""
        design = select(Experiment.design).where(Experiment.experiment_id == metric["experiment_id"])
        zone = calendar_of(Design.from_dict(connection.execute(design).scalar_one()))
        other = _covariate_origin(connection, metric["experiment_id"])
        cells: dict[Cell, Row] = {}
        days: dict[Day, Row] = {}
        for units in _some_units(self._with_assignments(connection, metric)):
            assignments = {unit: rows[0] for unit, rows in units.items()}
            values = {unit: [(row["value"], row["denominator"]) for row in rows] for unit, rows in units.items()}
            values |= {unit: outcomes for unit, outcomes in (capped or {}).items() if unit in values}
            _add(cells, sums_by_cell(values, assignments, metric["origin"] or 0.0, other))
            made = {(unit, row["key"]): (None, state_of(row)) for unit, rows in units.items() for row in rows}
            _add(days, sums_by_day(made, assignments, zone, metric["origin"] or 0.0))
        return cells, days

    def _with_assignments(self, connection: Connection, metric: Row) -> Iterator[Row]:
        """Every outcome of one metric with its unit's assignment, unit by unit."""
        o, a = ExperimentOutcome, ExperimentAssignment
        joined = and_(o.experiment_id == a.experiment_id, o.unit_id == a.unit_id)
        columns: list[Any] = [o.unit_id, o.key, o.value, o.denominator, o.revision, o.occurred_at, a.variant_id]
        columns += [a.epoch, a.segment, a.covariate, a.assigned_at]
        query = select(*columns).join(a, joined).where(_of_metric(o, metric)).order_by(o.unit_id, o.key)
        for row in connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}).mappings():
            yield dict(row)

    def statistics(self, experiment_id: str) -> list[Row]:
        """Sums of all metrics with what was taken off them, as they are at one instant.

        Their number does not depend on the number of outcomes.
        """
        s, m = ExperimentStatistic, ExperimentMetric
        same = (m.experiment_id == s.experiment_id) & (m.metric_name == s.metric_name)
        query = select(s.__table__, m.origin, m.has_all_sums).join(m, same).where(s.experiment_id == experiment_id)
        return self.warehouse.rows(query.order_by(*s.__table__.primary_key))

    def by_day(self, experiment_id: str) -> list[Row]:
        """Sums of all metrics by day."""
        with self.warehouse.connect() as connection:
            return rows_within(connection, ExperimentDay, experiment_id)

    def with_largest(
        self, metric: Row, kind: MetricKind, quantile: float, arrived: int | None
    ) -> tuple[list[Row], list[Row]]:
        """The sums of one metric, and the units that are above the quantile's rank, the largest value first.

        Args:
            kind: tells what a unit's value is.
            arrived: units in all, where those without an outcome count as zero.
        """
        o = ExperimentOutcome
        value = func.avg(o.value) if kind == MetricKind.RATE else func.sum(o.value)
        with self.warehouse.connect() as connection:
            if not self.warehouse.is_sqlite:  # one state of the data for both questions; SQLite has no other
                connection.execution_options(isolation_level="REPEATABLE READ")
            mine = _of_metric(ExperimentStatistic, metric)
            rows = self.warehouse.rows(select(ExperimentStatistic.__table__).where(mine), connection)
            rank = units_above(sum(row["n"] for row in rows) if arrived is None else arrived, quantile)
            units = select(o.unit_id, value.label("value"), func.sum(o.denominator).label("denominator"))
            units = units.where(_of_metric(o, metric)).group_by(o.unit_id).order_by(value.desc()).limit(rank + 1)
            top = self.warehouse.rows(units, connection)
            names = [row["unit_id"] for row in top]
            assignments = self.assignments.of_units(connection, metric["experiment_id"], names)
        return rows, [assignments[row["unit_id"]] | row for row in top]


def _of_metric(table: Any, metric: Mapping[str, Any]) -> ColumnElement[bool]:
    return and_(table.experiment_id == metric["experiment_id"], table.metric_name == metric["metric_name"])


def _is_settled(metric: Mapping[str, Any]) -> bool:
    return metric["origin"] is not None and bool(metric["has_all_sums"])


def _covariate_origin(connection: Connection, experiment_id: str) -> float:
    mine = Experiment.experiment_id == experiment_id
    return float(connection.execute(select(Experiment.covariate_origin).where(mine)).scalar() or 0.0)


def _some_units(rows: Iterator[Row]) -> Iterator[dict[str, list[Row]]]:
    """Outcomes by unit, some units at a time."""
    some: dict[str, list[Row]] = {}
    for unit, outcomes in groupby(rows, key=itemgetter("unit_id")):
        some[unit] = list(outcomes)
        if len(some) >= ROWS_AT_ONCE:
            yield some
            some = {}
    yield some


def _add(total: dict[Any, Row], part: Mapping[Any, Mapping[str, float]]) -> None:
    """Add sums to sums, and keep the larger of two peaks."""
    for place, sums in part.items():
        known = total.get(place)
        total[place] = dict(sums) if known is None else added(known, sums)
