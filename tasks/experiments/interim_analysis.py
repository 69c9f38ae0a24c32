"""Interim analyses of a running experiment: from what is stored to an analysis, and each look at new data kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from tasks.experiments.analysis import AnalysisInput, take_look
from tasks.experiments.definition import DRAFT
from tasks.experiments.design import QUANTILES, Design
from tasks.experiments.errors import WrongStateError, start_it
from tasks.experiments.forecast import forecast, pace_of
from tasks.experiments.headline import headline
from tasks.experiments.inference.quantile_estimates import QuantileEstimates
from tasks.experiments.inference.sequential_evidence import SequentialEvidence
from tasks.experiments.logs import in_words
from tasks.experiments.records import ExperimentResult, MetricKind
from tasks.experiments.report import missing_days, report
from tasks.experiments.store import ExperimentStore, Row
from tasks.experiments.unit_sums import (
    as_columns,
    cap_of,
    have_lost_digits,
    kind_of,
    origin_of,
    projected,
    units_above,
    with_cap,
    with_zeros,
)
from tasks.warehouse.frames import find_workspace


def analyze(store: ExperimentStore, experiment_id: str) -> ExperimentResult:
    """Look at the data and keep the look; the same data are one look."""
    stored, last = store.definitions.find(experiment_id), store.log.last_look(experiment_id)
    experiment = stored[0]
    if experiment["status"] == DRAFT:
        raise WrongStateError(experiment_id, DRAFT, "there is nothing to analyze", start_it(experiment_id))
    known = read_input(store, stored, last)
    digest, number, is_new = look_number(known, last)
    known = replace(
        known, looks=number, days=store.outcomes.by_day(experiment_id), elapsed_days=elapsed_days(experiment)
    )
    seen = take_look(known)
    if seen.planned is not None and known.planned is None:
        evidence = {"planned_units_per_arm": seen.planned, "n": int(seen.moments.n.sum())}
        store.definitions.change(
            experiment_id, "planned", datetime.now(UTC), evidence, planned_units_per_arm=seen.planned
        )
    keep_kinds(store, stored, known)
    now = datetime.now(UTC)
    pace = pace_of(experiment, store.log.counts(experiment_id), int(seen.moments.n.sum()), now)
    expected = forecast(known, seen, pace, now, now + timedelta(days=missing_days(known)))
    left_out = in_words(store.logs.counts(experiment_id))
    analysis = report(experiment, known, seen, number, expected, left_out)
    if is_new:
        keep_look(store, digest, analysis, seen.evidence.as_dict())
    return analysis


def elapsed_days(experiment: Row) -> float:
    """Days since the start, up to the end."""
    return float(((experiment["completed_at"] or datetime.now(UTC)) - experiment["started_at"]) / timedelta(days=1))


def look_number(known: AnalysisInput, last: Row | None) -> tuple[str, int, bool]:
    """The data's digest, the number of this look, and whether its data are new."""
    digest = hashlib.sha256(json.dumps(list(known.statistics), sort_keys=True).encode()).hexdigest()
    is_new = last is None or last["statistics_sha256"] != digest
    return digest, (0 if last is None else last["look"]) + (1 if is_new else 0), is_new


def keep_kinds(store: ExperimentStore, stored: tuple[Row, Sequence[Row], Sequence[Row]], known: AnalysisInput) -> None:
    """Remember the kinds that outcomes turned out to have."""
    before = {metric["metric_name"]: metric["kind"] for metric in stored[2]}
    changed = {
        metric["metric_name"]: MetricKind(metric["kind"]).value
        for metric in known.metrics
        if metric["kind"] is not None and metric["kind"] != before[metric["metric_name"]]
    }
    if changed:
        store.definitions.keep_kinds(stored[0]["experiment_id"], changed)


def read_input(
    store: ExperimentStore, stored: tuple[Row, Sequence[Row], Sequence[Row]], last: Row | None
) -> AnalysisInput:
    """What is known of an experiment, given its stored rows and its last look."""
    experiment, variants, metrics = stored
    experiment_id, design = experiment["experiment_id"], Design.from_dict(experiment["design"])
    arrivals, sums = store.assignments.arrivals(experiment_id), _sound_sums(store, experiment_id, metrics)
    known, rows = [], list[Row]()
    reported: dict[str, list[Row]] = {}
    for metric in metrics:
        mine = sums[metric["metric_name"]]
        settled, made = _read_metric(store, experiment, metric, mine, arrivals)
        known.append(settled)
        rows += made
        reported[metric["metric_name"]] = mine
    return AnalysisInput(
        design=design,
        variants=variants,
        metrics=known,
        statistics=rows,
        arrivals=arrivals,
        epochs=store.assignments.epochs(experiment_id),
        planned=experiment["planned_units_per_arm"],
        evidence=None if last is None else SequentialEvidence.from_dict(last["result"]["evidence"]),
        reported=reported,
        quantiles={
            metric["metric_name"]: _quantiles(store, experiment_id, metric, [row["variant_id"] for row in variants])
            for metric in metrics
            if metric["quantile"]
        },
    )


def _quantiles(store: ExperimentStore, experiment_id: str, metric: Row, arms: Sequence[str]) -> QuantileEstimates:
    """Of each arm, from the units' values."""
    values = store.outcomes.unit_values(experiment_id, metric["metric_name"])
    by_arm = {str(name): own["value"].to_numpy() for (name,), own in values.group_by("variant_id")}
    nothing = np.zeros(0)
    return QuantileEstimates.of([by_arm.get(arm, nothing) for arm in arms], QUANTILES[metric["quantile"]])


def _sound_sums(store: ExperimentStore, experiment_id: str, metrics: Sequence[Row]) -> dict[str, list[Row]]:
    """Sums by metric; those that serve only one kind, or have lost their digits, are made anew from the outcomes."""
    sums = _by_metric(store.outcomes.statistics(experiment_id), metrics)
    unsound = [name for name, rows in sums.items() if rows and not _are_sound(rows)]
    for name in unsound:
        store.outcomes.sum_anew(experiment_id, name)
    return _by_metric(store.outcomes.statistics(experiment_id), metrics) if unsound else sums


def _are_sound(rows: Sequence[Row]) -> bool:
    return bool(rows[0]["has_all_sums"]) and not have_lost_digits(rows)


def _by_metric(rows: Sequence[Row], metrics: Sequence[Row]) -> dict[str, list[Row]]:
    names = [metric["metric_name"] for metric in metrics]
    return {name: [row for row in rows if row["metric_name"] == name] for name in names}


def _read_metric(
    store: ExperimentStore, experiment: Row, metric: Row, rows: Sequence[Row], arrivals: Sequence[Row]
) -> tuple[Row, list[Row]]:
    """The metric with the kind that its outcomes have, and its sums as that kind and the design count them."""
    design = Design.from_dict(experiment["design"])
    is_zero = design.missing_outcomes == "zero"
    kind = kind_of(metric, rows, is_missing_zero=is_zero)
    is_zero = is_zero and kind not in (MetricKind.RATE, MetricKind.RATIO)
    origin = rows[0]["origin"] if rows else metric["origin"]
    settled = metric | {"kind": kind, "origin": origin_of(metric | {"origin": origin}, kind)}
    made = [projected(row, kind) for row in rows]
    cap_at = metric["winsorise_at"]
    if cap_at is None and metric["role"] == "primary":
        cap_at = design.winsorise_at
    if cap_at is not None and rows and kind is not None and kind != MetricKind.BINARY:
        made = _capped(store, experiment, settled, cap_at, arrivals if is_zero else None)
    return settled, with_zeros(made, arrivals, settled["origin"], metric["metric_name"]) if is_zero else made


def _capped(
    store: ExperimentStore, experiment: Row, metric: Row, quantile: float, arrivals: Sequence[Row] | None
) -> list[Row]:
    """Projected sums in which no unit counts for more than a quantile of all arms together."""
    kind = MetricKind(metric["kind"])
    arrived = None if arrivals is None else sum(row["n"] for row in arrivals)
    rows, top = store.outcomes.with_largest(metric, kind, quantile, arrived)
    units = sum(row["n"] for row in rows)
    missing = 0 if arrived is None else arrived - units
    cap = cap_of(top, missing, units_above(units + missing, quantile))
    above = [unit for unit in top if unit["value"] > cap]
    origins = (metric["origin"], experiment["covariate_origin"] or 0.0)
    made = with_cap([projected(row, kind) for row in rows], above, cap, origins)
    if made is not None:
        return made
    capped = {unit["unit_id"]: [(cap, unit["denominator"])] for unit in above}
    cells = store.outcomes.recount(experiment["experiment_id"], metric, capped)
    about = {"experiment_id": experiment["experiment_id"], "metric_name": metric["metric_name"]}
    return [projected(about | as_columns(*item), kind) for item in cells.items()]


def keep_look(store: ExperimentStore, digest: str, analysis: ExperimentResult, evidence: Row | None) -> None:
    """Keep what a look came to; `evidence` is what later looks of the same kind begin with."""
    result: Row = {"evidence": evidence, "status": analysis.status.value, "winner": analysis.winner}
    result |= {"headline": headline(analysis), "better_than_control": list(analysis.better_than_control)}
    result |= {"p_value": analysis.p_value, "effects": [effect.as_dict() for effect in analysis.effects]}
    look = {"experiment_id": analysis.experiment_id, "statistics_sha256": digest, "look": analysis.looks}
    store.log.add_look(look | {"n": analysis.n, "looked_at": datetime.now(UTC), "result": result})


def overview(store: ExperimentStore, workspace_id: str | None) -> list[Row]:
    """Experiments of one workspace, or of all, with what their last look showed."""
    if workspace_id is not None:
        find_workspace(store.warehouse, workspace_id)
    rows, last_looks = [], store.log.last_looks(workspace_id)
    for experiment in store.definitions.experiments(workspace_id):
        last = last_looks.get(experiment["experiment_id"])
        result = {} if last is None else last["result"]
        about = {name: experiment[name] for name in ("workspace_id", "experiment_id", "name", "metric_name")}
        known = {"status": experiment["status"], "found": result.get("status"), "units": last["n"] if last else 0}
        known |= {"headline": result.get("headline"), "better_than_control": result.get("better_than_control") or []}
        rows.append(
            about | known | {"winner": experiment["winner"] or result.get("winner"), "p_value": result.get("p_value")}
        )
    return rows
