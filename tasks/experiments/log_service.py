"""Exposure and outcome logs taken into the experiments they name: again, in any order, to the same end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from tasks.experiments import logs
from tasks.experiments.definition import COMPLETED, DRAFT
from tasks.experiments.design import Design
from tasks.experiments.records import MappingRecord
from tasks.experiments.service import ExperimentService
from tasks.experiments.store import Row
from tasks.warehouse import Warehouse

UNITS_AT_ONCE = 10_000


@dataclass(frozen=True)
class TakenIn(MappingRecord):
    """What became of one experiment's logs.

    Attributes:
        experiment_id: None where the workspace has no experiment of this name: its rows wait for it.
        assigned: units that are in it now for the first time.
        recorded: outcomes that count now for the first time, or with another value.
        left_out: rows that do not count, by reason, of all there are.
        problem: what to do before they can be taken in.
    """

    workspace_id: str
    experiment_name: str
    experiment_id: str | None
    assigned: int
    recorded: int
    left_out: dict[str, int]
    problem: str | None

    def in_words(self) -> list[str]:
        """One line, and one for each reason."""
        if self.problem is not None:
            return [f"{self.experiment_name}: {self.problem}"]
        counted = f"{self.experiment_name}: {self.assigned:,} new units, {self.recorded:,} new outcomes"
        return [counted, *(f"  {line}" for line in logs.in_words(self.left_out))]


class LogService:
    """Takes logs in; the warehouse is opened by the first method that needs it."""

    def __init__(self, *, warehouse: Warehouse | None = None) -> None:
        self.service = ExperimentService(warehouse=warehouse)

    def take_in(self, workspace_ids: Sequence[str]) -> list[TakenIn]:
        """Take in what the logs of some workspaces hold for their experiments."""
        return [
            self._take_in(workspace_id, name)
            for workspace_id in workspace_ids
            for name in self.service.store.logs.experiments(workspace_id)
        ]

    def _take_in(self, workspace_id: str, name: str) -> TakenIn:
        experiments = self.service.store.definitions.named(workspace_id, name)
        still_open = [row for row in experiments if row["status"] != COMPLETED]
        experiment = (still_open or experiments)[-1] if experiments else None
        if experiment is None:
            problem = f"no experiment has this name yet, its rows wait; raptorflow experiment create {name!r} makes it"
            return TakenIn(workspace_id, name, None, 0, 0, {}, problem)
        if experiment["status"] == DRAFT:
            problem = f"is a draft, its rows wait; raptorflow experiment start {experiment['experiment_id']}"
            return TakenIn(workspace_id, name, experiment["experiment_id"], 0, 0, {}, problem)
        return self._counted(experiment)

    def _counted(self, experiment: Row) -> TakenIn:
        store, now = self.service.store, datetime.now(UTC)
        experiment_id, workspace_id, name = (experiment[key] for key in ("experiment_id", "workspace_id", "name"))
        exposures = store.logs.exposures(workspace_id, name)
        counts: dict[str, int] = {}
        crossed: set[str] = set()
        assigned = 0
        if Design.of(experiment).assigned_elsewhere:
            _, variants, _ = store.definitions.find(experiment_id)
            arms = [row["variant_id"] for row in variants]
            kept, crossed, counts = logs.judged_exposures(exposures, arms, experiment["completed_at"], now)
            assigned = self._assign(experiment, variants, kept, crossed)
            experiment, _, _ = store.definitions.find(experiment_id)  # its start may have moved back
        elif exposures.height:
            counts = {"not_ours": exposures.height}
        recorded, more = self._record(experiment, crossed, now)
        counts |= more
        store.logs.keep_counts(experiment_id, counts, now)
        return TakenIn(workspace_id, name, experiment_id, assigned, recorded, counts, None)

    def _assign(self, experiment: Row, variants: Sequence[Row], kept: pl.DataFrame, crossed: set[str]) -> int:
        """Assign the units that are new, move back those seen earlier than known, withdraw those in two arms."""
        store, experiment_id = self.service.store, experiment["experiment_id"]
        if kept.height:
            first: datetime = kept["exposed_at"].min()  # type: ignore[assignment]
            if experiment["started_at"] is None or first < experiment["started_at"]:
                evidence = {"from": str(experiment["started_at"]), "to": str(first), "reason": "first exposure"}
                store.definitions.change(experiment_id, "start moved", datetime.now(UTC), evidence, started_at=first)
        known = store.logs.assigned(experiment_id)
        gone = sorted(crossed & set(known["unit_id"]))
        if gone:
            store.logs.withdraw(experiment_id, gone)
            for metric in store.definitions.find(experiment_id)[2]:
                store.outcomes.sum_anew(experiment_id, metric["metric_name"])
        seen = kept.join(known.select("unit_id", "assigned_at"), on="unit_id", how="left")
        earlier = seen.filter(pl.col("exposed_at") < pl.col("assigned_at"))
        if earlier.height:
            store.logs.move_back(experiment_id, list(earlier.select("unit_id", "exposed_at").iter_rows()))
        weights = {row["variant_id"]: row["weight"] for row in variants}
        new = seen.filter(pl.col("assigned_at").is_null())
        for part in new.iter_slices(UNITS_AT_ONCE):
            store.assignments.assign([_assignment(experiment_id, row, weights) for row in part.iter_rows(named=True)])
        return new.height

    def _record(self, experiment: Row, crossed: set[str], now: datetime) -> tuple[int, dict[str, int]]:
        """Record outcomes that count and are not recorded yet; and how many do not count, by reason."""
        store, experiment_id = self.service.store, experiment["experiment_id"]
        workspace_id, name = experiment["workspace_id"], experiment["name"]
        design = Design.of(experiment)
        ended = experiment["completed_at"]
        last = None if ended is None else ended + timedelta(days=design.late_days)
        outcomes, known = store.logs.outcomes(workspace_id, name), store.logs.assigned(experiment_id)
        metrics = store.definitions.find(experiment_id)[2]
        kept, counts = logs.judged_outcomes(
            outcomes, known.select("unit_id", "assigned_at"), crossed, metrics, design, last, now
        )
        key = ["unit_id", "metric_name", "key", "value"]
        new = kept.join(store.logs.recorded(experiment_id), on=key, how="anti")
        if last is not None and now > last:
            late = {"outcome_after_the_end": counts.get("outcome_after_the_end", 0) + new.height} if new.height else {}
            return 0, counts | late
        recorded = 0
        for metric, rows in _by_metric(new):
            done = self.service.record_outcomes(experiment_id, rows, metric_name=metric, amend=True)
            recorded += done.recorded + done.amended
        return recorded, counts


def _assignment(experiment_id: str, row: Row, weights: dict[str, float]) -> dict[str, Any]:
    arm = row["variant_name"]
    about = {"experiment_id": experiment_id, "unit_id": row["unit_id"], "variant_id": arm, "epoch": 0}
    known = {"segment": "", "covariate": None, "assigned_at": row["exposed_at"]}
    return about | {"propensity": weights[arm]} | known


def _by_metric(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each metric with its outcomes as `record_outcomes` takes them."""
    for (metric,), own in rows.sort("metric_name", "unit_id", "key").group_by("metric_name", maintain_order=True):
        named = own.rename({"value": "outcome"}).select("unit_id", "outcome", "key", "denominator", "occurred_at")
        has_parts = named["denominator"].is_not_null().any()
        yield str(metric), named if has_parts else named.drop("denominator")
