"""The experiments' SQL. Every write is one transaction, and doing it twice changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Connection, Select, Update, and_, cast, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tasks.experiments.assignment import UNNAMED
from tasks.experiments.contributions import SUMS, Cell, Changes, Given, Key, changes, difference, statistics
from tasks.experiments.errors import UnassignedUnitError, unknown_experiment
from tasks.experiments.metric_kinds import UNITS_UNTIL_FIXED, MetricKind, infer
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Base,
    Experiment,
    ExperimentAmendment,
    ExperimentArm,
    ExperimentArrival,
    ExperimentAssignment,
    ExperimentDecision,
    ExperimentEpoch,
    ExperimentLook,
    ExperimentMetric,
    ExperimentOutcome,
    ExperimentStatistic,
    ExperimentVariant,
)

Row = dict[str, Any]
UNITS_PER_QUERY = 5000


class ExperimentStore:
    """Rows of experiments in one warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self._insert: Any = sqlite.insert if warehouse.is_sqlite else postgresql.insert

    # ── definition ──
    def create(self, experiment: Row, variants: Sequence[Row], metrics: Sequence[Row]) -> None:
        """Write a new experiment; one that is there already stays as it is."""
        with self.warehouse.begin() as connection:
            if self.warehouse.upsert(connection, Experiment, [experiment], keep_existing=True):
                self.warehouse.upsert(connection, ExperimentVariant, variants)
                self.warehouse.upsert(connection, ExperimentMetric, metrics)
                self._log(connection, experiment["experiment_id"], "created", experiment["created_at"], {})

    def find(self, experiment_id: str) -> tuple[Row, list[Row], list[Row]]:
        """The experiment, its variants in order, its metrics with the primary one first.

        Raises:
            UnknownNameError: if there is no such experiment.
        """
        with self.warehouse.connect() as connection:
            found = self._of(connection, Experiment, experiment_id)
            if not found:
                raise unknown_experiment(experiment_id)
            variants = self._of(connection, ExperimentVariant, experiment_id, ExperimentVariant.position)
            order = (ExperimentMetric.role.desc(), ExperimentMetric.metric_name)
            return found[0], variants, self._of(connection, ExperimentMetric, experiment_id, *order)

    def named(self, workspace_id: str, name: str) -> list[Row]:
        """Experiments of a workspace by this name, oldest first."""
        table = Experiment.__table__
        mine = (Experiment.workspace_id == workspace_id) & (Experiment.name == name)
        return self.warehouse.rows(select(table).where(mine).order_by(Experiment.created_at))

    def experiments(self, workspace_id: str | None = None) -> list[Row]:
        """Experiments of one workspace, or of all, newest first."""
        query = select(Experiment.__table__).order_by(Experiment.created_at.desc(), Experiment.experiment_id)
        return self.warehouse.rows(query.where(Experiment.workspace_id == workspace_id) if workspace_id else query)

    def identifiers(self, status: str, workspace_ids: Sequence[str] = ()) -> dict[str, list[str]]:
        """Ids of experiments in a state by workspace, of some workspaces or all."""
        query = select(Experiment.workspace_id, Experiment.experiment_id).where(Experiment.status == status)
        query = query.where(Experiment.workspace_id.in_(workspace_ids)) if workspace_ids else query
        found: dict[str, list[str]] = {}
        for row in self.warehouse.rows(query.order_by(Experiment.created_at, Experiment.experiment_id)):
            found.setdefault(row["workspace_id"], []).append(row["experiment_id"])
        return found

    def change(self, experiment_id: str, action: str, now: datetime, evidence: Row, **columns: Any) -> bool:
        """Change the experiment's row and log why; False when it has them already."""
        mine = Experiment.experiment_id == experiment_id
        differs = [getattr(Experiment, name).is_distinct_from(value) for name, value in columns.items()]
        statement: Update = update(Experiment).where(mine, differs[0]).values(**columns)
        with self.warehouse.begin() as connection:
            changed = connection.execute(statement).rowcount > 0
            if changed:
                self._log(connection, experiment_id, action, now, evidence)
        return changed

    # ── allocation ──
    def epochs(self, experiment_id: str) -> list[Row]:
        """Weights over time."""
        return self._rows(ExperimentEpoch, experiment_id, ExperimentEpoch.epoch)

    def add_epoch(self, epoch: Row) -> bool:
        """Put new weights in force; False when another process was first."""
        with self.warehouse.begin() as connection:
            added = self.warehouse.upsert(connection, ExperimentEpoch, [epoch], keep_existing=True) > 0
            if added and epoch["epoch"]:
                evidence = {name: epoch[name] for name in ("epoch", "weights", "reason", "outcomes_before")}
                self._log(connection, epoch["experiment_id"], "reweighted", epoch["started_at"], evidence)
        return added

    def assigned(self, experiment_id: str, unit_ids: Sequence[str]) -> dict[str, Row]:
        """Stored assignments among these units."""
        with self.warehouse.connect() as connection:
            return self._assignments(connection, experiment_id, unit_ids)

    def assign(self, rows: Sequence[Row]) -> dict[str, Row]:
        """Store assignments and return what is stored: a unit that was assigned before keeps its arm."""
        experiment_id = rows[0]["experiment_id"]
        ordered = sorted(rows, key=lambda row: str(row["unit_id"]))
        with self.warehouse.begin() as connection:
            new = self._insert_new(connection, ordered)
            stored = {row["unit_id"]: row for row in ordered if row["unit_id"] in new}
            self._count_arrivals(connection, experiment_id, stored.values())
            old = [row["unit_id"] for row in ordered if row["unit_id"] not in new]
            return stored | (self._assignments(connection, experiment_id, old) if old else {})

    def arrivals(self, experiment_id: str) -> list[Row]:
        """Units by arm and epoch."""
        return self._rows(ExperimentArrival, experiment_id)

    # ── outcomes ──
    def record(
        self,
        experiment_id: str,
        metric_name: str,
        given: Sequence[Given],
        *,
        amend: bool,
        now: datetime,
        check: Callable[[Sequence[Given], MetricKind | None, Row, Mapping[str, Row]], None],
        waiting_for: str | None = None,
    ) -> tuple[int, int, int]:
        """Write outcomes and bring the sums up to date, in one transaction; returns written, unchanged, amended.

        Args:
            check: raises if a value does not fit the metric.
            waiting_for: the arm of a unit that has no name, when the only outcome given names none.
        """
        with self.warehouse.begin() as connection:
            metric = self._metric(connection, experiment_id, metric_name)
            if waiting_for is not None:
                unit = self._waiting(connection, experiment_id, metric_name, waiting_for)
                given = [Given(unit, one.key, one.value, one.denominator) for one in given]
            units = sorted({one.unit_id for one in given})
            assignments = self._assignments(connection, experiment_id, units, lock=True)
            if len(assignments) < len(units):
                raise UnassignedUnitError(next(unit for unit in units if unit not in assignments))
            check(given, MetricKind(metric["kind"]) if metric["is_kind_fixed"] else None, metric, assignments)
            made = changes(given, self._recorded(connection, experiment_id, metric_name, units), amend=amend)
            self._write(connection, experiment_id, metric, made, assignments, now)
        return len(made.outcomes), made.unchanged, len(made.amendments)

    def statistics(self, experiment_id: str) -> list[Row]:
        """Sums of all metrics; their number does not depend on the number of outcomes."""
        return self._rows(ExperimentStatistic, experiment_id)

    def capped_statistics(self, experiment_id: str, metric: Row, quantile: float | None) -> list[Row]:
        """The sums, with the primary metric's values capped at a quantile of all arms together where one is given."""
        rows = self.statistics(experiment_id)
        if quantile is None or not rows:
            return rows
        cap = self.unit_frame(experiment_id, metric["metric_name"])["value"].quantile(quantile, "higher")
        about = {"experiment_id": experiment_id, "metric_name": metric["metric_name"]}
        made = [about | _cell(*item) for item in self.recount(experiment_id, metric, cap).items()]
        return [row for row in rows if row["metric_name"] != metric["metric_name"]] + made

    def recount(self, experiment_id: str, metric: Row, cap: float | None = None) -> dict[Cell, Row]:
        """The sums made anew from the outcomes, capped where wished; what the stored ones must equal."""
        frame = self.unit_frame(experiment_id, metric["metric_name"])
        frame = frame if cap is None else frame.with_columns(pl.col("value").clip(upper_bound=cap))
        return _statistics_of(frame, MetricKind(metric["kind"]), metric["origin"] or 0.0)

    def unit_frame(self, experiment_id: str, metric_name: str) -> pl.DataFrame:
        """Every outcome of one metric with its unit's assignment."""
        o, a = ExperimentOutcome, ExperimentAssignment
        joined = and_(o.experiment_id == a.experiment_id, o.unit_id == a.unit_id)
        columns = (o.unit_id, o.key, o.value, o.denominator, a.variant_id, a.epoch, a.segment, a.covariate)
        query: Select[Any] = select(*columns).join(a, joined)
        mine = (o.experiment_id == experiment_id) & (o.metric_name == metric_name)
        return self.warehouse.read(query.where(mine).order_by(o.unit_id, o.key))

    # ── looks and decisions ──
    def looks(self, experiment_id: str) -> list[Row]:
        """All looks, in order."""
        return self._rows(ExperimentLook, experiment_id, ExperimentLook.look)

    def last_look(self, experiment_id: str) -> Row | None:
        """The newest look."""
        table = ExperimentLook
        mine = select(table.__table__).where(table.experiment_id == experiment_id)
        found = self.warehouse.rows(mine.order_by(table.look.desc()).limit(1))
        return found[0] if found else None

    def add_look(self, look: Row) -> None:
        """Keep a look; the same data are one look."""
        with self.warehouse.begin() as connection:
            self.warehouse.upsert(connection, ExperimentLook, [look], keep_existing=True)

    def decisions(self, experiment_id: str) -> list[Row]:
        """The log, in order."""
        return self._rows(ExperimentDecision, experiment_id, ExperimentDecision.sequence)

    def log(self, experiment_id: str, action: str, now: datetime, evidence: Row) -> None:
        """Add one entry to the log."""
        with self.warehouse.begin() as connection:
            self._log(connection, experiment_id, action, now, evidence)

    def aggregated_arms(self, workspace_id: str) -> pl.DataFrame:
        """Arms that were aggregated elsewhere and ingested."""
        table, order = ExperimentArm, (ExperimentArm.experiment_name, ExperimentArm.metric_name)
        query = select(table.__table__).where(table.workspace_id == workspace_id)
        return self.warehouse.read(query.order_by(*order, table.is_control.desc(), table.variant_name))

    # ── inside a transaction ──
    def _rows(self, table: type[Base], experiment_id: str, *order: Any) -> list[Row]:
        with self.warehouse.connect() as connection:
            return self._of(connection, table, experiment_id, *order)

    def _of(self, connection: Connection, table: type[Base], experiment_id: str, *order: Any) -> list[Row]:
        mine = select(table.__table__).where(table.__table__.c.experiment_id == experiment_id)
        rows = connection.execute(mine.order_by(*(order or table.__table__.primary_key))).mappings()
        return [dict(row) for row in rows]

    def _log(self, connection: Connection, experiment_id: str, action: str, now: datetime, evidence: Row) -> None:
        """The experiment's row is locked first, so that two processes never continue the same entry."""
        mine = Experiment.experiment_id == experiment_id
        connection.execute(select(Experiment.status).where(mine).with_for_update())
        table = ExperimentDecision
        last = connection.execute(
            select(table.sequence, table.sha256)
            .where(table.experiment_id == experiment_id)
            .order_by(table.sequence.desc())
            .limit(1)
        ).first()
        sequence, before = (last[0] + 1, last[1]) if last else (0, "")
        entry = {"experiment_id": experiment_id, "sequence": sequence, "action": action, "actor": "engine"}
        entry |= {"evidence": _jsonable(evidence), "recorded_at": now}
        entry["sha256"] = sealed(entry, before)
        self.warehouse.upsert(connection, table, [entry], keep_existing=True)

    def _insert_new(self, connection: Connection, rows: Sequence[Row]) -> set[str]:
        """Insert assignments that are not there yet and return their units.

        PostgreSQL gets an array for each column that differs: thousands of bound parameters cost it more than the rows.
        """
        table = ExperimentAssignment
        insert = self._insert(table)
        if self.warehouse.is_sqlite:
            return set(connection.execute(insert.on_conflict_do_nothing().returning(table.unit_id), rows).scalars())
        columns = table.__table__.c
        differing = [name for name in rows[0] if name == "unit_id" or any(row[name] != rows[0][name] for row in rows)]
        arrays = [cast([row[name] for row in rows], postgresql.ARRAY(columns[name].type)) for name in differing]
        source = func.unnest(*arrays).table_valued(*differing).render_derived()
        values = [source.c[name] if name in differing else cast(rows[0][name], columns[name].type) for name in rows[0]]
        statement = insert.from_select(list(rows[0]), select(*values))
        return set(connection.execute(statement.on_conflict_do_nothing().returning(table.unit_id)).scalars())

    def _count_arrivals(self, connection: Connection, experiment_id: str, rows: Iterable[Row]) -> None:
        counts: dict[tuple[str, int], int] = {}
        for row in rows:
            arm = (row["variant_id"], row["epoch"])
            counts[arm] = counts.get(arm, 0) + 1
        new = [
            {"experiment_id": experiment_id, "variant_id": variant, "epoch": epoch, "n": n}
            for (variant, epoch), n in sorted(counts.items())
        ]
        self._add(connection, ExperimentArrival, new, ("n",))

    def _add(self, connection: Connection, table: type[Base], rows: Sequence[Row], sums: Sequence[str]) -> None:
        """Add to sums that are there, or begin them."""
        if rows:
            insert = self._insert(table)
            added = {name: table.__table__.c[name] + insert.excluded[name] for name in sums}
            keys = [column.name for column in table.__table__.primary_key]
            connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=added), list(rows))

    def _assignments(
        self, connection: Connection, experiment_id: str, unit_ids: Sequence[str], *, lock: bool = False
    ) -> dict[str, Row]:
        """Locked in the order of their ids, so that two batches with common units wait and never deadlock."""
        table = ExperimentAssignment
        found: dict[str, Row] = {}
        for start in range(0, len(unit_ids), UNITS_PER_QUERY):
            chunk = sorted(unit_ids[start : start + UNITS_PER_QUERY])
            query = select(table.__table__).where(table.experiment_id == experiment_id, table.unit_id.in_(chunk))
            query = query.order_by(table.unit_id)
            rows = connection.execute(query.with_for_update() if lock else query).mappings()
            found |= {row["unit_id"]: dict(row) for row in rows}
        return found

    def _metric(self, connection: Connection, experiment_id: str, metric_name: str) -> Row:
        """Locked while its kind is still open."""
        table = ExperimentMetric
        mine = (table.experiment_id == experiment_id) & (table.metric_name == metric_name)
        row = connection.execute(select(table.__table__).where(mine)).mappings().one()
        if not row["is_kind_fixed"]:
            row = connection.execute(select(table.__table__).where(mine).with_for_update()).mappings().one()
        return dict(row)

    def _waiting(self, connection: Connection, experiment_id: str, metric_name: str, variant_id: str) -> str:
        a, o = ExperimentAssignment, ExperimentOutcome
        has_outcome: ColumnElement[bool] = exists().where(
            o.experiment_id == a.experiment_id, o.unit_id == a.unit_id, o.metric_name == metric_name
        )
        mine = (a.experiment_id == experiment_id) & (a.variant_id == variant_id) & a.unit_id.startswith(UNNAMED)
        query = select(a.unit_id).where(mine, ~has_outcome).order_by(a.assigned_at, a.unit_id).limit(1)
        unit = connection.execute(query.with_for_update(skip_locked=True)).scalar()
        if unit is None:
            raise UnassignedUnitError.nobody_waiting(variant_id)
        return str(unit)

    def _recorded(
        self, connection: Connection, experiment_id: str, metric_name: str, unit_ids: Sequence[str]
    ) -> dict[Key, Row]:
        table = ExperimentOutcome
        mine = (table.experiment_id == experiment_id) & (table.metric_name == metric_name)
        found: dict[Key, Row] = {}
        for start in range(0, len(unit_ids), UNITS_PER_QUERY):
            chunk = unit_ids[start : start + UNITS_PER_QUERY]
            rows = connection.execute(select(table.__table__).where(mine, table.unit_id.in_(chunk))).mappings()
            found |= {(row["unit_id"], row["key"]): dict(row) for row in rows}
        return found

    def _write(
        self,
        connection: Connection,
        experiment_id: str,
        metric: Row,
        made: Changes,
        assignments: Mapping[str, Row],
        now: datetime,
    ) -> None:
        if not made.outcomes:
            return
        about = {"experiment_id": experiment_id, "metric_name": metric["metric_name"]}
        table = ExperimentOutcome
        insert = self._insert(table)
        replaced = {name: insert.excluded[name] for name in ("value", "denominator", "revision", "recorded_at")}
        keys = [column.name for column in table.__table__.primary_key]
        rows = [about | row | {"recorded_at": now} for row in made.outcomes]
        connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=replaced), rows)
        amended = [about | row | {"replaced_at": now} for row in made.amendments]
        self.warehouse.upsert(connection, ExperimentAmendment, amended, keep_existing=True)
        kind, origin = self._settle_kind(connection, about, metric, made)
        before = statistics(made.before, assignments, kind, origin)
        delta = difference(statistics(made.after, assignments, kind, origin), before)
        self._add(connection, ExperimentStatistic, [about | _cell(*item) for item in delta.items()], SUMS)

    def _settle_kind(self, connection: Connection, about: Row, metric: Row, made: Changes) -> tuple[MetricKind, float]:
        """Infer the kind from the first outcomes; sums made under a narrower kind are made anew."""
        if metric["is_kind_fixed"]:
            return MetricKind(metric["kind"]), metric["origin"] or 0.0
        so_far = MetricKind(metric["kind"]) if metric["kind"] else None
        kind = infer([row["value"] for row in made.outcomes], so_far)
        first = made.outcomes[0]["value"] if kind == MetricKind.CONTINUOUS else 0.0
        origin = first if metric["origin"] is None else metric["origin"]
        s = ExperimentStatistic
        mine = and_(*(s.__table__.c[name] == value for name, value in about.items()))
        seen = connection.execute(select(func.coalesce(func.sum(s.n), 0)).where(mine)).scalar_one()
        m = ExperimentMetric
        ours = and_(*(m.__table__.c[name] == value for name, value in about.items()))
        is_fixed = seen + len(made.after) >= UNITS_UNTIL_FIXED
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
        found = connection.execute(select(*columns).join(a, joined).where(mine)).mappings().all()
        written = {(row["unit_id"], row["key"]) for row in made.outcomes}
        old: dict[str, list[tuple[float, float]]] = {unit: list(values) for unit, values in made.before.items()}
        for row in found:
            if row["unit_id"] not in made.before and (row["unit_id"], row["key"]) not in written:
                old.setdefault(row["unit_id"], []).append((row["value"], row["denominator"]))
        sums = statistics(old, {row["unit_id"]: dict(row) for row in found}, kind, origin)
        rows = [about | _cell(*item) for item in sums.items()]
        self.warehouse.upsert(connection, ExperimentStatistic, rows)


def sealed(entry: Mapping[str, Any], before: str) -> str:
    """Hash over an entry of the log and the entry before it: nothing in between can change unnoticed."""
    told = {name: entry[name] for name in ("experiment_id", "sequence", "action", "actor", "evidence")}
    text = json.dumps(told, sort_keys=True, default=str) + entry["recorded_at"].isoformat() + before
    return hashlib.sha256(text.encode()).hexdigest()


def _jsonable(evidence: Row) -> Row:
    found: Row = json.loads(json.dumps(evidence, default=str))
    return found


def _cell(cell: Cell, sums: Mapping[str, float]) -> Row:
    whole = {name: int(sums[name]) for name in ("n", "with_covariate")}
    return {"variant_id": cell[0], "epoch": cell[1], "segment": cell[2]} | dict(sums) | whole


def _statistics_of(frame: pl.DataFrame, kind: MetricKind, origin: float) -> dict[Cell, Row]:
    rows = frame.to_dicts()
    units: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        units.setdefault(row["unit_id"], []).append((row["value"], row["denominator"]))
    return statistics(units, {row["unit_id"]: row for row in rows}, kind, origin)
