"""Policies of contextual experiments, and the units they are learned from."""

from __future__ import annotations

import polars as pl
from sqlalchemy import and_, func, select

from tasks.experiments.store.rows import Row, rows_of
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ExperimentAssignment, ExperimentOutcome, ExperimentPolicy


class Policies:
    """What was believed of the arms in each epoch, in one warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def of_epoch(self, experiment_id: str, epoch: int) -> Row | None:
        """The policy in force in an epoch; None where its weights are."""
        t = ExperimentPolicy
        rows = self.warehouse.rows(select(t.policy).where(t.experiment_id == experiment_id, t.epoch == epoch))
        return dict(rows[0]["policy"]) if rows else None

    def all_of(self, experiment_id: str) -> dict[int, Row]:
        """Every policy by its epoch."""
        return {row["epoch"]: row["policy"] for row in rows_of(self.warehouse, ExperimentPolicy, experiment_id)}

    def units(self, experiment_id: str, metric_name: str, *, is_mean: bool) -> pl.DataFrame:
        """Every unit in the order of epochs: `variant_id`, `epoch`, `propensity`, `context` and `value`.

        Args:
            is_mean: whether a unit's value is the mean of its outcomes; else their sum. Null where it has none.
        """
        a, o = ExperimentAssignment, ExperimentOutcome
        value = func.avg(o.value) if is_mean else func.sum(o.value)
        mine = and_(o.experiment_id == experiment_id, o.metric_name == metric_name)
        values = select(o.unit_id, value.label("value")).where(mine).group_by(o.unit_id).subquery()
        query = select(a.unit_id, a.variant_id, a.epoch, a.propensity, a.context, values.c.value)
        query = query.outerjoin(values, values.c.unit_id == a.unit_id).where(a.experiment_id == experiment_id)
        return self.warehouse.read(query.order_by(a.epoch, a.unit_id))
