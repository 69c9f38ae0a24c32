"""One look at one experiment: from sums to what is known. Pure; the same sums and history give the same analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.experiments import planning
from tasks.experiments.arm_sums import ArmSums
from tasks.experiments.comparisons import Compared, compare, from_estimates
from tasks.experiments.cuped import adjusted
from tasks.experiments.design import Design
from tasks.experiments.evidence import Evidence, look
from tasks.experiments.moments import Moments
from tasks.experiments.records import ExperimentType
from tasks.experiments.rule import Rule

Array = NDArray[np.float64]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Material:
    """What is known of an experiment before it is analysed: rows of the warehouse.

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
    evidence: Evidence | None

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
        return ArmSums.from_rows(
            self.statistics, self.names, len(self.epochs), metric, lambda row: segment in (None, row["segment"])
        )

    def weights(self) -> Array:
        """Propensities (B, K) of each epoch's arms."""
        return np.array([epoch["weights"] for epoch in self.epochs] or [[row["weight"] for row in self.variants]])


def sign_of(metric: Row) -> float:
    """What makes a difference of this metric positive where it is for the better."""
    return -1.0 if metric["direction"] == "decrease" else 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found.

    Attributes:
        means: of each arm (K,), as they are compared: adjusted by covariate or weighted by propensity where it applies.
        found: every arm (row) minus every other (column), positive is better.
        evidence: what is proven by now.
    """

    sums: ArmSums
    moments: Moments
    means: Array
    found: Compared
    evidence: Evidence
    rule: Rule
    planned: int | None
    n_star: float
    is_weighted: bool
    is_adjusted: bool


def take_look(material: Material) -> Look:
    """Compare all arms and add the result to what earlier looks proved, once every arm has the minimum sample."""
    primary, design = material.metrics[0], material.design
    sums = material.sums(primary)
    moments, covariates = sums.moments(), sums.covariate_sums()
    is_weighted = design.is_adaptive and len(material.epochs) > 1
    if covariates is not None and not is_weighted:
        moments = replace_moments(moments, adjusted(covariates), sums.origin)
    planned = material.planned
    if planned is None and (material.evidence is None or not material.evidence.n):
        # Only before the first look: a plan made later would spend the error a second time.
        planned = planning.from_first_outcomes(design, moments, sums.kind)
    rule = rule_of(material, planned)
    n_star = planning.tuned_to(design, len(material.names), planned)
    means, found = compare_all(moments, sums, material, rule, n_star, is_weighted=is_weighted)
    found = replace(found, estimate=sign_of(primary) * found.estimate)
    evidence = material.evidence or Evidence.none(len(material.names))
    if moments.n.min() >= design.min_sample_size:
        information = float(moments.n.min()) / planned if planned else 0.0
        evidence = look(evidence, found, rule, information, float(moments.n.sum()))
    is_adjusted = covariates is not None and not is_weighted
    return Look(sums, moments, means, found, evidence, rule, planned, n_star, is_weighted, is_adjusted)


def replace_moments(plain: Moments, better: Moments, origin: float) -> Moments:
    """Adjusted moments where they have less variance to work with."""
    return Moments(plain.n, better.mean + origin, better.variance)


def rule_of(material: Material, planned: int | None) -> Rule:
    """How this experiment spends its α."""
    design = material.design
    is_fixed = not design.is_adaptive and planned is not None
    is_sequential = design.experiment_type == ExperimentType.SEQUENTIAL
    is_scheduled = is_fixed and is_sequential and design.scheduled_looks is not None
    is_hybrid = is_fixed and not is_sequential
    return Rule(
        design.alpha, len(material.names), is_hybrid, is_scheduled, design.is_adaptive, control=material.control
    )


def compare_all(
    moments: Moments, sums: ArmSums, material: Material, rule: Rule, n_star: float, *, is_weighted: bool
) -> tuple[Array, Compared]:
    """Means, and every arm against every other: plainly, or by weighted scores after adaptive allocation."""
    if is_weighted:
        scores = sums.augmented_scores(material.weights())
        found = from_estimates(
            scores.contrast, scores.contrast_error, float(scores.n), alpha=rule.running_alpha, n_star=n_star
        )
        return scores.mean, found
    rows, columns = moments.at(slice(None), None), moments.at(None, slice(None))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = compare(columns, rows, alpha=rule.running_alpha, n_star=n_star)
    return moments.mean, found
