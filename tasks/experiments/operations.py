"""The engine's work, in a thread: each method of the engine has its synchronous half here."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tasks.errors import UnknownNameError
from tasks.experiments import definition, intake, reallocation
from tasks.experiments.aggregated import AggregatedAnalysis, analyse_arms
from tasks.experiments.analysis import Look, Material, take_look
from tasks.experiments.assignment import AssignmentPlan
from tasks.experiments.contributions import Given
from tasks.experiments.definition import Definition, as_record
from tasks.experiments.design import Design
from tasks.experiments.errors import WrongStateError
from tasks.experiments.metric_kinds import MetricKind
from tasks.experiments.records import Analysis, Assignment, ExperimentRecord, Recorded, Status
from tasks.experiments.report import report
from tasks.experiments.store import ExperimentStore, Row
from tasks.experiments.verdict import Evidence
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import find_workspace

DRAFT, RUNNING, COMPLETED = "draft", "running", "completed"
PLAN_SECONDS = 1.0  # how long another process may go on with weights that were just replaced


class Operations:
    """Experiments in one warehouse."""

    def __init__(self, warehouse: Warehouse | None = None) -> None:
        self.store = ExperimentStore(open_warehouse(warehouse))
        self._plans: dict[str, tuple[float, AssignmentPlan]] = {}

    def create(self, asked: Definition, salt: str | None) -> ExperimentRecord:
        """Write a new experiment, or find the one that is asked for again."""
        find_workspace(self.store.warehouse, asked.workspace_id)
        existing = self.store.named(asked.workspace_id, asked.name)
        done = [row for row in existing if row["status"] == COMPLETED]
        identifier = definition.experiment_id_of(asked.workspace_id, asked.name, len(done))
        if len(done) == len(existing):
            self.store.create(*asked.rows(identifier, salt or secrets.token_hex(16), datetime.now(UTC)))
        stored = self.store.find(identifier)
        asked.require_same(*stored)
        return as_record(*stored)

    def start(self, experiment_id: str) -> ExperimentRecord:
        """Freeze the design and put its weights in force."""
        experiment, variants, _ = self.store.find(experiment_id)
        if experiment["status"] == COMPLETED:
            raise WrongStateError(experiment_id, COMPLETED, "it cannot start again", "create a new one")
        now = datetime.now(UTC)
        first = {"experiment_id": experiment_id, "epoch": 0, "weights": [row["weight"] for row in variants]}
        self.store.add_epoch(first | {"reason": "as designed", "outcomes_before": 0, "started_at": now})
        if experiment["status"] == DRAFT:
            evidence = {"design": experiment["design"], "planned_units_per_arm": experiment["planned_units_per_arm"]}
            self.store.change(experiment_id, "started", now, evidence, status=RUNNING, started_at=now)
        return as_record(*self.store.find(experiment_id))

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
        stored = self.store.assign(rows) if rows else {}
        return [
            Assignment(row["variant_id"], unit, row["propensity"], row["epoch"]) if (row := stored.get(unit)) else None
            for unit in units
        ]

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
        if counts[0] and Design.from_json(experiment["design"]).is_adaptive and experiment["status"] == RUNNING:
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
        epoch = {"experiment_id": experiment_id, "epoch": last["epoch"] + 1, "weights": weights}
        reason = f"{material.design.allocation_strategy.value} after {outcomes} outcomes"
        now = datetime.now(UTC)
        self.store.add_epoch(epoch | {"reason": reason, "outcomes_before": outcomes, "started_at": now})
        self._plans.pop(experiment_id, None)

    def _material(self, stored: tuple[Row, list[Row], list[Row]], last: Row | None) -> Material:
        experiment, variants, metrics = stored
        experiment_id, design = experiment["experiment_id"], Design.from_json(experiment["design"])
        return Material(
            design=design,
            variants=variants,
            metrics=metrics,
            statistics=self.store.capped_statistics(experiment_id, metrics[0], design.winsorise_at),
            arrivals=self.store.arrivals(experiment_id),
            epochs=self.store.epochs(experiment_id),
            planned=experiment["planned_units_per_arm"],
            evidence=None if last is None else Evidence.from_json(last["result"]["evidence"]),
        )

    def analyze(self, experiment_id: str) -> Analysis:
        """Look at the data and keep the look."""
        stored, last = self.store.find(experiment_id), self.store.last_look(experiment_id)
        experiment = stored[0]
        if experiment["status"] == DRAFT:
            raise WrongStateError(experiment_id, DRAFT, "there is nothing to analyse", "call start_experiment")
        material = self._material(stored, last)
        seen = take_look(material)
        if seen.planned is not None and material.planned is None:
            evidence = {"planned_units_per_arm": seen.planned, "n": int(seen.moments.n.sum())}
            columns = {"planned_units_per_arm": seen.planned}
            self.store.change(experiment_id, "planned", datetime.now(UTC), evidence, **columns)
        digest = hashlib.sha256(json.dumps(list(material.statistics), sort_keys=True).encode()).hexdigest()
        is_new = last is None or last["statistics_sha256"] != digest
        number = (0 if last is None else last["look"]) + (1 if is_new else 0)
        found = report(experiment, material, seen, number)
        if is_new:
            self._keep_look(experiment_id, digest, found, seen)
        return found

    def _keep_look(self, experiment_id: str, digest: str, found: Analysis, seen: Look) -> None:
        result: Row = {"evidence": seen.evidence.as_json(), "status": found.status.value, "p_value": found.p_value}
        result |= {"effects": [effect.as_dict() for effect in found.effects]}
        look = {"experiment_id": experiment_id, "statistics_sha256": digest, "look": found.looks, "n": found.n}
        self.store.add_look(look | {"looked_at": datetime.now(UTC), "result": result})

    def complete(self, experiment_id: str, winner: str | None) -> ExperimentRecord:
        """End the experiment."""
        experiment, variants, metrics = self.store.find(experiment_id)
        names = [row["variant_id"] for row in variants]
        if winner is not None and str(winner) not in names:
            raise UnknownNameError("variant", winner, names)
        if experiment["status"] == COMPLETED and winner in (None, experiment["winner"]):
            return as_record(experiment, variants, metrics)
        if experiment["status"] != RUNNING:
            raise WrongStateError(
                experiment_id, experiment["status"], "only a running one is completed", "see its record"
            )
        found = self.analyze(experiment_id)
        chosen = found.winner if winner is None else str(winner)
        now, columns = datetime.now(UTC), {"winner": chosen, "conclusion": definition.conclusion(found, chosen)}
        evidence: Row = {
            "status": found.status.value,
            "proven_winner": found.winner,
            "p_value": found.p_value,
            "n": found.n,
        }
        evidence |= columns | {"effects": [effect.as_dict() for effect in found.effects]}
        self.store.change(experiment_id, "completed", now, evidence, status=COMPLETED, completed_at=now, **columns)
        self._plans.pop(experiment_id, None)
        ended = as_record(*self.store.find(experiment_id))
        if ended.winner != chosen:
            told = f"another process was first and completed it with winner {ended.winner!r}, not {chosen!r}"
            raise WrongStateError(experiment_id, COMPLETED, told, "see its log of decisions")
        return ended

    def complete_if_decided(self, found: Analysis) -> ExperimentRecord | None:
        """End it if it has an answer and its creation asked for that."""
        experiment, _, _ = self.store.find(found.experiment_id)
        is_answered = found.status in (Status.WINNER, Status.NO_DIFFERENCE)
        if not is_answered or not Design.from_json(experiment["design"]).auto_complete:
            return None
        return self.complete(found.experiment_id, found.winner)

    def overview(self, workspace_id: str | None) -> list[Row]:
        """Experiments of one workspace, or of all, with what their last look found."""
        if workspace_id is not None:
            find_workspace(self.store.warehouse, workspace_id)
        rows = []
        for experiment in self.store.experiments(workspace_id):
            last = self.store.last_look(experiment["experiment_id"])
            found = {} if last is None else last["result"]
            about = {name: experiment[name] for name in ("workspace_id", "experiment_id", "name", "metric_name")}
            known = {"status": experiment["status"], "found": found.get("status"), "units": last["n"] if last else 0}
            rows.append(about | known | {"winner": experiment["winner"], "p_value": found.get("p_value")})
        return rows

    def analyze_aggregated(self, workspace_id: str, alpha: float) -> list[AggregatedAnalysis]:
        """Analyse what was ingested as aggregated arms."""
        find_workspace(self.store.warehouse, workspace_id)
        return analyse_arms(self.store.aggregated_arms(workspace_id), alpha)
