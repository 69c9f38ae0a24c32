"""One look at one experiment: from sums to what is known. Pure; the same sums and history give the same analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.experiments.design import Design
from tasks.experiments.inference import power
from tasks.experiments.inference.alpha_spending import SpendingRule
from tasks.experiments.inference.arm_statistics import ArmSums, Moments
from tasks.experiments.inference.comparisons import Comparison, compare, from_estimates
from tasks.experiments.inference.power import TrafficSplit
from tasks.experiments.inference.sequential_evidence import SequentialEvidence, look

Array = NDArray[np.float64]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AnalysisInput:
    """What is known of an experiment before it is analyzed: rows of the warehouse.

    Attributes:
        metrics: the primary one first.
        evidence: what earlier looks proved.
    """

    design: Design
    variants: Sequence[Row]
    metrics: Sequence[Row]
    statistics: Sequence[Row]
    arrivals: Sequence[Row]
    epochs: Sequence[Row]
    planned: int | None
    evidence: SequentialEvidence | None

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
    moments, adjusted = sums.moments(), sums.adjusted()
    is_weighted = design.is_adaptive and len(known.epochs) > 1
    if adjusted is not None:
        moments = replace(adjusted.moments(), kurtosis=moments.kurtosis, is_coin=moments.is_coin)
    planned = known.planned
    if planned is None and (known.evidence is None or not known.evidence.n):
        # Only before the first look: a plan made later would spend the error a second time.
        weights = None if design.is_adaptive else known.split.weights
        planned = power.from_first_outcomes(design, moments, sums.kind, weights, known.control)
    rule = rule_of(known, planned)
    n_star = power.tuned_to(design, len(known.names), planned)
    means, comparison = compare_all(moments, adjusted or sums, known, rule, n_star, is_weighted=is_weighted)
    comparison = replace(comparison, estimate=sign_of(primary) * comparison.estimate)
    evidence = known.evidence or SequentialEvidence.none(len(known.names))
    if moments.n.min() >= design.min_sample_size:
        evidence = look(evidence, comparison, rule, information_of(known, moments, planned), float(moments.n.sum()))
    is_adjusted = adjusted is not None
    return InterimResult(sums, moments, means, comparison, evidence, rule, planned, n_star, is_weighted, is_adjusted)


def rule_of(known: AnalysisInput, planned: int | None) -> SpendingRule:
    """How this experiment spends its α."""
    return SpendingRule.of(known.design, len(known.names), known.control, is_planned=planned is not None)


def information_of(known: AnalysisInput, moments: Moments, planned: int | None) -> float | Array:
    """Each pair's share of the planned information; under rule 1 the smallest arm's share of its planned units."""
    if known.design.decision_rule == 1:
        return float(moments.n.min()) / planned if planned else 0.0
    return known.split.information(moments.n, power.nominal_units(known.design, planned))


def compare_all(
    moments: Moments, sums: ArmSums, known: AnalysisInput, rule: SpendingRule, n_star: float, *, is_weighted: bool
) -> tuple[Array, Comparison]:
    """Means, and every arm against every other: plainly, or by weighted scores after adaptive allocation."""
    if is_weighted:
        scores = sums.augmented_scores(known.weights())
        comparison = from_estimates(
            scores.contrast, scores.contrast_error, float(scores.n), alpha=rule.running_alpha, n_star=n_star
        )
        return scores.mean, comparison
    rows, columns = moments.at(slice(None), None), moments.at(None, slice(None))
    with np.errstate(divide="ignore", invalid="ignore"):
        comparison = compare(columns, rows, alpha=rule.running_alpha, n_star=n_star)
    return moments.mean, comparison
