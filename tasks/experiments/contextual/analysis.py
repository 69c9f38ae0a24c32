"""A look at a contextual experiment: its arms, what following the context is worth, and the next policy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtr

from tasks.experiments.analysis import AnalysisInput, sign_of
from tasks.experiments.contextual.evaluation import (
    NARROWEST,
    Gain,
    PolicyValue,
    ReportedUnits,
    Scored,
    arm_contrasts,
    arm_errors,
    policy_value,
    score_units,
)
from tasks.experiments.contextual.policy import LinearPolicy
from tasks.experiments.contextual.wording import in_words, next_step
from tasks.experiments.definition import DRAFT
from tasks.experiments.errors import WrongStateError, start_it
from tasks.experiments.inference.comparisons import is_far_from_zero
from tasks.experiments.inference.sample_ratio import ALARM_LEVEL, adaptive_p_value
from tasks.experiments.interim_analysis import elapsed_days, keep_kinds, keep_look, look_number, read_input
from tasks.experiments.records import (
    ArmReport,
    EffectReport,
    ExperimentResult,
    ExperimentStatus,
    MetricKind,
    SampleRatio,
)
from tasks.experiments.report import missing_days
from tasks.experiments.store import ExperimentStore, Row
from tasks.statistics.confidence_sequences import half_width, lower_half_width, p_value

Array = NDArray[np.float64]
RECENT = 1000  # units whose contexts say which shares arms have now
METHOD = (
    "augmented inverse-propensity scores by the policy and model that were there before each unit came; asymptotic "
    "confidence sequences, valid at every look; arms against the control Bonferroni"
)


@dataclass(frozen=True, slots=True)
class Arrived:
    """All units that were assigned: with what they reported, and counts of arms by epoch (B, K)."""

    units: ReportedUnits
    assigned: Array
    recent: list[dict[str, Any]]


def learn(store: ExperimentStore, experiment_id: str, known: AnalysisInput) -> LinearPolicy:
    """The policy of the next epoch, from all units that reported."""
    units = _arrived(store, experiment_id, known).units
    columns = known.design.context or []
    sign = sign_of(known.metrics[0])
    return LinearPolicy.fit(columns, units.contexts, units.arm, units.value, len(known.names), sign)


def analyze(store: ExperimentStore, experiment_id: str) -> ExperimentResult:
    """Look at the data and keep the look; the same data are one look."""
    look = _look_at(store, experiment_id)
    keep_kinds(store, look.stored, look.known)
    analysis = look.in_words(store)
    if look.is_new:
        keep_look(store, look.digest, analysis, {"context_p_value": analysis.p_value})
    return analysis


def preview(store: ExperimentStore, experiment_id: str) -> ExperimentResult:
    """What a look now would say; none is kept."""
    return _look_at(store, experiment_id).in_words(store)


@dataclass(frozen=True, slots=True)
class _ContextualLook:
    """The data of an experiment as they are now; `earlier` is what looks before have shown of the context."""

    stored: tuple[Row, list[Row], list[Row]]
    known: AnalysisInput
    earlier: float
    digest: str
    is_new: bool

    def in_words(self, store: ExperimentStore) -> ExperimentResult:
        """The report of it."""
        experiment_id = self.stored[0]["experiment_id"]
        policies = _policies(store, experiment_id, self.known)
        return _report(self.stored[0], self.known, _arrived(store, experiment_id, self.known), policies, self.earlier)


def _look_at(store: ExperimentStore, experiment_id: str) -> _ContextualLook:
    stored, last = store.definitions.find(experiment_id), store.log.last_look(experiment_id)
    if stored[0]["status"] == DRAFT:
        raise WrongStateError(experiment_id, DRAFT, "there is nothing to analyze", start_it(experiment_id))
    known = read_input(store, stored, None)
    digest, number, is_new = look_number(known, last)
    days = store.outcomes.by_day(experiment_id)
    known = replace(known, looks=number, days=days, elapsed_days=elapsed_days(stored[0]))
    earlier = 1.0 if last is None else float(last["result"]["evidence"]["context_p_value"])
    return _ContextualLook(stored, known, earlier, digest, is_new)


def _policies(store: ExperimentStore, experiment_id: str, known: AnalysisInput) -> list[LinearPolicy | None]:
    stored = store.policies.all_of(experiment_id)
    numbers = [epoch["epoch"] for epoch in known.epochs]
    return [LinearPolicy.from_dict(stored[number]) if number in stored else None for number in numbers]


def _arrived(store: ExperimentStore, experiment_id: str, known: AnalysisInput) -> Arrived:
    metric = known.metrics[0]
    frame = store.policies.units(experiment_id, metric["metric_name"], is_mean=metric["kind"] == MetricKind.RATE)
    places = {name: place for place, name in enumerate(known.names)}
    frame = frame.with_columns(pl.col("variant_id").replace_strict(places, return_dtype=pl.Int64).alias("arm"))
    assigned = np.zeros((len(known.epochs), len(places)))
    np.add.at(assigned, (frame["epoch"].to_numpy(), frame["arm"].to_numpy()), 1.0)
    reported = frame.filter(pl.col("value").is_not_null())
    value = reported["value"].to_numpy().astype(np.float64)
    return Arrived(
        ReportedUnits(
            contexts=_contexts(reported),
            arm=reported["arm"].to_numpy(),
            value=(value > 0).astype(np.float64) if metric["kind"] == MetricKind.BINARY else value,
            epoch=reported["epoch"].to_numpy(),
            propensity=reported["propensity"].to_numpy(),
        ),
        assigned,
        _contexts(frame.tail(RECENT)),
    )


def _contexts(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return [json.loads(text or "{}") for text in frame["context"]]


def _report(
    experiment: Row,
    known: AnalysisInput,
    arrived: Arrived,
    policies: Sequence[LinearPolicy | None],
    earlier: float,
) -> ExperimentResult:
    """One look; what an earlier look has shown of the context (its p-value) stays shown."""
    units, metric, alpha = arrived.units, known.metrics[0], known.design.alpha
    weights = [epoch["weights"] for epoch in known.epochs]
    scored = score_units(units, policies, weights) if len(units.value) > 1 else None
    value = None if scored is None else policy_value(scored, sign_of(metric), alpha)
    if value is not None:
        value = replace(value, context_p_value=min(earlier, value.context_p_value))
    errors = None if scored is None else arm_errors(scored)
    effects = [] if scored is None or errors is None else _effects(scored, known, errors)
    arms = _arms(scored, errors, known, arrived, policies[-1])
    ratio = _sample_ratio(scored, known)
    leader = _leader(arms, sign_of(metric))
    status = _status(known, arms, ratio, value, effects, scored)
    good = tuple(effect.variant_id for effect in effects if effect.is_significant and effect.effect > 0)
    p = earlier if value is None else value.context_p_value
    return ExperimentResult(
        experiment_id=experiment["experiment_id"],
        name=experiment["name"],
        workspace_id=experiment["workspace_id"],
        metric_name=experiment["metric_name"],
        metric_kind=metric["kind"],
        direction=metric["direction"],
        status=status,
        is_significant=status in (ExperimentStatus.WINNER, ExperimentStatus.POLICY),
        winner=leader if status == ExperimentStatus.WINNER else None,
        leader=leader,
        confidence=1 - p if status != ExperimentStatus.INVALID else 0.0,
        p_value=p,
        confidence_level=known.design.confidence_level,
        variants=arms,
        effects=effects,
        sample_ratio=ratio,
        guardrails=[],
        segments=[],
        contrasts=[],
        n=len(units.value),
        planned_units_per_arm=None,
        looks=known.looks,
        hypothesis=experiment["hypothesis"],
        method=METHOD,
        next_step=next_step(status, leader, missing_days(known)),
        warnings=[],
        missing_days=missing_days(known),
        better_than_control=good,
        policy=None if value is None else _as_dict(value, known, policies[-1], arms),
    )


def _status(
    known: AnalysisInput,
    arms: Sequence[ArmReport],
    ratio: SampleRatio | None,
    value: PolicyValue | None,
    effects: Sequence[EffectReport],
    scored: Scored | None,
) -> ExperimentStatus:
    if ratio is not None and ratio.is_alarm:
        return ExperimentStatus.INVALID
    if value is None or min(arm.n for arm in arms) < known.design.min_sample_size:
        return ExperimentStatus.INSUFFICIENT_DATA
    if missing_days(known) > 0:
        return ExperimentStatus.RUNNING
    if value.is_proven:
        return ExperimentStatus.POLICY
    smallest = known.design.min_effect_size * abs(next(arm.mean or 0.0 for arm in arms if arm.is_control))
    if value.best_arm.upper >= smallest:
        return ExperimentStatus.RUNNING  # following the context may still be worth having
    if scored is not None and value.best_arm.than is not None and _beats_all(scored, value.best_arm.than, known):
        return ExperimentStatus.WINNER
    small = all(abs(end) < smallest for effect in effects for end in effect.interval)
    return ExperimentStatus.NO_DIFFERENCE if small else ExperimentStatus.RUNNING


def _beats_all(scored: Scored, arm: int, known: AnalysisInput) -> bool:
    """Whether an arm is proven better than every other, whatever the context: each of its bounds is one test."""
    _, effect, error = arm_contrasts(scored, arm, sign_of(known.metrics[0]))
    others = np.arange(len(effect)) != arm
    bound = effect + lower_half_width(error, float(len(scored.score)), known.design.alpha, NARROWEST)
    return bool((bound[others] < 0).all())


def _effects(scored: Scored, known: AnalysisInput, errors: Array) -> list[EffectReport]:
    """Every arm against the control; `errors` of the arms' means (K,)."""
    metric, alpha, arms = known.metrics[0], known.design.alpha, len(known.names)
    mean, effect, error = arm_contrasts(scored, known.control, sign_of(metric))
    n, level = float(len(scored.score)), alpha / max(arms - 1, 1)
    is_defined = bool(is_far_from_zero(mean, errors)[known.control])
    reports = []
    for k, name in enumerate(known.names):
        if k == known.control or not error[k] > 0:
            continue
        width = float(half_width(error[k], n, level, NARROWEST))
        p = min(1.0, (arms - 1) * float(p_value(float(effect[k] / error[k]), n, level, NARROWEST)))
        reports.append(
            EffectReport(
                variant_id=name,
                effect=float(effect[k]),
                interval=(float(effect[k]) - width, float(effect[k]) + width),
                p_value=p,
                relative_lift=float(effect[k] / abs(mean[known.control])) if is_defined else None,
                probability_better=float(ndtr(effect[k] / error[k])),
                is_significant=p <= alpha,
            )
        )
    return reports


def _arms(
    scored: Scored | None, errors: Array | None, known: AnalysisInput, arrived: Arrived, policy: LinearPolicy | None
) -> list[ArmReport]:
    arms, assigned = len(known.names), arrived.assigned.sum(axis=0)
    n = np.bincount(arrived.units.arm, minlength=arms)
    weights = np.array(known.epochs[-1]["weights"]) if known.epochs else np.full(arms, 1 / arms)
    if policy is not None and arrived.recent:
        weights = policy.probabilities(arrived.recent, weights > 0).mean(axis=0)
    mean = None if scored is None else scored.score.mean(axis=0)
    width = None if errors is None else half_width(errors, float(n.sum()), known.design.alpha, NARROWEST)
    return [
        ArmReport(
            variant_id=name,
            is_control=k == known.control,
            assigned=int(assigned[k]),
            n=int(n[k]),
            mean=None if mean is None else float(mean[k]),
            credible_interval=None if mean is None or width is None else _around(float(mean[k]), float(width[k])),
            probability_best=None,
            expected_loss=None,
            weight=float(weights[k]),
            reporting_rate=float(n[k] / assigned[k]) if assigned[k] else None,
        )
        for k, name in enumerate(known.names)
    ]


def _around(center: float, width: float) -> tuple[float, float]:
    return center - width, center + width


def _sample_ratio(scored: Scored | None, known: AnalysisInput) -> SampleRatio | None:
    """Whether the units that reported got their arms with the promised probabilities, context by context."""
    if scored is None:
        return None
    epochs, arms = len(known.epochs), len(known.names)
    counts, shares = np.zeros((epochs, arms)), np.full((epochs, arms), 1 / arms)
    for number in np.unique(scored.units.epoch):
        rows = scored.units.epoch == number
        counts[number] = np.bincount(scored.units.arm[rows], minlength=arms)
        shares[number] = scored.probability[rows].mean(axis=0)
    p = adaptive_p_value(counts, shares)
    expected = scored.probability.sum(axis=0)
    return SampleRatio(
        p_value=p,
        is_alarm=p < ALARM_LEVEL,
        counts={name: int(counts[:, k].sum()) for k, name in enumerate(known.names)},
        expected={name: float(expected[k]) for k, name in enumerate(known.names)},
    )


def _leader(arms: Sequence[ArmReport], sign: float) -> str | None:
    known = [(sign * arm.mean, arm.variant_id) for arm in arms if arm.mean is not None and arm.n]
    return max(known)[1] if known else None


def _as_dict(
    value: PolicyValue, known: AnalysisInput, policy: LinearPolicy | None, arms: Sequence[ArmReport]
) -> dict[str, Any]:
    """What following the context is worth, as people and programs read it."""
    names = known.names
    best = value.best_arm
    row: dict[str, Any] = {
        "is_proven": value.is_proven,
        "does_context_matter": value.does_context_matter,
        "context_p_value": value.context_p_value,
        "value": value.value,
        "interval": list(value.interval),
        "units": value.units,
        "gain_over_served": _gain(value.over_served, names),
        "gain_over_best_arm": _gain(best, names),
        "columns": [] if policy is None else [column.name for column in policy.encoder.columns],
    }
    control = next(arm.mean for arm in arms if arm.is_control)
    return row | {"in_words": in_words(row, control)}


def _gain(gain: Gain, names: Sequence[str]) -> dict[str, Any]:
    than = "what was served" if gain.than is None else names[gain.than]
    return {"than": than, "estimate": gain.estimate, "lower": gain.lower, "upper": gain.upper}
