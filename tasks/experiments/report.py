"""A look in words and numbers that people and agents act on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.experiments import judgements
from tasks.experiments.analysis import Look, Material, sign_of
from tasks.experiments.findings import Analysis, ArmReport, EffectReport, SampleRatio
from tasks.experiments.fixed_tests import lift_is_defined
from tasks.experiments.metric_kinds import MetricKind
from tasks.experiments.posteriors import BetaPosterior, EffectPosterior, Posterior, StudentPosterior
from tasks.experiments.records import Status
from tasks.experiments.verdict import Gates, conclude
from tasks.experiments.wording import method, next_step, warnings

Array = NDArray[np.float64]
Row = dict[str, Any]
LEAST_UNITS = 10  # of an arm: below, the posterior's tails are too heavy to show


def report(experiment: Row, material: Material, seen: Look, looks: int) -> Analysis:
    """Everything known at one look."""
    ratio, guardrails = judgements.judge_sample_ratio(material), judgements.judge_guardrails(material, seen)
    arms = _signed_means(material, seen)
    leader = seen.evidence.leader(arms) if seen.moments.n.min() > 0 else None
    effects = _effects(material, seen)
    status = _status(material, seen, effects, ratio, guardrails, leader)
    p = float(seen.evidence.against_all()[leader]) if leader is not None else 1.0
    is_open = status in (Status.WINNER, Status.RUNNING, Status.NO_DIFFERENCE)
    name = None if leader is None else material.names[leader]
    return Analysis(
        experiment_id=experiment["experiment_id"],
        name=experiment["name"],
        workspace_id=experiment["workspace_id"],
        metric_name=experiment["metric_name"],
        metric_kind=material.metrics[0]["kind"],
        direction=material.metrics[0]["direction"],
        status=status,
        is_significant=status == Status.WINNER,
        winner=name if status == Status.WINNER else None,
        leader=name,
        confidence=1 - p if is_open else 0.0,
        p_value=p,
        confidence_level=material.design.confidence_level,
        variants=_arms(material, seen, ratio),
        effects=effects,
        sample_ratio=ratio,
        guardrails=guardrails,
        segments=judgements.judge_segments(material, seen),
        contrasts=judgements.judge_contrasts(material, seen),
        n=int(seen.moments.n.sum()),
        planned_units_per_arm=seen.planned,
        looks=looks,
        hypothesis=experiment["hypothesis"],
        method=method(material, seen),
        next_step=next_step(status, material, seen),
        warnings=warnings(experiment, material, seen),
    )


def posterior_of(seen: Look) -> Posterior | None:
    """Of the arms, by the metric's kind; None where an arm says nothing yet."""
    moments = seen.moments
    if seen.sums.kind == MetricKind.BINARY:
        return BetaPosterior.from_counts(moments.n, seen.sums.total("y"))
    if moments.n.min() < LEAST_UNITS or not (moments.variance > 0).all():
        return None
    return StudentPosterior.from_moments(moments)


def _arms(material: Material, seen: Look, ratio: SampleRatio | None) -> list[ArmReport]:
    posterior = posterior_of(seen)
    best = loss = interval = None
    if posterior is not None:
        is_less_better = material.metrics[0]["direction"] == "decrease"
        best, loss = (posterior.mirrored() if is_less_better else posterior).best_and_loss()
        interval = posterior.interval(material.design.confidence_level)
    weights = material.weights()[-1]
    return [
        ArmReport(
            variant_id=name,
            is_control=k == material.control,
            assigned=0 if ratio is None else ratio.counts[name],
            n=int(seen.moments.n[k]),
            mean=float(seen.means[k]) if seen.moments.n[k] else None,
            credible_interval=None if interval is None else (float(interval[0][0, k]), float(interval[1][0, k])),
            probability_best=None if best is None else float(best[0, k]),
            expected_loss=None if loss is None else float(loss[0, k]),
            weight=float(weights[k]),
        )
        for k, name in enumerate(material.names)
    ]


def _effects(material: Material, seen: Look) -> list[EffectReport]:
    """Each arm against the control, once every arm has the minimum sample."""
    c, alpha, rows = material.control, material.design.alpha, []
    if not np.isfinite(seen.evidence.lower).any():
        return []
    is_lift_defined = bool(lift_is_defined(seen.moments)[c])
    for k, name in enumerate(material.names):
        low, high = float(seen.evidence.lower[k, c]), -float(seen.evidence.lower[c, k])
        if k == c or not np.isfinite(low) or not np.isfinite(high):
            continue
        effect = float(seen.found.estimate[k, c])
        p = float(min(seen.evidence.better[k, c], seen.evidence.better[c, k]))
        lift = effect / abs(float(seen.means[c])) if is_lift_defined else None
        better = EffectPosterior.from_estimate(effect, float(seen.found.standard_error[k, c])).chance_to_win()
        rows.append(EffectReport(name, effect, (low, high), p, lift, better, p <= alpha))
    return rows


def _status(
    material: Material,
    seen: Look,
    effects: list[EffectReport],
    ratio: SampleRatio | None,
    guardrails: list[Row],
    leader: int | None,
) -> Status:
    smallest = material.design.min_effect_size * abs(float(seen.means[material.control]))
    is_harmful = leader is not None and any(
        row["is_harmed"] and row["variant_id"] == material.names[leader] for row in guardrails
    )
    negligible = [-smallest < effect.interval[0] and effect.interval[1] < smallest for effect in effects]
    gates = Gates(
        smallest_arm=int(seen.moments.n.min()),
        min_sample_size=material.design.min_sample_size,
        is_sample_ratio_broken=ratio is not None and ratio.is_alarm,
        is_leader_harmful=is_harmful,
        is_difference_negligible=len(negligible) == len(material.names) - 1 and all(negligible),
    )
    return conclude(seen.evidence, material.design.alpha, gates)


def _signed_means(material: Material, seen: Look) -> Array:
    return sign_of(material.metrics[0]) * seen.means
