"""One look at one experiment: from sums to what is known. Pure; the same sums and history give the same analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.experiments.design import Design
from tasks.experiments.inference import power
from tasks.experiments.inference.alpha_spending import SpendingRule
from tasks.experiments.inference.arm_statistics import ArmSums, Moments
from tasks.experiments.inference.comparisons import Comparison, compare, from_estimates, tail_factor
from tasks.experiments.inference.power import TrafficSplit
from tasks.experiments.inference.quantile_estimates import QuantileEstimates
from tasks.experiments.inference.sequential_evidence import SequentialEvidence, look

Array = NDArray[np.float64]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AnalysisInput:
    """What is known of an experiment before it is analyzed: rows of the warehouse.

    Attributes:
        metrics: the primary one first, each with the kind that its outcomes have.
        statistics: sums as that kind counts them, and as the design treats units without an outcome.
        evidence: what earlier looks proved.
        reported: by metric, sums of the units that reported, whatever the design makes of the others.
        quantiles: of the arms, by metric, where one is compared by a quantile.
        days: sums by day of outcomes that say when they occurred.
        looks: this look's number.
        elapsed_days: since the start.
    """

    design: Design
    variants: Sequence[Row]
    metrics: Sequence[Row]
    statistics: Sequence[Row]
    arrivals: Sequence[Row]
    epochs: Sequence[Row]
    planned: int | None
    evidence: SequentialEvidence | None
    reported: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    quantiles: Mapping[str, QuantileEstimates] = field(default_factory=dict)
    days: Sequence[Row] = ()
    looks: int = 1
    elapsed_days: float = 0.0

    @property
    def names(self) -> list[str]:
        """Ids of the arms, in order."""
        return [row["variant_id"] for row in self.variants]

    @property
    def control(self) -> int:
        """Index of the control."""
        return next(k for k, row in enumerate(self.variants) if row["is_control"])

    def sums(self, metric: Row, segment: str | None = None) -> ArmSums:
        """Sums of one metric, of one segment or all."""
        return ArmSums.from_rows(self.statistics, self.names, len(self.epochs), metric, segment)

    def weights(self) -> Array:
        """Propensities (B, K) of each epoch's arms."""
        return np.array([epoch["weights"] for epoch in self.epochs] or [self.split.weights])

    @property
    def is_on(self) -> NDArray[np.bool_]:
        """Which arms (K,) are given to units still; the others were switched off."""
        return np.asarray(self.weights()[-1] > 0)

    @property
    def together(self) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Pairs (K, K) of arms, and the epochs (B,) in which both were on, of all pairs once.

        Only then can they be compared: what is different about other times would look like an effect.
        """
        on = self.weights() > 0
        both = on[:, :, None] & on[:, None, :]
        patterns = {both[:, i, j].tobytes(): both[:, i, j] for i in range(on.shape[1]) for j in range(on.shape[1])}
        return [((both == epochs[:, None, None]).all(axis=0), epochs) for epochs in patterns.values()]

    @property
    def common_epochs(self) -> NDArray[np.bool_]:
        """Epochs (B,) in which every arm was on: where all are compared at once."""
        return np.asarray((self.weights() > 0).all(axis=1))

    @property
    def split(self) -> TrafficSplit:
        """The arms' shares as designed."""
        return TrafficSplit(tuple(row["weight"] for row in self.variants), self.control)


def sign_of(metric: Row) -> float:
    """What makes a difference of this metric positive where it is for the better."""
    return -1.0 if metric["direction"] == "decrease" else 1.0


@dataclass(frozen=True, slots=True)
class InterimResult:
    """What one look shows.

    Attributes:
        means: of each arm (K,), as they are compared: adjusted by covariate or weighted by propensity where it applies.
        comparison: every arm (row) minus every other (column), positive is better.
        evidence: what is proven by now.
    """

    sums: ArmSums
    moments: Moments
    means: Array
    comparison: Comparison
    evidence: SequentialEvidence
    rule: SpendingRule
    planned: int | None
    n_star: float
    is_weighted: bool
    is_adjusted: bool


def take_look(known: AnalysisInput) -> InterimResult:
    """Compare all arms and add the result to what earlier looks proved, once every arm has the minimum sample."""
    primary, design = known.metrics[0], known.design
    sums = known.sums(primary)
    is_weighted = design.is_adaptive and len(known.epochs) > 1
    moments, is_adjusted = moments_of(sums)
    planned = known.planned
    if planned is None and (known.evidence is None or not known.evidence.n):
        weights = None if design.is_adaptive else known.split.weights
        planned = power.from_first_outcomes(design, moments, sums.kind, weights, known.control)
    rule = rule_of(known, planned)
    n_star = power.tuned_to(design, len(known.names), planned)
    means, comparison = compare_all(moments, sums.adjusted() or sums, known, rule, n_star, is_weighted=is_weighted)
    comparison = replace(comparison, estimate=sign_of(primary) * comparison.estimate)
    evidence = known.evidence or SequentialEvidence.none(len(known.names))
    is_ready = planned is not None or not is_plan_awaited(known)
    if is_ready and moments.n[known.is_on].min() >= design.min_sample_size:
        evidence = look(evidence, comparison, rule, information_of(known, sums, planned), float(moments.n.sum()))
    return InterimResult(sums, moments, means, comparison, evidence, rule, planned, n_star, is_weighted, is_adjusted)


def is_plan_awaited(known: AnalysisInput) -> bool:
    """Whether a size may still follow from the outcomes to come, so that nothing is judged, and no error spent, before.

    A mean that is not clear of zero yet will be, where nothing is negative. Where something is, and nothing was planned
    at the first look, it is judged without a plan for good: one made later would spend the error a second time.
    """
    if known.evidence is None or not known.evidence.n:
        has_negative = any(row["negative"] for row in known.reported.get(known.metrics[0]["metric_name"], ()))
        return known.planned is None and not (
            has_negative or known.design.is_adaptive or known.design.decision_rule == 1
        )
    return False


def moments_of(sums: ArmSums) -> tuple[Moments, bool]:
    """Of each arm (K,), less what a covariate from before explains where units have one; and whether that is so."""
    plain, adjusted = sums.moments(), sums.adjusted()
    if adjusted is None:
        return plain, False
    return replace(adjusted.moments(), kurtosis=plain.kurtosis, is_coin=plain.is_coin), True


def verdict_evidence(known: AnalysisInput, evidence: SequentialEvidence) -> SequentialEvidence:
    """What is proven among the arms that are on.

    Whoever switches arms off chooses which are left to beat, so that the claims against the control, without which
    nothing wins, count as one of several (`adjusted`).
    """
    on = np.flatnonzero(known.is_on)
    if len(on) == len(known.names):
        return evidence
    against = np.zeros_like(evidence.tested)
    against[known.control], against[:, known.control] = True, True
    better = np.where(against, evidence.adjusted, evidence.better)
    place = np.ix_(on, on)
    return replace(
        evidence,
        better=better[place],
        adjusted=evidence.adjusted[place],
        lower=evidence.lower[place],
        estimate=evidence.estimate[place],
        error=evidence.error[place],
        tested=evidence.tested[place],
    )


def is_contradicted(known: AnalysisInput, seen: InterimResult) -> bool:
    """Whether the effect of an arm that is on has no one value: looks leave none, or the last estimate is outside.

    Intervals of all looks hold together with the experiment's confidence, so that a value which is the same all the
    time lies in each; where none does, or today's estimate lies in none, it has changed.
    """
    place = np.ix_(known.is_on, known.is_on)
    lower = seen.evidence.lower[place]
    is_empty = lower > -lower.T
    if np.all(seen.evidence.is_doubtful):
        return bool(is_empty.any())
    estimate, error = (part[place] for part in (seen.comparison.estimate, seen.comparison.standard_error))
    return bool((is_empty | ((estimate < lower) & (error > 0))).any())


def rule_of(known: AnalysisInput, planned: int | None) -> SpendingRule:
    """How this experiment spends its α."""
    return SpendingRule.of(known.design, len(known.names), known.control, is_planned=planned is not None)


def information_of(known: AnalysisInput, sums: ArmSums, planned: int | None) -> float | Array:
    """Each pair's share of the planned information; under rule 1 the smallest arm's share of its planned units."""
    if known.design.decision_rule == 1:
        return float(sums.n[known.is_on].min()) / planned if planned else 0.0
    n = np.zeros((len(known.names), len(known.names)))
    for pairs, epochs in known.together:
        n += pairs * sums.in_epochs(epochs).n[:, None]
    return known.split.information_of_pairs(n, power.nominal_units(known.design, planned))


def compare_all(
    moments: Moments, sums: ArmSums, known: AnalysisInput, rule: SpendingRule, n_star: float, *, is_weighted: bool
) -> tuple[Array, Comparison]:
    """Means, and every arm against every other: plainly, or by weighted scores after adaptive allocation.

    Each pair by the epochs in which both were on, which are all unless one was switched off.
    """
    parts = known.together
    if is_weighted:
        return _compare_scores(sums, known, rule, n_star)
    if len(parts) == 1:
        rows, columns = moments.at(slice(None), None), moments.at(None, slice(None))
    else:
        rows, columns = _moments_of_pairs(parts, sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        comparison = compare(columns, rows, alpha=rule.running_alpha, n_star=n_star)
    return moments.mean, comparison


def _moments_of_pairs(
    parts: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]], sums: ArmSums
) -> tuple[Moments, Moments]:
    """Of each pair's row and column (K, K), by the epochs of that pair."""
    rows, columns = [], []
    for pairs, epochs in parts:
        part, _ = moments_of(sums.in_epochs(epochs))
        rows.append((pairs, part.at(slice(None), None)))
        columns.append((pairs, part.at(None, slice(None))))
    return _of_each_pair(rows), _of_each_pair(columns)


def _of_each_pair(parts: Sequence[tuple[NDArray[np.bool_], Moments]]) -> Moments:
    """Moments (K, K), each pair's from the part that is its own."""
    shape = parts[0][0].shape
    n, mean, variance, kurtosis = (np.zeros(shape) for _ in range(4))
    for pairs, part in parts:
        least = np.zeros(shape) if part.kurtosis is None else part.kurtosis
        for total, values in ((n, part.n), (mean, part.mean), (variance, part.variance), (kurtosis, least)):
            total[pairs] = np.broadcast_to(values, shape)[pairs]
    is_known = all(part.kurtosis is not None for _, part in parts)
    return Moments(n, mean, variance, kurtosis if is_known else None, parts[0][1].is_coin)


def _tails(moments: Moments, alpha: float) -> Array:
    """Of each pair (K, K): revenue after Thompson is covered in .98 with it, and in .83 without (simulated)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        wider = tail_factor(moments.at(None, slice(None)), moments.at(slice(None), None), alpha)
    return np.where(np.isfinite(wider), wider, 1.0)


def _compare_scores(sums: ArmSums, known: AnalysisInput, rule: SpendingRule, n_star: float) -> tuple[Array, Comparison]:
    arms = len(known.names)
    contrast, error, n, mean = np.zeros((arms, arms)), np.zeros((arms, arms)), np.ones((arms, arms)), np.zeros(arms)
    for pairs, epochs in known.together:
        is_expected, part = known.design.decision_rule > 2, sums.in_epochs(epochs)
        scores = part.augmented_scores(known.weights()[epochs], is_expected=is_expected)
        if is_expected:
            scores = replace(scores, contrast_error=scores.contrast_error * _tails(part.moments(), rule.running_alpha))
        contrast[pairs], error[pairs], n[pairs] = scores.contrast[pairs], scores.contrast_error[pairs], float(scores.n)
        own = np.diag(pairs)
        mean[own] = scores.mean[own]
    return mean, from_estimates(contrast, error, n, alpha=rule.running_alpha, n_star=n_star)
