"""Interim analyses of a running experiment: from what is stored to an analysis, and each look at new data kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from tasks.experiments.analysis import AnalysisInput, InterimResult, take_look
from tasks.experiments.definition import DRAFT
from tasks.experiments.design import Design
from tasks.experiments.errors import WrongStateError
from tasks.experiments.forecast import forecast, pace_of
from tasks.experiments.inference.sequential_evidence import SequentialEvidence
from tasks.experiments.records import ExperimentResult
from tasks.experiments.report import report
from tasks.experiments.store import ExperimentStore, Row
from tasks.warehouse.frames import find_workspace


def analyze(store: ExperimentStore, experiment_id: str) -> ExperimentResult:
    """Look at the data and keep the look; the same data are one look."""
    stored, last = store.definitions.find(experiment_id), store.log.last_look(experiment_id)
    experiment = stored[0]
    if experiment["status"] == DRAFT:
        raise WrongStateError(experiment_id, DRAFT, "there is nothing to analyze", "call start_experiment")
    known = read_input(store, stored, last)
    seen = take_look(known)
    if seen.planned is not None and known.planned is None:
        evidence = {"planned_units_per_arm": seen.planned, "n": int(seen.moments.n.sum())}
        store.definitions.change(
            experiment_id, "planned", datetime.now(UTC), evidence, planned_units_per_arm=seen.planned
        )
    digest = hashlib.sha256(json.dumps(list(known.statistics), sort_keys=True).encode()).hexdigest()
    is_new = last is None or last["statistics_sha256"] != digest
    number = (0 if last is None else last["look"]) + (1 if is_new else 0)
    now = datetime.now(UTC)
    pace = pace_of(experiment, store.log.counts(experiment_id), int(seen.moments.n.sum()), now)
    analysis = report(experiment, known, seen, number, forecast(known, seen, pace, now))
    if is_new:
        _keep_look(store, digest, analysis, seen)
    return analysis


def read_input(
    store: ExperimentStore, stored: tuple[Row, Sequence[Row], Sequence[Row]], last: Row | None
) -> AnalysisInput:
    """What is known of an experiment, given its stored rows and its last look."""
    experiment, variants, metrics = stored
    experiment_id, design = experiment["experiment_id"], Design.from_dict(experiment["design"])
    return AnalysisInput(
        design=design,
        variants=variants,
        metrics=metrics,
        statistics=store.outcomes.capped_statistics(experiment_id, metrics[0], design.winsorise_at),
        arrivals=store.assignments.arrivals(experiment_id),
        epochs=store.assignments.epochs(experiment_id),
        planned=experiment["planned_units_per_arm"],
        evidence=None if last is None else SequentialEvidence.from_dict(last["result"]["evidence"]),
    )


def _keep_look(store: ExperimentStore, digest: str, analysis: ExperimentResult, seen: InterimResult) -> None:
    result: Row = {"evidence": seen.evidence.as_dict(), "status": analysis.status.value, "winner": analysis.winner}
    result |= {"p_value": analysis.p_value, "effects": [effect.as_dict() for effect in analysis.effects]}
    look = {"experiment_id": analysis.experiment_id, "statistics_sha256": digest, "look": analysis.looks}
    store.log.add_look(look | {"n": analysis.n, "looked_at": datetime.now(UTC), "result": result})


def overview(store: ExperimentStore, workspace_id: str | None) -> list[Row]:
    """Experiments of one workspace, or of all, with what their last look showed."""
    if workspace_id is not None:
        find_workspace(store.warehouse, workspace_id)
    rows = []
    for experiment in store.definitions.experiments(workspace_id):
        last = store.log.last_look(experiment["experiment_id"])
        result = {} if last is None else last["result"]
        about = {name: experiment[name] for name in ("workspace_id", "experiment_id", "name", "metric_name")}
        known = {"status": experiment["status"], "found": result.get("status"), "units": last["n"] if last else 0}
        rows.append(
            about | known | {"winner": experiment["winner"] or result.get("winner"), "p_value": result.get("p_value")}
        )
    return rows
