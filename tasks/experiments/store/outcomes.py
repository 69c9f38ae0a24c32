"""Outcomes: each counts once, and its arm's sums change in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, select, update

from tasks.experiments.assignment import UNNAMED
from tasks.experiments.errors import UnassignedUnitError
from tasks.experiments.outcomes import (
    SUMS,
    UNITS_UNTIL_FIXED,
    Cell,
    Changes,
    Key,
    OutcomeInput,
    changes,
    difference,
    infer_kind,
    require_values,
    require_variant,
    sums_by_cell,
    unit_value,
)
from tasks.experiments.records import MetricKind
from tasks.experiments.store.assignments import UNITS_PER_QUERY, Assignments
from tasks.experiments.store.rows import Row, add_to_sums, insert_into, rows_of
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    ExperimentAmendment,
    ExperimentAssignment,
    ExperimentMetric,
    ExperimentOutcome,
    ExperimentStatistic,
)


class Outcomes:
    """Outcomes, their amendments and the sums over units, in one warehouse."""

    def __init__(self, warehouse: Warehouse, assignments: Assignments) -> None:
        self.warehouse, self.assignments = warehouse, assignments

    def record(
        self,
        experiment_id: str,
        metric_name: str,
        given: Sequence[OutcomeInput],
        *,
        amend: bool,
        now: datetime,
        expected: Mapping[str, str],
        waiting_for: str | None = None,
    ) -> tuple[int, int, int]:
        """Write outcomes and bring the sums up to date, in one transaction; returns written, unchanged, amended.

        Args:
            expected: the arm that comes with a unit, where one does; raises if it is another than the stored one.
            waiting_for: the arm of a unit that has no name, when the only outcome given names none.
        """
        with self.warehouse.begin() as connection:
            metric = self._metric(connection, experiment_id, metric_name)
            if waiting_for is not None:
                unit = self._waiting(connection, experiment_id, metric_name, waiting_for)
                given = [OutcomeInput(unit, one.key, one.value, one.denominator) for one in given]
            units = sorted({one.unit_id for one in given})
            assignments = self.assignments.of_units(connection, experiment_id, units, lock=True)
            if len(assignments) < len(units):
                raise UnassignedUnitError(next(unit for unit in units if unit not in assignments))
            require_values(given, MetricKind(metric["kind"]) if metric["is_kind_fixed"] else None, metric)
            require_variant(assignments, expected if waiting_for is None else {})
            made = changes(given, self._recorded(connection, experiment_id, metric_name, units), amend=amend)
            declared = MetricKind.RATIO if given[0].denominator is not None else None
            self._write(connection, experiment_id, metric, made, assignments, now, declared)
        return len(made.outcomes), made.unchanged, len(made.amendments)

    def _metric(self, connection: Connection, experiment_id: str, metric_name: str) -> Row:
        """Locked while its kind or origin is still open."""
        table = ExperimentMetric
        mine = (table.experiment_id == experiment_id) & (table.metric_name == metric_name)
        query = select(table.__table__).where(mine)
        row = dict(connection.execute(query).mappings().one())
        return dict(connection.execute(query.with_for_update()).mappings().one()) if _is_open(row) else row

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

    def _recorded(
        self, connection: Connection, experiment_id: str, metric_name: str, unit_ids: Sequence[str]
    ) -> dict[Key, Row]:
        table = ExperimentOutcome
        mine = (table.experiment_id == experiment_id) & (table.metric_name == metric_name)
        recorded: dict[Key, Row] = {}
        for start in range(0, len(unit_ids), UNITS_PER_QUERY):
            chunk = unit_ids[start : start + UNITS_PER_QUERY]
            rows = connection.execute(select(table.__table__).where(mine, table.unit_id.in_(chunk))).mappings()
            recorded |= {(row["unit_id"], row["key"]): dict(row) for row in rows}
        return recorded

    def _write(
        self,
        connection: Connection,
        experiment_id: str,
        metric: Row,
        made: Changes,
        assignments: Mapping[str, Row],
        now: datetime,
        declared: MetricKind | None,
    ) -> None:
        if not made.outcomes:
            return
        about = {"experiment_id": experiment_id, "metric_name": metric["metric_name"]}
        table = ExperimentOutcome
        insert = insert_into(self.warehouse, table)
        replaced = {name: insert.excluded[name] for name in ("value", "denominator", "revision", "recorded_at")}
        keys = [column.name for column in table.__table__.primary_key]
        rows = [about | row | {"recorded_at": now} for row in made.outcomes]
        connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=replaced), rows)
        amended = [about | row | {"replaced_at": now} for row in made.amendments]
        self.warehouse.upsert(connection, ExperimentAmendment, amended, keep_existing=True)
        kind, origin = self._settle_kind(connection, about, metric, made, declared)
        before = sums_by_cell(made.before, assignments, kind, origin)
        delta = difference(sums_by_cell(made.after, assignments, kind, origin), before)
        add_to_sums(
            self.warehouse,
            connection,
            ExperimentStatistic,
            [about | _as_columns(*item) for item in delta.items()],
            SUMS,
        )

    def _settle_kind(
        self, connection: Connection, about: Row, metric: Row, made: Changes, declared: MetricKind | None
    ) -> tuple[MetricKind, float]:
        """The kind from the first outcomes, if they do not tell it; sums made under a narrower kind are made anew."""
        so_far = MetricKind(metric["kind"]) if metric["kind"] else None
        if so_far is not None and not _is_open(metric):
            return so_far, metric["origin"] or 0.0
        declared = so_far if metric["is_kind_fixed"] else declared
        kind = declared or infer_kind([row["value"] for row in made.outcomes], so_far)
        s = ExperimentStatistic
        mine = and_(*(s.__table__.c[name] == value for name, value in about.items()))
        seen = connection.execute(select(func.coalesce(func.sum(s.n), 0)).where(mine)).scalar_one()
        first = made.outcomes[0]["value"] if kind == MetricKind.CONTINUOUS and not seen else 0.0
        origin = first if metric["origin"] is None else metric["origin"]
        m = ExperimentMetric
        ours = and_(*(m.__table__.c[name] == value for name, value in about.items()))
        is_fixed = declared is not None or seen + len(made.after) >= UNITS_UNTIL_FIXED
        connection.execute(update(m).where(ours).values(kind=kind.value, origin=origin, is_kind_fixed=is_fixed))
        if so_far not in (None, kind) and seen:
            self._restate(connection, about, made, kind, origin)
        return kind, origin

    def _restate(self, connection: Connection, about: Row, made: Changes, kind: MetricKind, origin: float) -> None:
        """Rewrite the sums of the units before this batch under a wider kind; they are few."""
        o, a = ExperimentOutcome, ExperimentAssignment
        joined = and_(o.experiment_id == a.experiment_id, o.unit_id == a.unit_id)
        columns = (o.unit_id, o.key, o.value, o.denominator, a.variant_id, a.epoch, a.segment, a.covariate)
        mine = and_(*(o.__table__.c[name] == value for name, value in about.items()))
        stored = connection.execute(select(*columns).join(a, joined).where(mine)).mappings().all()
        written = {(row["unit_id"], row["key"]) for row in made.outcomes}
        old: dict[str, list[tuple[float, float]]] = {unit: list(values) for unit, values in made.before.items()}
        for row in stored:
            if row["unit_id"] not in made.before and (row["unit_id"], row["key"]) not in written:
                old.setdefault(row["unit_id"], []).append((row["value"], row["denominator"]))
        sums = sums_by_cell(old, {row["unit_id"]: dict(row) for row in stored}, kind, origin)
        rows = [about | _as_columns(*item) for item in sums.items()]
        self.warehouse.upsert(connection, ExperimentStatistic, rows)

    def statistics(self, experiment_id: str) -> list[Row]:
        """Sums of all metrics; their number does not depend on the number of outcomes."""
        return rows_of(self.warehouse, ExperimentStatistic, experiment_id)

    def capped_statistics(self, experiment_id: str, metric: Row, quantile: float | None) -> list[Row]:
        """The sums, with the primary metric's values capped at a quantile of all arms together where one is given."""
        rows = self.statistics(experiment_id)
        if quantile is None or metric["kind"] is None:
            return rows
        units = _by_unit(self.unit_frame(experiment_id, metric["metric_name"]).to_dicts())
        values = [unit_value(outcomes, MetricKind(metric["kind"]))[0] for outcomes in units.values()]
        cap = pl.Series(values, dtype=pl.Float64).quantile(quantile, "higher")
        about = {"experiment_id": experiment_id, "metric_name": metric["metric_name"]}
        made = [about | _as_columns(*item) for item in self.recount(experiment_id, metric, cap).items()]
        return [row for row in rows if row["metric_name"] != metric["metric_name"]] + made

    def recount(self, experiment_id: str, metric: Row, cap: float | None = None) -> dict[Cell, Row]:
        """The sums made anew from the outcomes, units capped where wished; what the stored ones must equal."""
        rows = self.unit_frame(experiment_id, metric["metric_name"]).to_dicts()
        assignments = {row["unit_id"]: row for row in rows}
        kind, origin = MetricKind(metric["kind"]), metric["origin"] or 0.0
        return sums_by_cell(_by_unit(rows), assignments, kind, origin, inf if cap is None else cap)

    def unit_frame(self, experiment_id: str, metric_name: str) -> pl.DataFrame:
        """Every outcome of one metric with its unit's assignment."""
        o, a = ExperimentOutcome, ExperimentAssignment
        joined = and_(o.experiment_id == a.experiment_id, o.unit_id == a.unit_id)
        columns = (o.unit_id, o.key, o.value, o.denominator, a.variant_id, a.epoch, a.segment, a.covariate)
        query: Select[Any] = select(*columns).join(a, joined)
        mine = (o.experiment_id == experiment_id) & (o.metric_name == metric_name)
        return self.warehouse.read(query.where(mine).order_by(o.unit_id, o.key))


def _is_open(metric: Mapping[str, Any]) -> bool:
    """Whether the first outcomes still have to tell the kind, or the origin that a continuous metric counts from."""
    has_no_origin = metric["origin"] is None and metric["kind"] == MetricKind.CONTINUOUS
    return not metric["is_kind_fixed"] or has_no_origin


def _as_columns(cell: Cell, sums: Mapping[str, float]) -> Row:
    """One cell's sums as a row of `experiment_statistic`, its experiment and metric aside."""
    whole = {name: int(sums[name]) for name in ("n", "with_covariate")}
    return {"variant_id": cell[0], "epoch": cell[1], "segment": cell[2]} | dict(sums) | whole


def _by_unit(rows: Sequence[Row]) -> dict[str, list[tuple[float, float]]]:
    units: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        units.setdefault(row["unit_id"], []).append((row["value"], row["denominator"]))
    return units
