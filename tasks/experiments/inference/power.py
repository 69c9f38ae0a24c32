"""How many units an experiment needs, what it can detect, and how long it will take.

The size comes from what is known of the metric before the start or, blind to the arms, from its first outcomes.
"""

from __future__ import annotations

from math import ceil, sqrt

from scipy.special import ndtr, ndtri

from tasks.errors import InputError
from tasks.experiments.design import Design
from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.records import MetricKind, Plan
from tasks.statistics import confidence_sequences

SMALLEST_PLAN = 2
TUNED_SHARE = 0.25  # of the planned size: effects above plan are seen much sooner, power at plan stays (simulated)
DEFAULT_PLAN_SAMPLES = 10  # minimum samples per arm that a sequence is tuned to, where no size can be planned
LARGEST_FACTOR = 1e9


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
        power = proportions_power(mean, effect if mean + effect < 1 else -effect, size, alpha)
    else:
        power = z_power(effect / sqrt(variance), size, alpha)
    smallest = detectable_effect(variance, size, alpha, design.power) / abs(mean)
    return Plan(size, smallest, power, expected_days(design, arms, size))


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


def units_for_means(effect: float, variance: float, alpha: float, power: float) -> float:
    """Units per arm to find an absolute difference of means."""
    return 2 * variance * (_quantiles(alpha, power) / effect) ** 2


def units_for_proportions(base: float, effect: float, alpha: float, power: float) -> float:
    """Units per arm to find an absolute difference of proportions, the variance pooled only under the null."""
    other = base + effect
    apart = base * (1 - base) + other * (1 - other)
    middle = (base + other) / 2
    null = 2 * middle * (1 - middle)
    return float(((ndtri(1 - alpha / 2) * sqrt(null) + ndtri(power) * sqrt(apart)) / effect) ** 2)


def proportions_power(base: float, effect: float, n: float, alpha: float) -> float:
    """Power of the two-proportion z-test with n units per arm, pooled only under the null."""
    other = base + effect
    middle = (base + other) / 2
    reach = float(ndtri(1 - alpha / 2)) * sqrt(2 * middle * (1 - middle) / n)
    error = sqrt((base * (1 - base) + other * (1 - other)) / n)
    return float(ndtr((abs(effect) - reach) / error) + ndtr((-abs(effect) - reach) / error))


def z_power(effect: float, n: float, alpha: float) -> float:
    """Power of the two-sided z-test at a standardized effect with n units per arm."""
    shift, reach = effect * sqrt(n / 2), float(ndtri(1 - alpha / 2))
    return float(ndtr(shift - reach) + ndtr(-shift - reach))


def detectable_effect(variance: float, n: float, alpha: float, power: float) -> float:
    """The absolute difference that n units per arm find with the wanted power."""
    return _quantiles(alpha, power) * sqrt(2 * variance / n)


def additional_factor(
    effect: float,
    standard_error: float,
    *,
    alpha: float,
    power: float,
    sequence: tuple[float, float] | None = None,
) -> float:
    """How many times the present sample must still come for the wanted power; 0 when it is there.

    Args:
        effect: the true effect to plan for.
        standard_error: today's.
        sequence: units today and n_star, where the decision is a confidence sequence's.
    """
    arguments = (effect, standard_error, alpha, power, sequence)
    low, high = 0.0, 1.0
    if _power_missing(low, *arguments) <= 0:
        return 0.0
    while _power_missing(high, *arguments) > 0 and high < LARGEST_FACTOR:
        low, high = high, 2 * high
    if _power_missing(high, *arguments) > 0:
        return high
    from scipy.optimize import brentq  # takes .4 s, and assigning and recording never need it

    return float(brentq(_power_missing, low, high, arguments, xtol=1e-13, rtol=1e-14))


def _power_missing(
    factor: float,
    effect: float,
    standard_error: float,
    alpha: float,
    power: float,
    sequence: tuple[float, float] | None,
) -> float:
    """Wanted power less the power after `factor` times the present sample has come on top of it."""
    error = standard_error / sqrt(1 + factor)
    reach = float(ndtri(1 - alpha / 2)) * error
    if sequence:
        units, n_star = sequence
        reach = float(confidence_sequences.half_width(error, units * (1 + factor), alpha, n_star))
    return power - float(ndtr((effect - reach) / error) + ndtr((-effect - reach) / error))


def _quantiles(alpha: float, power: float) -> float:
    return float(ndtri(1 - alpha / 2) + ndtri(power))
