"""Experiments as they were designed, how they stand, and what came from elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Update, case, func, select, update

from tasks.experiments.design import is_storable
from tasks.experiments.errors import unknown_experiment
from tasks.experiments.store.log import DecisionLog
from tasks.experiments.store.rows import Row, rows_within
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Experiment, ExperimentArm, ExperimentMetric, ExperimentVariant, ModelRollout

LISTED = (
    *(Experiment.experiment_id, Experiment.workspace_id, Experiment.name, Experiment.metric_name, Experiment.status),
    *(Experiment.winner, Experiment.conclusion, Experiment.created_at, Experiment.started_at, Experiment.completed_at),
)


class Definitions:
    """Experiments, their variants and metrics, in one warehouse."""

    def __init__(self, warehouse: Warehouse, log: DecisionLog) -> None:
        self.warehouse, self.log = warehouse, log

    def create(self, experiment: Row, variants: Sequence[Row], metrics: Sequence[Row]) -> None:
        """Write a new experiment; one that is there already stays as it is."""
        with self.warehouse.begin() as connection:
            if self.warehouse.upsert(connection, Experiment, [experiment], keep_existing=True):
                self.warehouse.upsert(connection, ExperimentVariant, variants)
                self.warehouse.upsert(connection, ExperimentMetric, metrics)
                self.log.append(connection, experiment["experiment_id"], "created", experiment["created_at"], {})

    def find(self, experiment_id: str) -> tuple[Row, list[Row], list[Row]]:
        """The experiment, its variants in order, its metrics with the primary one first.

        Raises:
            UnknownNameError: if there is no such experiment.
        """
        if not isinstance(experiment_id, str) or not is_storable(experiment_id):
            raise unknown_experiment(experiment_id)
        with self.warehouse.connect() as connection:
            experiments = rows_within(connection, Experiment, experiment_id)
            if not experiments:
                raise unknown_experiment(experiment_id)
            variants = rows_within(connection, ExperimentVariant, experiment_id, ExperimentVariant.position)
            is_other = case((ExperimentMetric.role == "primary", 0), else_=1)
            order = (is_other, ExperimentMetric.role.desc(), ExperimentMetric.metric_name)
            return experiments[0], variants, rows_within(connection, ExperimentMetric, experiment_id, *order)

    def owner_among(self, experiment_id: str, workspace_ids: Collection[str]) -> str | None:
        """The experiment's workspace if it is one of these: one query, whatever it finds."""
        mine = (Experiment.experiment_id == experiment_id) & Experiment.workspace_id.in_(sorted(workspace_ids))
        rows = self.warehouse.rows(select(Experiment.workspace_id).where(mine)) if is_storable(experiment_id) else []
        return rows[0]["workspace_id"] if rows else None

    def with_variants(self, workspace_id: str) -> list[tuple[Row, list[Row]]]:
        """Experiments of a workspace with their variants in order, newest first."""
        table = ExperimentVariant
        mine = select(Experiment.experiment_id).where(Experiment.workspace_id == workspace_id)
        query = select(table.__table__).where(table.experiment_id.in_(mine)).order_by(table.position)
        arms: dict[str, list[Row]] = {}
        for row in self.warehouse.rows(query):
            arms.setdefault(row["experiment_id"], []).append(row)
        return [
            (one, arms[one["experiment_id"]]) for one in self.experiments(workspace_id) if one["experiment_id"] in arms
        ]

    def of_rollouts(self, workspace_id: str) -> set[str]:
        """Ids of experiments whose units are rows that models predict."""
        mine = select(ModelRollout.experiment_id).where(ModelRollout.workspace_id == workspace_id)
        return {row["experiment_id"] for row in self.warehouse.rows(mine)}

    def named(self, workspace_id: str, name: str) -> list[Row]:
        """Experiments of a workspace by this name, oldest first."""
        table = Experiment.__table__
        mine = (Experiment.workspace_id == workspace_id) & (Experiment.name == name)
        return self.warehouse.rows(select(table).where(mine).order_by(Experiment.created_at))

    def experiments(self, workspace_id: str | None = None) -> list[Row]:
        """Experiments of one workspace, or of all, newest first."""
        query = select(Experiment.__table__).order_by(Experiment.created_at.desc(), Experiment.experiment_id)
        return self.warehouse.rows(query.where(Experiment.workspace_id == workspace_id) if workspace_id else query)

    def listed(
        self, workspace_id: str | None = None, experiment_ids: Collection[str] | None = None, limit: int | None = None
    ) -> list[Row]:
        """Experiments without their designs, newest first: of a workspace, of those named, or all."""
        query = select(*LISTED).order_by(Experiment.created_at.desc(), Experiment.experiment_id).limit(limit)
        query = query if workspace_id is None else query.where(Experiment.workspace_id == workspace_id)
        if experiment_ids is not None:
            query = query.where(Experiment.experiment_id.in_(experiment_ids))
        return self.warehouse.rows(query)

    def moved_since(self, since: datetime, limit: int) -> list[Row]:
        """Experiments that started or ended since an instant, the latest first."""
        table = Experiment
        moved = func.coalesce(table.completed_at, table.started_at)
        return self.warehouse.rows(select(*LISTED).where(moved >= since).order_by(moved.desc()).limit(limit))

    def counts(self, status: str, workspace_ids: Collection[str]) -> dict[str, int]:
        """How many experiments of each of these workspaces are in a state; none is named that has none."""
        table = Experiment
        mine = select(table.workspace_id, func.count().label("n")).where(table.workspace_id.in_(workspace_ids))
        rows = self.warehouse.rows(mine.where(table.status == status).group_by(table.workspace_id))
        return {row["workspace_id"]: row["n"] for row in rows}

    def identifiers(self, status: str, workspace_ids: Sequence[str] = ()) -> dict[str, list[str]]:
        """Ids of experiments in a state by workspace, of some workspaces or all."""
        query = select(Experiment.workspace_id, Experiment.experiment_id).where(Experiment.status == status)
        query = query.where(Experiment.workspace_id.in_(workspace_ids)) if workspace_ids else query
        by_workspace: dict[str, list[str]] = {}
        for row in self.warehouse.rows(query.order_by(Experiment.created_at, Experiment.experiment_id)):
            by_workspace.setdefault(row["workspace_id"], []).append(row["experiment_id"])
        return by_workspace

    def change(
        self, experiment_id: str, action: str, now: datetime, evidence: Row, seen: Row | None = None, **columns: Any
    ) -> bool:
        """Change the experiment's row and log why; False when it has them already, or is no longer as it was seen."""
        differs = [getattr(Experiment, name).is_distinct_from(value) for name, value in columns.items()]
        as_seen = [getattr(Experiment, name).is_not_distinct_from(value) for name, value in (seen or {}).items()]
        mine = Experiment.experiment_id == experiment_id
        statement: Update = update(Experiment).where(mine, differs[0], *as_seen).values(**columns)
        with self.warehouse.begin() as connection:
            changed = connection.execute(statement).rowcount > 0
            if changed:
                self.log.append(connection, experiment_id, action, now, evidence)
        return changed

    def keep_kinds(self, experiment_id: str, kinds: Mapping[str, str]) -> None:
        """Remember what kind of metric outcomes look like, where none was declared."""
        table = ExperimentMetric
        with self.warehouse.begin() as connection:
            for name, kind in sorted(kinds.items()):
                mine = (table.experiment_id == experiment_id) & (table.metric_name == name)
                statement = update(table).where(mine, table.is_kind_fixed.is_(False)).values(kind=kind)
                connection.execute(statement)

    def redesign(self, experiment_id: str, action: str, now: datetime, evidence: Row, design: Row) -> None:
        """Replace the design and log why; the same design changes nothing."""
        mine = Experiment.experiment_id == experiment_id
        with self.warehouse.begin() as connection:
            stored = connection.execute(select(Experiment.design).where(mine).with_for_update()).scalar_one()
            if stored != design:
                connection.execute(update(Experiment).where(mine).values(design=design))
                self.log.append(connection, experiment_id, action, now, evidence)

    def aggregated_arms(self, workspace_id: str) -> pl.DataFrame:
        """Arms that were aggregated elsewhere and ingested."""
        table, order = ExperimentArm, (ExperimentArm.experiment_name, ExperimentArm.metric_name)
        query = select(table.__table__).where(table.workspace_id == workspace_id)
        return self.warehouse.read(query.order_by(*order, table.is_control.desc(), table.variant_name))
