"""Units in, outcomes in, and weights that follow them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.errors import UnknownNameError
from tasks.experiments import intake, reallocation
from tasks.experiments.assignment import AssignmentPlan
from tasks.experiments.contributions import Given
from tasks.experiments.definition import as_record
from tasks.experiments.design import Design
from tasks.experiments.errors import WrongStateError
from tasks.experiments.looking import DRAFT, RUNNING, Looking
from tasks.experiments.metric_kinds import MetricKind
from tasks.experiments.records import Assignment, ExperimentRecord, Recorded, VariantAllocation
from tasks.experiments.store import Row
from tasks.experiments.variants import require_weights
from tasks.warehouse import Warehouse

PLAN_SECONDS = 1.0  # how long another process may go on with weights that were just replaced


class Traffic(Looking):
    """Assignment and outcomes of running experiments."""

    def __init__(self, warehouse: Warehouse | None = None) -> None:
        super().__init__(warehouse)
        self._plans: dict[str, tuple[float, AssignmentPlan]] = {}

    def assign(
        self, experiment_id: str, units: list[str], segments: list[str], covariates: list[float | None]
    ) -> list[Assignment | None]:
        """Place units and store where; what is stored wins."""
        plan, now = self._plan(experiment_id), datetime.now(UTC)
        chosen = {
            unit: plan.row(unit, now, segment, covariate)
            for unit, segment, covariate in zip(units, segments, covariates, strict=True)
        }
        rows = [row for row in chosen.values() if row is not None]
        return _in_order(units, self.store.assign(rows) if rows else {})

    def assigned(self, experiment_id: str, units: list[str]) -> list[Assignment | None]:
        """Stored arms of units, in their order; assigns nobody."""
        return _in_order(units, self.store.assigned(experiment_id, units))

    def _plan(self, experiment_id: str) -> AssignmentPlan:
        kept = self._plans.get(experiment_id)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        experiment, variants, _ = self.store.find(experiment_id)
        if experiment["status"] != RUNNING:
            fix = "call start_experiment" if experiment["status"] == DRAFT else "serve its winner, or create another"
            raise WrongStateError(experiment_id, experiment["status"], "units are assigned while it runs", fix)
        plan = AssignmentPlan.of(experiment, variants, self.store.epochs(experiment_id)[-1])
        self._plans[experiment_id] = (time.monotonic() + PLAN_SECONDS, plan)
        return plan

    def record(
        self,
        experiment_id: str,
        metric_name: str | None,
        given: list[Given],
        expected: Mapping[str, str],
        waiting: str | None,
        amend: bool,
        occurred_at: datetime | None,
    ) -> Recorded:
        """Count outcomes, and let the weights follow where they do."""
        experiment, variants, metrics = self.store.find(experiment_id)
        names = [metric["metric_name"] for metric in metrics]
        metric = names[0] if metric_name is None else metric_name
        if metric not in names:
            raise UnknownNameError("metric", metric, names)
        for variant in expected.values():
            if variant not in [row["variant_id"] for row in variants]:
                raise UnknownNameError("variant", variant, [row["variant_id"] for row in variants])
        now = datetime.now(UTC)
        intake.require_window(experiment, now, occurred_at)
        if not given:
            return Recorded(0, 0, 0)

        def check(found: Sequence[Given], kind: MetricKind | None, row: Row, assignments: Mapping[str, Row]) -> None:
            intake.require_values(found, kind, row)
            intake.require_variant(assignments, expected if waiting is None else {})

        counts = self.store.record(experiment_id, metric, given, amend=amend, now=now, check=check, waiting_for=waiting)
        if counts[0] and Design.from_json(experiment["design"]).reweights_itself and experiment["status"] == RUNNING:
            self._reallocate(experiment_id)
        return Recorded(counts[0] - counts[2], counts[1], counts[2])

    def _reallocate(self, experiment_id: str) -> None:
        """Begin a new epoch if one is due; of several processes that see it, one does."""
        material = self._material(self.store.find(experiment_id), None)
        sums, last = material.sums(material.metrics[0]), material.epochs[-1]
        outcomes, smallest = int(sums.n.sum()), int(sums.n.min())
        if not reallocation.is_due(outcomes, last["outcomes_before"], smallest):
            return
        weights = [float(weight) for weight in reallocation.new_weights(material)]
        self._begin_epoch(last, weights, f"{material.design.allocation_strategy} after {outcomes} outcomes", outcomes)

    def set_weights(self, experiment_id: str, weights: Mapping[str, float], reason: str) -> ExperimentRecord:
        """Begin a new epoch with these weights, unless they are in force already."""
        experiment, variants, metrics = self.store.find(experiment_id)
        names, design = [row["variant_id"] for row in variants], Design.from_json(experiment["design"])
        for name in weights:
            if name not in names:
                raise UnknownNameError("variant", name, names)
        if experiment["status"] != RUNNING or design.allocation_strategy != VariantAllocation.STAGED:
            state = experiment["status"] if experiment["status"] != RUNNING else design.allocation_strategy.value
            raise WrongStateError(experiment_id, state, "only a running, staged one is reweighted", "see its record")
        shares = require_weights([weights.get(name) for name in names])
        last = self.store.epochs(experiment_id)[-1]
        if shares != list(last["weights"]):
            sums = self._material((experiment, variants, metrics), None).sums(metrics[0])
            self._begin_epoch(last, shares, reason, int(sums.n.sum()))
        return as_record(experiment, variants, metrics)

    def _begin_epoch(self, last: Mapping[str, Any], weights: list[float], reason: str, outcomes: int) -> None:
        epoch = {"experiment_id": last["experiment_id"], "epoch": last["epoch"] + 1, "weights": weights}
        now = datetime.now(UTC)
        self.store.add_epoch(epoch | {"reason": reason, "outcomes_before": outcomes, "started_at": now})
        self._plans.pop(last["experiment_id"], None)


def _in_order(units: Sequence[str], stored: Mapping[str, Row]) -> list[Assignment | None]:
    return [
        Assignment(row["variant_id"], unit, row["propensity"], row["epoch"]) if (row := stored.get(unit)) else None
        for unit in units
    ]
