"""Units per arm, from what is known of the metric before the start or, blind to the arms, from its first outcomes."""

from __future__ import annotations

from math import ceil, sqrt

from tasks.errors import InputError
from tasks.experiments.design import Design
from tasks.experiments.metric_kinds import MetricKind
from tasks.experiments.moments import Moments
from tasks.experiments.power import (
    detectable_effect,
    proportions_power,
    units_for_means,
    units_for_proportions,
    z_power,
)
from tasks.experiments.records import Plan

SMALLEST_PLAN = 2
TUNED_SHARE = 0.25  # of the planned size: effects above plan are seen much sooner, power at plan stays (simulated)
DEFAULT_PLAN_SAMPLES = 10  # minimum samples per arm that a sequence is tuned to, where no size can be planned


def units_per_arm(design: Design, arms: int, mean: float, variance: float, kind: MetricKind | None) -> int | None:
    """Planned units of each arm, every comparison at α/(arms − 1); None where a relative effect means nothing."""
    if design.planned_units_per_arm is not None:
        return design.planned_units_per_arm
    effect, alpha = design.min_effect_size * abs(mean), design.alpha / (arms - 1)
    if effect == 0 or variance <= 0:
        return None
    if kind == MetricKind.BINARY:
        effect = effect if mean + effect < 1 else -effect
        return max(ceil(units_for_proportions(mean, effect, alpha, design.power)), SMALLEST_PLAN)
    return max(ceil(units_for_means(effect, variance, alpha, design.power)), SMALLEST_PLAN)


def make_plan(
    design: Design, arms: int, mean: float, variance: float, kind: MetricKind | None, units: int | None = None
) -> Plan:
    """What a size can do: the size for the wanted power unless one is given.

    Raises:
        InputError: if the mean is zero or nothing varies, so that a relative effect means nothing.
    """
    needed = units_per_arm(design, arms, mean, variance, kind)
    if needed is None:
        raise InputError(f"a relative effect needs a mean and a spread that are not zero, not {mean} and {variance}")
    size, alpha = units or needed, design.alpha / (arms - 1)
    effect = design.min_effect_size * abs(mean)
    if kind == MetricKind.BINARY:
        found = proportions_power(mean, effect if mean + effect < 1 else -effect, size, alpha)
    else:
        found = z_power(effect / sqrt(variance), size, alpha)
    smallest = detectable_effect(variance, size, alpha, design.power) / abs(mean)
    return Plan(size, smallest, found, expected_days(design, arms, size))


def from_first_outcomes(design: Design, moments: Moments, kind: MetricKind) -> int | None:
    """The same from the arms (K,) taken together, so that the plan knows nothing of their differences.

    None while an arm is below the minimum sample, or where the mean is within 3 standard errors of zero.
    """
    n = float(moments.n.sum())
    if moments.n.min() < design.min_sample_size:
        return None
    mean = float(moments.n @ moments.mean) / n
    variance = float(moments.n @ moments.variance) / n
    if abs(mean) <= 3 * sqrt(variance / n):
        return None
    return units_per_arm(design, len(moments.n), mean, variance, kind)


def tuned_to(design: Design, arms: int, planned: int | None) -> float:
    """Units where a comparison's interval is narrowest: of its two arms, or of all under adaptive allocation."""
    per_arm = float(planned or DEFAULT_PLAN_SAMPLES * design.min_sample_size)
    return (arms if design.is_adaptive else 2) * TUNED_SHARE * per_arm


def expected_days(design: Design, arms: int, planned: int | None) -> int | None:
    """Days until every arm has its planned units; None without a plan or daily traffic."""
    if planned is None or design.daily_units is None or design.traffic_share <= 0:
        return None
    reached = design.daily_units * design.traffic_share * (1 - design.holdout_share)
    return max(ceil(planned * arms / reached), 1) if reached > 0 else None
