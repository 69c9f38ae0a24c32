"""Interim analyses of a running experiment: from what is stored to an analysis, and each look at new data kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from tasks.experiments.analysis import AnalysisInput, InterimResult, moments_of, take_look
from tasks.experiments.definition import DRAFT
from tasks.experiments.design import QUANTILES, Design
from tasks.experiments.errors import WrongStateError, start_it
from tasks.experiments.forecast import forecast, pace_of
from tasks.experiments.headline import DECISIONS, decision_of, headline
from tasks.experiments.inference import power
from tasks.experiments.inference.quantile_estimates import QuantileEstimates
from tasks.experiments.inference.sequential_evidence import SequentialEvidence
from tasks.experiments.logs import in_words
from tasks.experiments.power_curve import PowerCurve, power_curve
from tasks.experiments.records import ExperimentResult, MetricKind, Plan
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
    look = _look_at(store, experiment_id)
    if look.seen.planned is not None and look.known.planned is None:
        evidence = {"planned_units_per_arm": look.seen.planned, "n": int(look.seen.moments.n.sum())}
        store.definitions.change(
            experiment_id, "planned", datetime.now(UTC), evidence, planned_units_per_arm=look.seen.planned
        )
    keep_kinds(store, look.stored, look.known)
    analysis = look.in_words(store)
    if look.is_new:
        keep_look(store, look.digest, analysis, look.seen.evidence.as_dict())
    return analysis


def preview(store: ExperimentStore, experiment_id: str) -> ExperimentResult:
    """What a look now would say; none is kept, so that who only reads a page changes nothing."""
    return _look_at(store, experiment_id).in_words(store)


@dataclass(frozen=True, slots=True)
class _Look:
    """The data of an experiment as they are now, and what they show."""

    stored: tuple[Row, list[Row], list[Row]]
    known: AnalysisInput
    seen: InterimResult
    digest: str
    is_new: bool

    def in_words(self, store: ExperimentStore) -> ExperimentResult:
        """The report of it."""
        experiment, now = self.stored[0], datetime.now(UTC)
        experiment_id = experiment["experiment_id"]
        pace = pace_of(experiment, store.log.counts(experiment_id), int(self.seen.moments.n.sum()), now)
        earliest = now + timedelta(days=missing_days(self.known))
        expected = forecast(self.known, self.seen, pace, now, earliest)
        left_out = in_words(store.logs.counts(experiment_id))
        return report(experiment, self.known, self.seen, self.known.looks, expected, left_out)


def _look_at(store: ExperimentStore, experiment_id: str) -> _Look:
    stored, last = store.definitions.find(experiment_id), store.log.last_look(experiment_id)
    experiment = stored[0]
    if experiment["status"] == DRAFT:
        raise WrongStateError(experiment_id, DRAFT, "there is nothing to analyze", start_it(experiment_id))
    known = read_input(store, stored, last)
    digest, number, is_new = look_number(known, last)
    days = store.outcomes.by_day(experiment_id)
    known = replace(known, looks=number, days=days, elapsed_days=elapsed_days(experiment))
    return _Look(stored, known, take_look(known), digest, is_new)


def observed_power(store: ExperimentStore, experiment_id: str) -> PowerCurve | None:
    """The plan's power curve, at the control's mean and spread as observed; None while they say nothing.

    An adaptive experiment has no planned size, and so no curve.
    """
    stored = store.definitions.find(experiment_id)
    known = read_input(store, stored, None)
    moments, _ = moments_of(known.sums(known.metrics[0]))
    place, units = known.control, stored[0]["planned_units_per_arm"]
    mean, variance = float(moments.mean[place]), float(moments.variance[place])
    if known.design.reweights_itself or moments.n[place] < 2 or not mean or not variance > 0:
        return None
    weights = [row["weight"] for row in known.variants]
    shares = [weights[place], *weights[:place], *weights[place + 1 :]]  # a plan's first arm is the control
    plan = _ObservedPlan(known.design, mean, variance, known.metrics[0]["kind"], shares)
    return power_curve(plan, len(shares), units, known.design.min_effect_size, known.design.power)


@dataclass(frozen=True, slots=True)
class _ObservedPlan:
    """Plans an experiment of other sizes and effects than its own."""

    design: Design
    mean: float
    variance: float
    kind: MetricKind | None
    weights: list[float]

    def __call__(self, *, units_per_arm: int | None, min_effect_size: float) -> Plan:
        design = replace(self.design, min_effect_size=min_effect_size)
        arms = len(self.weights)
        return power.make_plan(design, arms, self.mean, self.variance, self.kind, units_per_arm, self.weights)


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
    experiment_id, design = experiment["experiment_id"], Design.of(experiment)
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
    design = Design.of(experiment)
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
    last_looks = store.log.last_looks(workspace_id)
    return [_listed(one, last_looks.get(one["experiment_id"], {})) for one in store.definitions.listed(workspace_id)]


def waiting(store: ExperimentStore) -> list[Row]:
    """Running experiments of all workspaces whose last look asks for a decision, as `overview` lists them."""
    last_looks = store.log.last_looks(None, [status.value for status in DECISIONS])
    rows = [_listed(one, last_looks[one["experiment_id"]]) for one in store.definitions.listed(None, last_looks)]
    return [row for row in rows if decision_of(row) is not None]


def _listed(experiment: Row, last: Row) -> Row:
    names = ("workspace_id", "experiment_id", "name", "metric_name", "status", "conclusion")
    shown = {"found": last.get("status"), "units": last.get("n", 0), "headline": last.get("headline")}
    shown |= {"better_than_control": last.get("better_than_control") or [], "p_value": last.get("p_value")}
    times = {name: experiment[name] for name in ("created_at", "started_at", "completed_at")}
    expected = last.get("expected_at") if experiment["completed_at"] is None else None
    times |= {"looked_at": last.get("looked_at")}
    times |= {"expected_at": None if expected is None else datetime.fromisoformat(expected)}
    winner = experiment["winner"] if experiment["completed_at"] else last.get("winner")
    return {name: experiment[name] for name in names} | shown | {"winner": winner} | times
