"""How many units an experiment needs, what it can detect, and how long it will take.

The size comes from what is known of the metric before the start or, blind to the arms, from its first outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from tasks.errors import InputError
from tasks.experiments.design import Design
from tasks.experiments.inference import right_winner
from tasks.experiments.inference.alpha_spending import SpendingRule
from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.records import MetricKind, Plan
from tasks.statistics import confidence_sequences

Array = NDArray[np.float64]
SMALLEST_PLAN = 2
PLANNED_LOOKS = 20  # evenly spread up to the planned size, where none are scheduled; 96 find .3 % less, and sooner
HIGHEST_POWER = 1 - 1e-15
DAY_TOLERANCE = 1e-9
DEFAULT_PLAN_SAMPLES = 10  # minimum samples per arm that a sequence is tuned to, where no size can be planned
LARGEST_FACTOR = 1e9


def units_per_arm(
    design: Design,
    arms: int,
    mean: float,
    variance: float,
    kind: MetricKind | None,
    weights: Sequence[float] | None = None,
    control: int = 0,
) -> int | None:
    """Planned units of the smallest arm; None where a relative effect means nothing.

    So many that the rule which will be used names the right winner with the wanted power: one arm is better by the
    smallest effect worth finding, all others are as good as the control. Under rule 1, those of a fixed test.
    """
    if design.planned_units_per_arm is not None:
        return design.planned_units_per_arm
    effect, alpha = design.min_effect_size * abs(mean), design.alpha / (arms - 1)
    if effect == 0 or variance <= 0:
        return None
    effect = _possible(effect, mean, kind)
    if kind == MetricKind.BINARY:
        units = units_for_proportions(mean, effect, alpha, design.power)
    else:
        units = units_for_means(effect, variance, alpha, design.power)
    if design.decision_rule > 1:
        split = TrafficSplit.of(weights, arms, control)
        drift = right_winner.needed_drift(_planned_rule(design, split), split.weights, design.power, _looks(design))
        equal = split.units_of_equal_arms(*_variances(mean, effect, kind))
        units *= (drift / _quantiles(alpha, design.power)) ** 2 / equal
    return max(ceil(units), SMALLEST_PLAN)


def make_plan(
    design: Design,
    arms: int,
    mean: float,
    variance: float,
    kind: MetricKind | None,
    units: int | None = None,
    weights: Sequence[float] | None = None,
) -> Plan:
    """What a size can do: the size for the wanted power unless one is given; the first arm is the control.

    Raises:
        InputError: if the mean is zero or nothing varies, so that a relative effect means nothing.
    """
    needed = units_per_arm(design, arms, mean, variance, kind, weights)
    if needed is None:
        raise InputError(f"a relative effect needs a mean and a spread that are not zero, not {mean} and {variance}")
    size, alpha, split = units or needed, design.alpha / (arms - 1), TrafficSplit.of(weights, arms, 0)
    effect = _possible(design.min_effect_size * abs(mean), mean, kind)
    equal = size * split.units_of_equal_arms(*_variances(mean, effect, kind))
    if kind == MetricKind.BINARY:
        fixed = proportions_power(mean, effect, equal, alpha)
    else:
        fixed = z_power(effect / sqrt(variance), equal, alpha)
    rule, looks = _planned_rule(design, split), _looks(design)
    drift = _quantiles(alpha, min(fixed, HIGHEST_POWER))
    power = right_winner.probability(rule, drift, split.weights, looks)
    more = right_winner.needed_drift(rule, split.weights, design.power, looks) / _quantiles(alpha, design.power)
    smallest = detectable_effect(variance, equal, alpha, design.power) * more / abs(mean)
    return Plan(size, smallest, power, expected_days(design, split.weights, size))


@dataclass(frozen=True, slots=True)
class TrafficSplit:
    """How units are divided among arms."""

    weights: tuple[float, ...]
    control: int

    @classmethod
    def of(cls, weights: Sequence[float] | None, arms: int, control: int) -> TrafficSplit:
        """Equal shares where none are given."""
        return cls(tuple(weights or [1 / arms] * arms), control)

    def units_of_equal_arms(self, variance: float, control_variance: float) -> float:
        """Units of each of two equal arms that say as much as the smallest treatment and the control, a unit of the
        smallest arm.
        """
        treatment = min(weight for k, weight in enumerate(self.weights) if k != self.control)
        spread = variance / treatment + control_variance / self.weights[self.control]
        return (variance + control_variance) / spread / min(self.weights)

    def information(self, n: Array, planned: float) -> Array:
        """Each pair's (K, K) share of the information it has when the smallest arm has its planned units."""
        return self.information_of_pairs(np.broadcast_to(n[:, None], (len(n), len(n))), planned)

    def information_of_pairs(self, n: Array, planned: float) -> Array:
        """The same by the units (K, K) of each row's arm that are compared with the column's."""
        weights = np.array(self.weights)
        inverse, wanted = 1 / np.maximum(n, 1e-9), weights.min() / (weights * planned)
        return np.asarray((wanted[:, None] + wanted) / (inverse + inverse.T), dtype=np.float64)


def _planned_rule(design: Design, split: TrafficSplit) -> SpendingRule:
    return SpendingRule.of(design, len(split.weights), split.control, is_planned=True)


def _looks(design: Design) -> int:
    return design.scheduled_looks or PLANNED_LOOKS


def _possible(effect: float, mean: float, kind: MetricKind | None) -> float:
    """The other way round where a proportion would exceed 1."""
    return -effect if kind == MetricKind.BINARY and mean + effect >= 1 else effect


def _variances(mean: float, effect: float, kind: MetricKind | None) -> tuple[float, float]:
    """Of a treatment and of the control, in any unit."""
    if kind != MetricKind.BINARY:
        return 1.0, 1.0
    return (mean + effect) * (1 - mean - effect), mean * (1 - mean)


def from_first_outcomes(
    design: Design, moments: Moments, kind: MetricKind, weights: Sequence[float] | None = None, control: int = 0
) -> int | None:
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
    return units_per_arm(design, len(moments.n), mean, variance, kind, weights, control)


def tuned_to(design: Design, arms: int, planned: int | None) -> float:
    """Units where a comparison's interval is narrowest: of its two arms, or of all under adaptive allocation."""
    is_weighted = design.is_adaptive and planned is not None
    share = right_winner.tuned_share(is_weighted=is_weighted, version=design.decision_rule)
    return (arms if design.is_adaptive else 2) * share * nominal_units(design, planned)


def nominal_units(design: Design, planned: int | None) -> float:
    """Units per arm that a sequence is tuned to: the planned ones, or some where no size can be planned."""
    return float(planned or DEFAULT_PLAN_SAMPLES * design.min_sample_size)


def expected_days(design: Design, weights: Sequence[float], planned: int | None) -> int | None:
    """Days until the smallest arm has its planned units; None without a plan or daily traffic."""
    if planned is None or design.daily_units is None or design.traffic_share <= 0:
        return None
    share = 1 / len(weights) if design.is_adaptive else min(weights)
    reached = design.daily_units * design.traffic_share * (1 - design.holdout_share) * share
    return max(ceil(planned / reached - DAY_TOLERANCE), 1) if reached > 0 else None


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


def units_still_needed(
    design: Design,
    rule: SpendingRule,
    split: TrafficSplit,
    effect: float,
    standard_error: float,
    t: float,
    *,
    goes_on: bool,
) -> float:
    """How many times the present sample must still come until the right winner is named with the wanted power.

    Args:
        effect: the true effect to plan for.
        standard_error: today's, of the widest comparison.
        t: information so far.
        goes_on: whether only a sequence is left, because the test at the planned size was made or none is planned.
    """
    if not goes_on:
        drift = right_winner.needed_drift(rule, split.weights, design.power, _looks(design))
        return max((drift * standard_error / effect) ** 2 - 1, 0.0)
    factor = 0.0
    while factor < LARGEST_FACTOR:
        bound = right_winner.later_bound(rule, t * (1 + factor))
        if effect / standard_error * sqrt(1 + factor) >= bound + float(ndtri(design.power)):
            return factor
        factor = 1.02 * factor + 0.02
    return factor


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
