"""A look in words and numbers that people and agents act on: verdict, arms, effects, what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.experiments import secondary_analyses
from tasks.experiments.analysis import AnalysisInput, InterimResult, information_of, sign_of
from tasks.experiments.design import FLOOR
from tasks.experiments.inference.bandit_allocation import change_of
from tasks.experiments.inference.comparisons import lift_is_defined
from tasks.experiments.inference.heavy_tails import rests_on_few_units
from tasks.experiments.inference.posteriors import Posterior, chance_to_win, posterior_of
from tasks.experiments.inference.power import additional_factor, units_still_needed
from tasks.experiments.inference.sequential_evidence import SequentialEvidence
from tasks.experiments.records import (
    ArmReport,
    EffectReport,
    ExperimentResult,
    ExperimentStatus,
    MetricKind,
    SampleRatio,
)

Array = NDArray[np.float64]
Row = dict[str, Any]
LEAST_UNITS = 10  # of an arm: below, the posterior's tails are too heavy to show
NEXT_STEPS: dict[ExperimentStatus, str] = {
    ExperimentStatus.INVALID: (
        "stop and find out why units did not arrive in the promised shares; no comparison can be trusted"
    ),
    ExperimentStatus.INSUFFICIENT_DATA: "keep it running",
    ExperimentStatus.RUNNING: "keep it running; no arm is proven better than every other yet",
    ExperimentStatus.WINNER: "complete the experiment and give all traffic to the winner",
    ExperimentStatus.NO_DIFFERENCE: "complete the experiment: any difference is smaller than the smallest worth having",
    ExperimentStatus.HARMED: "do not ship: the leading arm makes a guardrail metric worse",
}


def report(experiment: Row, known: AnalysisInput, seen: InterimResult, looks: int) -> ExperimentResult:
    """Everything known at one look."""
    ratio, guardrails = secondary_analyses.sample_ratio_of(known), secondary_analyses.guardrail_effects(known, seen)
    arms = _signed_means(known, seen)
    leader = seen.evidence.leader(arms) if seen.moments.n.min() > 0 else None
    effects = _effects(known, seen)
    status = _status(known, seen, effects, ratio, guardrails, leader)
    p = float(seen.evidence.against_all()[leader]) if leader is not None else 1.0
    is_open = status in (ExperimentStatus.WINNER, ExperimentStatus.RUNNING, ExperimentStatus.NO_DIFFERENCE)
    name = None if leader is None else known.names[leader]
    return ExperimentResult(
        experiment_id=experiment["experiment_id"],
        name=experiment["name"],
        workspace_id=experiment["workspace_id"],
        metric_name=experiment["metric_name"],
        metric_kind=known.metrics[0]["kind"],
        direction=known.metrics[0]["direction"],
        status=status,
        is_significant=status == ExperimentStatus.WINNER,
        winner=name if status == ExperimentStatus.WINNER else None,
        leader=name,
        confidence=1 - p if is_open else 0.0,
        p_value=p,
        confidence_level=known.design.confidence_level,
        variants=_arms(known, seen, ratio),
        effects=effects,
        sample_ratio=ratio,
        guardrails=guardrails,
        segments=secondary_analyses.segment_effects(known, seen),
        contrasts=secondary_analyses.factor_contrasts(known, seen),
        n=int(seen.moments.n.sum()),
        planned_units_per_arm=seen.planned,
        looks=looks,
        hypothesis=experiment["hypothesis"],
        method=method(known, seen),
        next_step=next_step(status, known, seen),
        warnings=warnings(experiment, known, seen),
    )


def _shown_posterior(seen: InterimResult) -> Posterior | None:
    """The arms' posterior; None where an arm says nothing yet."""
    moments, kind = seen.moments, seen.sums.kind
    if kind != MetricKind.BINARY and (moments.n.min() < LEAST_UNITS or not (moments.variance > 0).all()):
        return None
    return posterior_of(kind, moments, seen.sums.total("y"))


def _arms(known: AnalysisInput, seen: InterimResult, ratio: SampleRatio | None) -> list[ArmReport]:
    posterior = _shown_posterior(seen)
    best = loss = interval = None
    if posterior is not None:
        is_less_better = known.metrics[0]["direction"] == "decrease"
        best, loss = (posterior.mirrored() if is_less_better else posterior).best_and_loss()
        interval = posterior.interval(known.design.confidence_level)
    weights = known.weights()[-1]
    return [
        ArmReport(
            variant_id=name,
            is_control=k == known.control,
            assigned=0 if ratio is None else ratio.counts[name],
            n=int(seen.moments.n[k]),
            mean=float(seen.means[k]) if seen.moments.n[k] else None,
            credible_interval=None if interval is None else (float(interval[0][0, k]), float(interval[1][0, k])),
            probability_best=None if best is None else float(best[0, k]),
            expected_loss=None if loss is None else float(loss[0, k]),
            weight=float(weights[k]),
        )
        for k, name in enumerate(known.names)
    ]


def _effects(known: AnalysisInput, seen: InterimResult) -> list[EffectReport]:
    """Each arm against the control, once every arm has the minimum sample."""
    c, alpha, rows = known.control, known.design.alpha, []
    if not np.isfinite(seen.evidence.lower).any():
        return []
    is_lift_defined = bool(lift_is_defined(seen.moments)[c])
    for k, name in enumerate(known.names):
        low, high = float(seen.evidence.lower[k, c]), -float(seen.evidence.lower[c, k])
        if k == c or not np.isfinite(low) or not np.isfinite(high):
            continue
        effect = float(seen.comparison.estimate[k, c])
        p = float(min(seen.evidence.adjusted[k, c], seen.evidence.adjusted[c, k]))
        lift = effect / abs(float(seen.means[c])) if is_lift_defined else None
        better = chance_to_win(effect, float(seen.comparison.standard_error[k, c]))
        rows.append(EffectReport(name, effect, (low, high), p, lift, better, p <= alpha))
    return rows


def _status(
    known: AnalysisInput,
    seen: InterimResult,
    effects: list[EffectReport],
    ratio: SampleRatio | None,
    guardrails: list[Row],
    leader: int | None,
) -> ExperimentStatus:
    smallest = known.design.min_effect_size * abs(float(seen.means[known.control]))
    is_harmful = leader is not None and any(
        row["is_harmed"] and row["variant_id"] == known.names[leader] for row in guardrails
    )
    negligible = [-smallest < effect.interval[0] and effect.interval[1] < smallest for effect in effects]
    gates = Gates(
        smallest_arm=int(seen.moments.n.min()),
        min_sample_size=known.design.min_sample_size,
        is_sample_ratio_broken=ratio is not None and ratio.is_alarm,
        is_leader_harmful=is_harmful,
        is_changed=change_epoch(known, seen) is not None,
        is_difference_negligible=len(negligible) == len(known.names) - 1 and all(negligible),
    )
    return conclude(seen.evidence, known.design.alpha, gates)


def change_epoch(known: AnalysisInput, seen: InterimResult) -> int | None:
    """The epoch since which an arm's rewards are others, where weights follow them; None where nothing changed."""
    if not known.design.reweights_itself or seen.rule.version == 1:
        return None
    return change_of(seen.sums)


def _signed_means(known: AnalysisInput, seen: InterimResult) -> Array:
    return sign_of(known.metrics[0]) * seen.means


@dataclass(frozen=True, slots=True)
class Gates:
    """What must hold besides the evidence."""

    smallest_arm: int
    min_sample_size: int
    is_sample_ratio_broken: bool
    is_leader_harmful: bool
    is_changed: bool
    is_difference_negligible: bool


def conclude(evidence: SequentialEvidence, alpha: float, gates: Gates) -> ExperimentStatus:
    """The verdict."""
    if gates.is_sample_ratio_broken:
        return ExperimentStatus.INVALID
    if gates.smallest_arm < gates.min_sample_size:
        return ExperimentStatus.INSUFFICIENT_DATA
    if evidence.contradicts_itself(alpha) or gates.is_changed:
        return ExperimentStatus.RUNNING
    if np.min(evidence.against_all()) <= alpha:
        return ExperimentStatus.HARMED if gates.is_leader_harmful else ExperimentStatus.WINNER
    return ExperimentStatus.NO_DIFFERENCE if gates.is_difference_negligible else ExperimentStatus.RUNNING


def method(known: AnalysisInput, seen: InterimResult) -> str:
    """How intervals and verdict were reached."""
    parts = []
    if seen.is_weighted:
        parts.append("augmented inverse-propensity scores, because the weights changed on the way")
    if seen.is_adjusted:
        share = seen.sums.covariate_share
        having = "" if share == 1 else f", which {share:.1%} of the units have; the others count as average"
        parts.append(f"values adjusted by the pre-period covariate (CUPED){having}")
    parts.append(_how_error_is_spent(seen))
    if len(known.names) > 2:
        comparisons = f"{len(known.names) - 1} comparisons"
        if seen.rule.version == 1:
            parts.append(f"error divided by {comparisons}")
        else:
            parts.append(f"effects against the control share the error of {comparisons}; the winner beats every arm")
    return "; ".join(parts)


def _how_error_is_spent(seen: InterimResult) -> str:
    if seen.rule.is_scheduled:
        return "O'Brien–Fleming alpha spending up to the planned size"
    if not seen.rule.is_hybrid:
        return "asymptotic confidence sequence, valid at every look"
    running = "asymptotic confidence sequence" if seen.rule.version == 1 else "boundary that holds at any looks"
    return (
        f"{running} while running, one fixed test at the planned size, "
        "where the control needs stronger evidence to win than another arm"
    )


def warnings(experiment: Row, known: AnalysisInput, seen: InterimResult) -> list[str]:
    """What weakens the answer."""
    weaknesses = []
    if not experiment["hypothesis"]:
        weaknesses.append("no hypothesis was written down before the start")
    if seen.is_weighted and known.design.floor(len(known.names)) < min(FLOOR, 0.5 / len(known.names)):
        weaknesses.append(
            "the allocation floor is below 5 %: intervals after adaptive allocation cover less than they say"
        )
    if seen.evidence.contradicts_itself(known.design.alpha):
        weaknesses.append("the effect changed its direction between looks; nothing can be declared")
    if rests_on_few_units(seen.moments):
        weaknesses.append(
            f"a few units hold most of {experiment['metric_name']}, so intervals are wider than its spread alone would "
            "make them; winsorise_at in a new experiment caps the largest values and needs fewer units"
        )
    epoch = change_epoch(known, seen)
    if epoch is not None:
        weaknesses.append(
            f"rewards changed at about weights {epoch}: the traffic follows what came since, and nothing is declared; "
            "complete it and start a new experiment to prove a winner"
        )
    if seen.evidence.is_doubtful:
        weaknesses.append(
            "the effect moved further since the last look than its new units can explain, so it is not believed; "
            "are the outcomes of one arm incomplete?"
        )
    if experiment["completed_at"] is None and seen.planned is None and seen.moments.n.min() > 0:
        weaknesses.append("the size is not planned yet: it follows from the first outcomes of every arm")
    return weaknesses


def next_step(status: ExperimentStatus, known: AnalysisInput, seen: InterimResult) -> str:
    """What to do now."""
    if status == ExperimentStatus.INSUFFICIENT_DATA:
        missing = {
            name: int(known.design.min_sample_size - n)
            for name, n in zip(known.names, seen.moments.n, strict=True)
            if n < known.design.min_sample_size
        }
        still = ", ".join(f"{name} {n}" for name, n in missing.items())
        return f"{NEXT_STEPS[status]}; units still missing before anything can be said: {still}"
    if status == ExperimentStatus.RUNNING and seen.planned:
        more = f"{_units_still_needed(known, seen):,} more in all would find an effect of "
        more += f"{100 * known.design.min_effect_size:.3g} % with the wanted power"
        if seen.evidence.is_final_done:
            return f"the planned size is reached and nothing is proven: complete it without a winner, or go on; {more}"
        have = int(seen.moments.n.min())
        return f"{NEXT_STEPS[status]} ({have:,} of {seen.planned:,} planned units in the smallest arm; {more})"
    return NEXT_STEPS[status]


def _units_still_needed(known: AnalysisInput, seen: InterimResult) -> int:
    """Units still to come before the smallest effect worth finding is found with the wanted power, as it is judged."""
    effect = known.design.min_effect_size * abs(float(seen.means[known.control]))
    error, n = float(seen.comparison.standard_error.max()), float(seen.moments.n.sum())
    if effect <= 0 or error <= 0:
        return 0
    if seen.rule.version > 1 and not seen.rule.is_weighted:
        goes_on = seen.evidence.is_final_done or not (seen.rule.is_hybrid or seen.rule.is_scheduled)
        t = float(np.max(information_of(known, seen.moments, seen.planned)))
        more = units_still_needed(known.design, seen.rule, known.split, effect, error, t, goes_on=goes_on)
        return ceil(n * more)
    is_final = (seen.rule.is_hybrid or seen.rule.is_scheduled) and not seen.evidence.is_final_done
    alpha = seen.rule.final_alpha if is_final else seen.rule.running_alpha
    sequence = None if is_final else (n, seen.n_star)
    return ceil(n * additional_factor(effect, error, alpha=alpha, power=known.design.power, sequence=sequence))
