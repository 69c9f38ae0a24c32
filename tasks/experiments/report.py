"""A look in words and numbers that people and agents act on: verdict, arms, effects, what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.experiments import secondary_analyses
from tasks.experiments.analysis import (
    AnalysisInput,
    InterimResult,
    information_of,
    is_contradicted,
    sign_of,
    verdict_evidence,
)
from tasks.experiments.design import CYCLE_DAYS, FLOOR
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
    Forecast,
    MetricKind,
    SampleRatio,
)

Array = NDArray[np.float64]
Row = dict[str, Any]
UNEVEN_LEVEL = 0.001  # of segments: at one look
LEAST_UNITS = 10  # of an arm: below, the posterior's tails are too heavy to show
NEXT_STEPS: dict[ExperimentStatus, str] = {
    ExperimentStatus.INVALID: (
        "stop and find out why units did not arrive in the promised shares; no comparison can be trusted"
    ),
    ExperimentStatus.INSUFFICIENT_DATA: "keep it running",
    ExperimentStatus.RUNNING: "keep it running; no arm is proven better than every other yet",
    ExperimentStatus.WINNER: "complete the experiment and give all traffic to the winner",
    ExperimentStatus.NO_DIFFERENCE: "complete the experiment: any difference is smaller than the smallest worth having",
    ExperimentStatus.CONTRADICTED: (
        "declare nothing: the effect changed while it ran, so that it has no one value; look at it by day, find out "
        "what changed, and start a new experiment"
    ),
    ExperimentStatus.HARMED: "do not ship",
}
CONVERSIONS_ONLY = (
    "every outcome so far is a conversion, so units that did not convert are missing: record a 0 for each, or create "
    "the experiment with missing_outcomes='zero'"
)


def report(
    experiment: Row,
    known: AnalysisInput,
    seen: InterimResult,
    looks: int,
    expected: Forecast | None = None,
    left_out: Sequence[str] = (),
) -> ExperimentResult:
    """Everything known at one look."""
    evidence, on = verdict_evidence(known, seen.evidence), np.flatnonzero(known.is_on)
    arms = _signed_means(known, seen)[on]
    leader = int(on[evidence.leader(arms)]) if seen.moments.n[on].min() > 0 else None
    beside = Beside.of(known, seen, leader)
    effects = _effects(known, seen)
    status = _status(known, seen, effects, beside, leader)
    p = float(evidence.against_all()[int(np.flatnonzero(on == leader)[0])]) if leader is not None else 1.0
    is_open = status == ExperimentStatus.WINNER or (
        status in (ExperimentStatus.RUNNING, ExperimentStatus.NO_DIFFERENCE) and p > known.design.alpha
    )
    name = None if leader is None else known.names[leader]
    good = tuple(effect.variant_id for effect in effects if effect.is_significant and effect.effect > 0)
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
        variants=_arms(known, seen, beside),
        effects=effects,
        sample_ratio=beside.sample_ratio,
        guardrails=beside.guardrails,
        missing_days=beside.missing_days,
        left_out=tuple(left_out),
        secondary=secondary_analyses.secondary_effects(known, seen),
        segments=beside.segments,
        contrasts=secondary_analyses.factor_contrasts(known, seen),
        n=int(seen.moments.n.sum()),
        planned_units_per_arm=None if known.design.reweights_itself else seen.planned,
        looks=looks,
        hypothesis=experiment["hypothesis"],
        method=method(known, seen),
        forecast=expected if status == ExperimentStatus.RUNNING or expected is None else None,
        next_step=next_step(status, known, seen, beside, good),
        warnings=warnings(experiment, known, seen, beside),
        reporting=beside.reporting,
        better_than_control=good,
        days=tuple(beside.days),
    )


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside the comparison, and may forbid a verdict.

    Attributes:
        harmed: guardrails that each arm makes worse, by arm, of the arms that are on.
        uneven: arms whose effect differs between days since exposure.
        missing_days: still to come before a full cycle is covered.
        does_fade: whether the leader's effect is not to be seen on its later days.
    """

    sample_ratio: SampleRatio | None
    reporting: SampleRatio | None
    guardrails: list[Row]
    segments: list[Row]
    days: list[Row]
    harmed: dict[str, list[str]]
    uneven: list[str]
    has_conversions_only: bool
    missing_days: float
    does_fade: bool

    @classmethod
    def of(cls, known: AnalysisInput, seen: InterimResult, leader: int | None) -> Beside:
        """At one look."""
        guardrails, reporting = (
            secondary_analyses.guardrail_effects(known, seen),
            secondary_analyses.reporting_of(known),
        )
        on = [name for name, is_on in zip(known.names, known.is_on, strict=True) if is_on]
        harms = {
            name: [row["metric_name"] for row in guardrails if row["variant_id"] == name and row["is_harmed"]]
            for name in on
        }
        days = secondary_analyses.effects_by_day(known)
        return cls(
            secondary_analyses.sample_ratio_of(known),
            reporting,
            guardrails,
            secondary_analyses.segment_effects(known, seen),
            days,
            {name: metrics for name, metrics in harms.items() if metrics},
            [name for name in secondary_analyses.is_uneven_by_day(known, days) if name in on],
            secondary_analyses.has_conversions_only(known, reporting),
            missing_days(known),
            leader is not None and _does_fade(known, seen, leader),
        )

    @property
    def is_reporting_broken(self) -> bool:
        """Whether one arm's units report less often than another's."""
        return self.reporting is not None and self.reporting.is_alarm


def _does_fade(known: AnalysisInput, seen: InterimResult, leader: int) -> bool:
    """Beside the arm that comes closest."""
    means, others = _signed_means(known, seen), known.is_on.copy()
    others[leader] = False
    rival = int(np.flatnonzero(others)[np.argmax(means[others])])
    return known.design.decision_rule > 1 and secondary_analyses.does_fade(known, seen, leader, rival)


def missing_days(known: AnalysisInput) -> float:
    """Days still to come before everything that is declared rests on at least one full cycle of them.

    Counted by the calendar of outcomes that say when they occurred; where none does, from the start and only where the
    design asks for it.
    """
    dates = [
        date.fromisoformat(row["date"]) for row in known.days if row["metric_name"] == known.metrics[0]["metric_name"]
    ]
    covered = float((max(dates) - min(dates)).days) if dates else known.elapsed_days
    usual = CYCLE_DAYS if dates and known.design.decision_rule > 1 else 0.0
    wanted = usual if known.design.cycle_days is None else known.design.cycle_days
    return max(wanted - covered, 0.0)


def _shown_posterior(seen: InterimResult) -> Posterior | None:
    """The arms' posterior; None where an arm says nothing yet."""
    moments, kind = seen.moments, seen.sums.kind
    if kind != MetricKind.BINARY and (moments.n.min() < LEAST_UNITS or not (moments.variance > 0).all()):
        return None
    return posterior_of(kind, moments, seen.sums.total("y"))


def _arms(known: AnalysisInput, seen: InterimResult, beside: Beside) -> list[ArmReport]:
    posterior, ratio, reporting = _shown_posterior(seen), beside.sample_ratio, beside.reporting
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
            reporting_rate=(
                reporting.counts[name] / ratio.counts[name]
                if reporting is not None and ratio is not None and ratio.counts[name]
                else None
            ),
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
    known: AnalysisInput, seen: InterimResult, effects: list[EffectReport], beside: Beside, leader: int | None
) -> ExperimentStatus:
    smallest = known.design.min_effect_size * abs(float(seen.means[known.control]))
    negligible = [-smallest < effect.interval[0] and effect.interval[1] < smallest for effect in effects]
    treatments = int(known.is_on.sum()) - 1
    name = None if leader is None else known.names[leader]
    gates = Gates(
        smallest_arm=int(seen.moments.n[known.is_on].min()),
        min_sample_size=known.design.min_sample_size,
        is_sample_ratio_broken=beside.sample_ratio is not None and beside.sample_ratio.is_alarm,
        is_reporting_broken=beside.is_reporting_broken or beside.has_conversions_only,
        is_harmful=name in beside.harmed,
        is_only_control_left=len(beside.harmed) == treatments and treatments > 0,
        is_contradicted=is_contradicted(known, seen) or name in beside.uneven,
        is_changed=change_epoch(known, seen) is not None,
        is_cycle_covered=beside.missing_days == 0 and not beside.does_fade,
        is_difference_negligible=len(negligible) == len(known.names) - 1 and all(negligible),
    )
    return conclude(verdict_evidence(known, seen.evidence), known.design.alpha, gates)


def change_epoch(known: AnalysisInput, seen: InterimResult) -> int | None:
    """The epoch since which an arm's rewards are others, where weights follow them; None where nothing changed."""
    if not known.design.reweights_itself or seen.rule.version == 1:
        return None
    return change_of(seen.sums)


def _signed_means(known: AnalysisInput, seen: InterimResult) -> Array:
    return sign_of(known.metrics[0]) * seen.means


@dataclass(frozen=True, slots=True)
class Gates:
    """What must hold besides the evidence.

    Attributes:
        is_harmful: the leader hurts a guardrail.
        is_only_control_left: every arm but the control does.
    """

    smallest_arm: int
    min_sample_size: int
    is_sample_ratio_broken: bool
    is_reporting_broken: bool
    is_harmful: bool
    is_only_control_left: bool
    is_contradicted: bool
    is_changed: bool
    is_cycle_covered: bool
    is_difference_negligible: bool


def conclude(evidence: SequentialEvidence, alpha: float, gates: Gates) -> ExperimentStatus:
    """The verdict."""
    if gates.is_sample_ratio_broken:
        return ExperimentStatus.INVALID
    if gates.is_reporting_broken:  # a look that is not believed anyway may be half of a batch
        return ExperimentStatus.RUNNING if evidence.is_doubtful else ExperimentStatus.INVALID
    if gates.smallest_arm < gates.min_sample_size:
        return ExperimentStatus.INSUFFICIENT_DATA
    if gates.is_contradicted or evidence.contradicts_itself(alpha):
        return ExperimentStatus.CONTRADICTED
    is_proven = bool(np.min(evidence.against_all()) <= alpha)
    if gates.is_harmful or (gates.is_only_control_left and not is_proven):
        return ExperimentStatus.HARMED
    if gates.is_changed or not gates.is_cycle_covered:
        return ExperimentStatus.RUNNING
    if is_proven:
        return ExperimentStatus.WINNER
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


def _of_tails(known: AnalysisInput, seen: InterimResult) -> list[str]:
    if not rests_on_few_units(seen.moments):
        return []
    return [
        f"a few units hold most of {known.metrics[0]['metric_name']}, so intervals are wider than its spread alone "
        "would make them; winsorise_at in a new experiment caps the largest values and needs fewer units"
    ]


def warnings(experiment: Row, known: AnalysisInput, seen: InterimResult, beside: Beside) -> list[str]:
    """What weakens the answer."""
    weaknesses = _of_reports(known, beside) + _of_parts(known, beside) + _of_tails(known, seen)
    if not experiment["hypothesis"]:
        weaknesses.append("no hypothesis was written down before the start")
    if seen.is_weighted and known.design.floor(len(known.names)) < min(FLOOR, 0.5 / len(known.names)):
        weaknesses.append(
            "the allocation floor is below 5 %: intervals after adaptive allocation cover less than they say"
        )
    weaknesses += _of_effect(experiment, known, seen)
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


def _of_effect(experiment: Row, known: AnalysisInput, seen: InterimResult) -> list[str]:
    """What makes one effect doubtful, or less well known than it looks."""
    weaknesses = []
    if seen.evidence.contradicts_itself(known.design.alpha):
        weaknesses.append("the effect changed its direction between looks; nothing can be declared")
    elif is_contradicted(known, seen):
        weaknesses.append(
            "the effect today is not among those that earlier looks left possible; nothing can be declared"
        )
    if rests_on_few_units(seen.moments):
        weaknesses.append(
            f"a few units hold most of {experiment['metric_name']}, so intervals are wider than its spread alone would "
            "make them; winsorise_at in a new experiment caps the largest values and needs fewer units"
        )
    return weaknesses


def _of_reports(known: AnalysisInput, beside: Beside) -> list[str]:
    """What is wrong with which units report."""
    if beside.has_conversions_only:
        return [CONVERSIONS_ONLY]
    if beside.reporting is None or not beside.is_reporting_broken:
        return []
    rates = {
        name: f"{name} {beside.reporting.counts[name]:,} of {beside.sample_ratio.counts[name]:,}"
        for name in known.names
        if beside.sample_ratio is not None
    }
    return [
        f"units of one arm report more often than another's ({', '.join(rates.values())}): that may be all the effect"
    ]


def _of_parts(known: AnalysisInput, beside: Beside) -> list[str]:
    """Where the effect is not the same for everybody, or on every day, or what else it does."""
    remarks = [f"{name} makes {' and '.join(metrics)} worse" for name, metrics in beside.harmed.items()]
    remarks += [
        f"the effect of {name} is not the same on all days since exposure: see it by day" for name in beside.uneven
    ]
    for name in known.names:
        rows = [row for row in beside.segments if row["variant_id"] == name]
        p = rows[0]["heterogeneity_p_value"] if rows else None
        if p is not None and p <= UNEVEN_LEVEL:
            parts = ", ".join(f"{row['segment']} {row['effect']:+.3g}" for row in rows)
            remarks.append(f"the effect of {name} differs between segments (p = {p:.2g}): {parts}")
    return remarks


def next_step(
    status: ExperimentStatus, known: AnalysisInput, seen: InterimResult, beside: Beside, good: Sequence[str]
) -> str:
    """What to do now."""
    if status == ExperimentStatus.INVALID and not (beside.sample_ratio is not None and beside.sample_ratio.is_alarm):
        if beside.has_conversions_only:
            return CONVERSIONS_ONLY
        return "find the outcomes that are missing, or stop: one arm's units report more often, so means do not compare"
    if status == ExperimentStatus.HARMED:
        return _after_harm(known, beside)
    if status == ExperimentStatus.INSUFFICIENT_DATA:
        return f"{NEXT_STEPS[status]}; {_still_missing(known, seen)}"
    return _while_running(known, seen, beside, good) if status == ExperimentStatus.RUNNING else NEXT_STEPS[status]


def _still_missing(known: AnalysisInput, seen: InterimResult) -> str:
    still = ", ".join(
        f"{name} {int(known.design.min_sample_size - n)}"
        for name, n, is_on in zip(known.names, seen.moments.n, known.is_on, strict=True)
        if is_on and n < known.design.min_sample_size
    )
    return f"units still missing before anything can be said: {still}"


def _while_running(known: AnalysisInput, seen: InterimResult, beside: Beside, good: Sequence[str]) -> str:
    if beside.missing_days:
        days = ceil(beside.missing_days)
        return (
            f"keep it running for {days} more day{'s' * (days > 1)}: nothing is declared before one full cycle of days"
        )
    if beside.does_fade and seen.evidence.against_all().min() <= known.design.alpha:
        return "keep it running: the effect of the first days is not seen on the later ones, so it may be a novelty"
    if good and not seen.evidence.is_doubtful and not beside.is_reporting_broken:
        return f"{_good_arms(good)}; or go on" + (f": {_more(known, seen)}" if seen.planned else "")
    if not seen.planned or known.design.reweights_itself:
        return NEXT_STEPS[ExperimentStatus.RUNNING]
    if seen.evidence.is_final_done:
        more = _more(known, seen)
        return f"the planned size is reached and nothing is proven: complete it without a winner, or go on; {more}"
    have = int(seen.moments.n[known.is_on].min())
    of = f"{have:,} of {seen.planned:,} planned units in the smallest arm; {_more(known, seen)}"
    return f"{NEXT_STEPS[ExperimentStatus.RUNNING]} ({of})"


def _more(known: AnalysisInput, seen: InterimResult) -> str:
    effect = f"an effect of {100 * known.design.min_effect_size:.3g} %"
    return f"{_units_still_needed(known, seen):,} more in all would find {effect} with the wanted power"


def _good_arms(good: Sequence[str]) -> str:
    if len(good) == 1:
        return f"{good[0]} beats the control, but not every other arm yet: ship it now (complete it with this winner)"
    names = f"{', '.join(good[:-1])} and {good[-1]}"
    word = "both" if len(good) == 2 else "all"
    return f"{names} {word} beat the control; between them not yet: ship either now (complete it with that winner)"


def _after_harm(known: AnalysisInput, beside: Beside) -> str:
    harms = "; ".join(f"{name} makes {' and '.join(metrics)} worse" for name, metrics in beside.harmed.items())
    if len(beside.harmed) >= int(known.is_on.sum()) - 1:
        return f"do not ship: {harms}; complete the experiment and keep the control"
    return f"do not ship: {harms}; switch it off and go on with the others, or complete the experiment"


def _units_still_needed(known: AnalysisInput, seen: InterimResult) -> int:
    """Units still to come before the smallest effect worth finding is found with the wanted power, as it is judged."""
    effect = known.design.min_effect_size * abs(float(seen.means[known.control]))
    error, n = float(seen.comparison.standard_error.max()), float(seen.moments.n.sum())
    if effect <= 0 or error <= 0:
        return 0
    if seen.rule.version > 1 and not seen.rule.is_weighted:
        goes_on = seen.evidence.is_final_done or not (seen.rule.is_hybrid or seen.rule.is_scheduled)
        t = float(np.max(information_of(known, seen.sums, seen.planned)))
        more = units_still_needed(known.design, seen.rule, known.split, effect, error, t, goes_on=goes_on)
        return ceil(n * more)
    is_final = (seen.rule.is_hybrid or seen.rule.is_scheduled) and not seen.evidence.is_final_done
    alpha = seen.rule.final_alpha if is_final else seen.rule.running_alpha
    sequence = None if is_final else (n, seen.n_star)
    return ceil(n * additional_factor(effect, error, alpha=alpha, power=known.design.power, sequence=sequence))
