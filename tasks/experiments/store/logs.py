"""Exposure and outcome logs as they were ingested, and what an experiment has of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from sqlalchemy import delete, select, update

from tasks.experiments.store.assignments import UNITS_PER_QUERY, Assignments
from tasks.experiments.store.rows import Row, add_to_sums
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    ExperimentArrival,
    ExperimentAssignment,
    ExperimentIntake,
    ExperimentOutcome,
    Exposure,
    LoggedOutcome,
)


class Logs:
    """Logs of one warehouse."""

    def __init__(self, warehouse: Warehouse, assignments: Assignments) -> None:
        self.warehouse, self.assignments = warehouse, assignments

    def experiments(self, workspace_id: str) -> list[str]:
        """Names of experiments that a workspace's logs are about."""
        names: set[str] = set()
        for table in (Exposure, LoggedOutcome):
            mine = select(table.experiment_name).where(table.workspace_id == workspace_id).distinct()
            names |= {row["experiment_name"] for row in self.warehouse.rows(mine)}
        return sorted(names)

    def exposures(self, workspace_id: str, name: str) -> pl.DataFrame:
        """Units, arms and when each was first seen in it."""
        table = Exposure
        columns = select(table.unit_id, table.variant_name, table.exposed_at)
        mine = (table.workspace_id == workspace_id) & (table.experiment_name == name)
        return self.warehouse.read(columns.where(mine))

    def outcomes(self, workspace_id: str, name: str) -> pl.DataFrame:
        """Outcomes as they were logged."""
        t = LoggedOutcome
        columns = select(t.unit_id, t.metric_name, t.key, t.value, t.denominator, t.occurred_at)
        return self.warehouse.read(columns.where((t.workspace_id == workspace_id) & (t.experiment_name == name)))

    def assigned(self, experiment_id: str) -> pl.DataFrame:
        """Units of an experiment with their arm and since when."""
        t = ExperimentAssignment
        columns = select(t.unit_id, t.variant_id, t.assigned_at)
        return self.warehouse.read(columns.where(t.experiment_id == experiment_id))

    def recorded(self, experiment_id: str) -> pl.DataFrame:
        """Outcomes that an experiment has."""
        t = ExperimentOutcome
        columns = select(t.unit_id, t.metric_name, t.key, t.value)
        return self.warehouse.read(columns.where(t.experiment_id == experiment_id))

    def move_back(self, experiment_id: str, earlier: Sequence[tuple[str, datetime]]) -> None:
        """Let units be assigned from an earlier instant on."""
        t = ExperimentAssignment
        with self.warehouse.begin() as connection:
            for unit, at in sorted(earlier):
                mine = (t.experiment_id == experiment_id) & (t.unit_id == unit)
                connection.execute(update(t).where(mine, t.assigned_at > at).values(assigned_at=at))

    def withdraw(self, experiment_id: str, unit_ids: Sequence[str]) -> None:
        """Take units out of an experiment, as if they had never been assigned; their outcomes are nobody's then."""
        t = ExperimentAssignment
        with self.warehouse.begin() as connection:
            rows = self.assignments.of_units(connection, experiment_id, unit_ids, lock=True).values()
            cells: dict[tuple[str, int, str], int] = {}
            for row in rows:
                cell = (row["variant_id"], row["epoch"], row["segment"])
                cells[cell] = cells.get(cell, 0) - 1
            for start in range(0, len(unit_ids), UNITS_PER_QUERY):
                chunk = unit_ids[start : start + UNITS_PER_QUERY]
                connection.execute(delete(t).where(t.experiment_id == experiment_id, t.unit_id.in_(chunk)))
            less: list[Row] = [
                {"experiment_id": experiment_id, "variant_id": cell[0], "epoch": cell[1], "segment": cell[2], "n": n}
                | {"with_covariate": 0, "x": 0.0, "xx": 0.0}
                for cell, n in sorted(cells.items())
            ]
            add_to_sums(self.warehouse, connection, ExperimentArrival, less, ("n",))

    def keep_counts(self, experiment_id: str, counts: Row, now: datetime) -> None:
        """Remember what was left out."""
        row = {"experiment_id": experiment_id, "counts": counts, "taken_at": now}
        with self.warehouse.begin() as connection:
            self.warehouse.upsert(connection, ExperimentIntake, [row])

    def counts(self, experiment_id: str) -> dict[str, int]:
        """What was left out when logs were last taken in; nothing where none were."""
        t = ExperimentIntake
        rows = self.warehouse.rows(select(t.counts).where(t.experiment_id == experiment_id))
        return dict(rows[0]["counts"]) if rows else {}
