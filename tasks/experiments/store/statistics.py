"""The sums over units, and the same made anew from their outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import polars as pl
from sqlalchemy import Select, and_, select

from tasks.experiments.contributions import Cell, statistics, unit_value
from tasks.experiments.metric_kinds import MetricKind
from tasks.experiments.store.rows import Row, Rows
from tasks.warehouse.schema import ExperimentAssignment, ExperimentOutcome, ExperimentStatistic


class Statistics(Rows):
    """Sufficient statistics of every metric."""

    def statistics(self, experiment_id: str) -> list[Row]:
        """Sums of all metrics; their number does not depend on the number of outcomes."""
        return self._rows(ExperimentStatistic, experiment_id)

    def capped_statistics(self, experiment_id: str, metric: Row, quantile: float | None) -> list[Row]:
        """The sums, with the primary metric's values capped at a quantile of all arms together where one is given."""
        rows = self.statistics(experiment_id)
        if quantile is None or metric["kind"] is None:
            return rows
        units = _by_unit(self.unit_frame(experiment_id, metric["metric_name"]).to_dicts())
        values = [unit_value(outcomes, MetricKind(metric["kind"]))[0] for outcomes in units.values()]
        cap = pl.Series(values, dtype=pl.Float64).quantile(quantile, "higher")
        about = {"experiment_id": experiment_id, "metric_name": metric["metric_name"]}
        made = [about | as_columns(*item) for item in self.recount(experiment_id, metric, cap).items()]
        return [row for row in rows if row["metric_name"] != metric["metric_name"]] + made

    def recount(self, experiment_id: str, metric: Row, cap: float | None = None) -> dict[Cell, Row]:
        """The sums made anew from the outcomes, units capped where wished; what the stored ones must equal."""
        rows = self.unit_frame(experiment_id, metric["metric_name"]).to_dicts()
        assignments = {row["unit_id"]: row for row in rows}
        kind, origin = MetricKind(metric["kind"]), metric["origin"] or 0.0
        return statistics(_by_unit(rows), assignments, kind, origin, inf if cap is None else cap)

    def unit_frame(self, experiment_id: str, metric_name: str) -> pl.DataFrame:
        """Every outcome of one metric with its unit's assignment."""
        o, a = ExperimentOutcome, ExperimentAssignment
        joined = and_(o.experiment_id == a.experiment_id, o.unit_id == a.unit_id)
        columns = (o.unit_id, o.key, o.value, o.denominator, a.variant_id, a.epoch, a.segment, a.covariate)
        query: Select[Any] = select(*columns).join(a, joined)
        mine = (o.experiment_id == experiment_id) & (o.metric_name == metric_name)
        return self.warehouse.read(query.where(mine).order_by(o.unit_id, o.key))


def as_columns(cell: Cell, sums: Mapping[str, float]) -> Row:
    """One cell's sums as a row of `experiment_statistic`, its experiment and metric aside."""
    whole = {name: int(sums[name]) for name in ("n", "with_covariate")}
    return {"variant_id": cell[0], "epoch": cell[1], "segment": cell[2]} | dict(sums) | whole


def _by_unit(rows: Sequence[Row]) -> dict[str, list[tuple[float, float]]]:
    units: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        units.setdefault(row["unit_id"], []).append((row["value"], row["denominator"]))
    return units
