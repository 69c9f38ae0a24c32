"""Which unit got which arm, and the weights in force at the time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, bindparam, cast, func, select, update
from sqlalchemy.dialects import postgresql

from tasks.experiments.store.log import DecisionLog
from tasks.experiments.store.rows import Row, add_to_sums, insert_into, rows_of
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Experiment,
    ExperimentArrival,
    ExperimentAssignment,
    ExperimentEpoch,
    ExperimentPolicy,
)

UNITS_PER_QUERY = 5000
FEW = 500  # of so many it costs less to ask which are there than to compile an insert of so many that says so


class Assignments:
    """Epochs, assignments, arrivals, in one warehouse."""

    def __init__(self, warehouse: Warehouse, log: DecisionLog) -> None:
        self.warehouse, self.log = warehouse, log

    def epochs(self, experiment_id: str) -> list[Row]:
        """Weights over time."""
        return rows_of(self.warehouse, ExperimentEpoch, experiment_id, ExperimentEpoch.epoch)

    def add_epoch(self, epoch: Row, policy: Row | None = None) -> bool:
        """Put new weights in force, or a policy; False when another process was first."""
        with self.warehouse.begin() as connection:
            added = self.warehouse.upsert(connection, ExperimentEpoch, [epoch], keep_existing=True) > 0
            if added and policy is not None:
                row = {name: epoch[name] for name in ("experiment_id", "epoch")} | {"policy": policy}
                self.warehouse.upsert(connection, ExperimentPolicy, [row])
            if added and epoch["epoch"]:
                evidence = {name: epoch[name] for name in ("epoch", "weights", "reason", "outcomes_before")}
                self.log.append(connection, epoch["experiment_id"], "reweighted", epoch["started_at"], evidence)
        return added

    def assign(self, rows: Sequence[Row]) -> dict[str, Row]:
        """Store assignments and return what is stored: a unit that was assigned before keeps its arm."""
        (stored,) = self.assign_some_at_a_time([rows])
        return stored

    def assign_some_at_a_time(self, batches: Iterable[Sequence[Row]]) -> Iterator[dict[str, Row]]:
        """The same of many, in one transaction: nothing is stored unless all batches are taken."""
        with self.warehouse.begin() as connection:
            for rows in batches:
                yield self._assign(connection, rows) if rows else {}

    def _assign(self, connection: Connection, rows: Sequence[Row]) -> dict[str, Row]:
        experiment_id = rows[0]["experiment_id"]
        ordered = sorted(rows, key=itemgetter("unit_id"))
        new = self._insert_new(connection, ordered)
        stored = {row["unit_id"]: row for row in ordered if row["unit_id"] in new}
        self._count_arrivals(connection, experiment_id, stored.values())
        old = [row["unit_id"] for row in ordered if row["unit_id"] not in new]
        return stored | (self.of_units(connection, experiment_id, old) if old else {})

    def assigned(self, experiment_id: str, unit_ids: Sequence[str]) -> dict[str, Row]:
        """Stored assignments among these units."""
        with self.warehouse.connect() as connection:
            return self.of_units(connection, experiment_id, unit_ids)

    def arrivals(self, experiment_id: str) -> list[Row]:
        """Units by arm, epoch and segment."""
        return rows_of(self.warehouse, ExperimentArrival, experiment_id)

    def _insert_new(self, connection: Connection, rows: Sequence[Row]) -> set[str]:
        """Insert assignments that are not there yet and return their units.

        PostgreSQL gets an array for each column that differs: thousands of bound parameters cost it more than the rows.
        """
        table = ExperimentAssignment
        if len(rows) == 1:
            is_new = self.warehouse.upsert(connection, table, rows, keep_existing=True) == 1
            return {rows[0]["unit_id"]} if is_new else set()
        if self.warehouse.is_sqlite and len(rows) <= FEW:
            return self._insert_few(connection, rows)
        if self.warehouse.is_sqlite:
            insert = insert_into(self.warehouse, table)
            return set(connection.execute(insert.on_conflict_do_nothing().returning(table.unit_id), rows).scalars())
        differing = [name for name in rows[0] if name == "unit_id" or any(row[name] != rows[0][name] for row in rows)]
        given = rows[0] | {name: [row[name] for row in rows] for name in differing}
        statement = _inserting(self.warehouse.engine.dialect, tuple(rows[0]), tuple(differing))
        return set(connection.execute(statement, given).scalars())

    def _insert_few(self, connection: Connection, rows: Sequence[Row]) -> set[str]:
        """The same on SQLite, where nobody else writes meanwhile, so that it may look first."""
        there = select(ExperimentAssignment.unit_id).where(
            ExperimentAssignment.experiment_id == rows[0]["experiment_id"],
            ExperimentAssignment.unit_id.in_([row["unit_id"] for row in rows]),
        )
        known = set(connection.execute(there).scalars())
        new = [row for row in rows if row["unit_id"] not in known]
        self.warehouse.upsert(connection, ExperimentAssignment, new, keep_existing=True)
        return {row["unit_id"] for row in new}

    def _count_arrivals(self, connection: Connection, experiment_id: str, rows: Collection[Row]) -> None:
        known = [row["covariate"] for row in rows if row["covariate"] is not None]
        origin = self._covariate_origin(connection, experiment_id, known) if known else 0.0
        cells: dict[tuple[str, int, str], list[float]] = {}
        for row in rows:
            sums = cells.setdefault((row["variant_id"], row["epoch"], row["segment"]), [0, 0, 0.0, 0.0])
            sums[0] += 1
            if row["covariate"] is not None:
                x = row["covariate"] - origin
                sums[1:] = [sums[1] + 1, sums[2] + x, sums[3] + x * x]
        names = ("n", "with_covariate", "x", "xx")
        new = [
            {"experiment_id": experiment_id, "variant_id": cell[0], "epoch": cell[1], "segment": cell[2]}
            | dict(zip(names, sums, strict=True))
            for cell, sums in sorted(cells.items())
        ]
        add_to_sums(self.warehouse, connection, ExperimentArrival, new, names)

    def _covariate_origin(self, connection: Connection, experiment_id: str, known: Sequence[float]) -> float:
        """What is taken off every covariate, so that their squares keep their digits: the first ones settle it."""
        mine = Experiment.experiment_id == experiment_id
        origin = connection.execute(select(Experiment.covariate_origin).where(mine)).scalar()
        if origin is None:
            middle = sorted(known)[len(known) // 2]
            is_open = mine & Experiment.covariate_origin.is_(None)
            connection.execute(update(Experiment).where(is_open).values(covariate_origin=middle))
            origin = connection.execute(select(Experiment.covariate_origin).where(mine)).scalar()
        return float(origin or 0.0)

    def of_units(
        self, connection: Connection, experiment_id: str, unit_ids: Sequence[str], *, lock: bool = False
    ) -> dict[str, Row]:
        """Assignments of units, within a transaction.

        Locked in the order of their ids, so that two batches with common units wait and never deadlock.
        """
        table = ExperimentAssignment
        assignments: dict[str, Row] = {}
        for start in range(0, len(unit_ids), UNITS_PER_QUERY):
            chunk = sorted(unit_ids[start : start + UNITS_PER_QUERY])
            query = select(table.__table__).where(table.experiment_id == experiment_id, table.unit_id.in_(chunk))
            query = query.order_by(table.unit_id)
            rows = connection.execute(query.with_for_update() if lock else query).mappings()
            assignments |= {row["unit_id"]: dict(row) for row in rows}
        return assignments


@lru_cache(maxsize=128)
def _inserting(dialect: Dialect, names: tuple[str, ...], differing: tuple[str, ...]) -> Any:
    """PostgreSQL's statement, compiled: SQLAlchemy 2.0 keeps none that has ON CONFLICT."""
    columns = ExperimentAssignment.__table__.c
    arrays = [cast(bindparam(name), postgresql.ARRAY(columns[name].type)) for name in differing]
    source = func.unnest(*arrays).table_valued(*differing).render_derived()
    values = [source.c[name] if name in differing else cast(bindparam(name), columns[name].type) for name in names]
    insert = postgresql.insert(ExperimentAssignment).from_select(list(names), select(*values))
    return insert.on_conflict_do_nothing().returning(ExperimentAssignment.unit_id).compile(dialect=dialect)
