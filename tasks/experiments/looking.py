"""Looks: from what is stored to an analysis, and the look kept."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from tasks.experiments.aggregated import AggregatedAnalysis, analyse_arms
from tasks.experiments.analysis import Look, Material, take_look
from tasks.experiments.design import Design
from tasks.experiments.errors import WrongStateError
from tasks.experiments.evidence import Evidence
from tasks.experiments.findings import Analysis
from tasks.experiments.report import report
from tasks.experiments.store import ExperimentStore, Row
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.frames import find_workspace

DRAFT, RUNNING, COMPLETED = "draft", "running", "completed"


class Looking:
    """Analyses of the experiments in one warehouse."""

    def __init__(self, warehouse: Warehouse | None = None) -> None:
        self.store = ExperimentStore(open_warehouse(warehouse))

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

    def _keep_look(self, experiment_id: str, digest: str, found: Analysis, seen: Look) -> None:
        result: Row = {"evidence": seen.evidence.as_json(), "status": found.status.value, "winner": found.winner}
        result |= {"p_value": found.p_value, "effects": [effect.as_dict() for effect in found.effects]}
        look = {"experiment_id": experiment_id, "statistics_sha256": digest, "look": found.looks, "n": found.n}
        self.store.add_look(look | {"looked_at": datetime.now(UTC), "result": result})

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
            rows.append(
                about | known | {"winner": experiment["winner"] or found.get("winner"), "p_value": found.get("p_value")}
            )
        return rows

    def analyze_aggregated(self, workspace_id: str, alpha: float) -> list[AggregatedAnalysis]:
        """Analyse what was ingested as aggregated arms."""
        find_workspace(self.store.warehouse, workspace_id)
        return analyse_arms(self.store.aggregated_arms(workspace_id), alpha)
