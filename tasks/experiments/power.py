"""How many units an experiment needs, what it can detect, and how long it will take."""

from __future__ import annotations

from math import asin, sqrt
from typing import Literal

from scipy.special import nctdtr, ndtr, ndtri, stdtrit

from tasks.statistics import confidence_sequences

Alternative = Literal["two-sided", "larger"]


def units_for_means(effect: float, variance: float, alpha: float, power: float, ratio: float = 1.0) -> float:
    """Units of the control arm to find an absolute difference of means; the other arm takes `ratio` times as many."""
    return (1 + 1 / ratio) * variance * (_quantiles(alpha, power) / effect) ** 2


def units_for_proportions(base: float, effect: float, alpha: float, power: float, *, pooled_null: bool = True) -> float:
    """Units per arm to find an absolute difference of proportions; null variance pooled or as under the alternative."""
    other = base + effect
    apart = base * (1 - base) + other * (1 - other)
    middle = (base + other) / 2
    null = 2 * middle * (1 - middle) if pooled_null else apart
    return float(((ndtri(1 - alpha / 2) * sqrt(null) + ndtri(power) * sqrt(apart)) / effect) ** 2)


def proportions_power(base: float, effect: float, n: float, alpha: float) -> float:
    """Power of the two-proportion z-test with n units per arm, pooled only under the null."""
    other = base + effect
    middle = (base + other) / 2
    reach = float(ndtri(1 - alpha / 2)) * sqrt(2 * middle * (1 - middle) / n)
    error = sqrt((base * (1 - base) + other * (1 - other)) / n)
    return float(ndtr((abs(effect) - reach) / error) + ndtr((-abs(effect) - reach) / error))


def z_power(effect: float, n: float, alpha: float) -> float:
    """Power of the two-sided z-test at a standardised effect with n units per arm."""
    shift, reach = effect * sqrt(n / 2), float(ndtri(1 - alpha / 2))
    return float(ndtr(shift - reach) + ndtr(-shift - reach))


def t_power(effect: float, n1: float, n2: float, alpha: float, alternative: Alternative = "two-sided") -> float:
    """Power of Student's test at a standardised effect, by the noncentral t distribution."""
    freedom, shift = n1 + n2 - 2, effect * sqrt(n1 * n2 / (n1 + n2))
    if alternative == "larger":
        return float(1 - nctdtr(freedom, shift, stdtrit(freedom, 1 - alpha)))
    reach = stdtrit(freedom, 1 - alpha / 2)
    return float(1 - nctdtr(freedom, shift, reach) + nctdtr(freedom, shift, -reach))


def cohens_h(p1: float, p2: float) -> float:
    """Standardised difference of two proportions."""
    return 2 * asin(sqrt(p1)) - 2 * asin(sqrt(p2))


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
    prior: tuple[float, float] | None = None,
) -> float:
    """How many times the present sample must still come for the wanted power; 0 when it is there.

    Args:
        effect: the true effect to plan for.
        standard_error: today's.
        sequence: units today and n_star, where the decision is a confidence sequence's.
        prior: mean and variance of a normal prior, where the decision is a credible interval's.
    """

    def power_at(factor: float) -> float:
        error = standard_error / sqrt(1 + factor)
        reach, centre, spread = float(ndtri(1 - alpha / 2)) * error, effect, error
        if sequence:
            units, n_star = sequence
            reach = float(confidence_sequences.half_width(error, units * (1 + factor), alpha, n_star))
        if prior:
            variance = 1 / (1 / error**2 + 1 / prior[1])
            centre, spread = (effect / error**2 + prior[0] / prior[1]) * variance, variance / error
            reach = float(ndtri(1 - alpha / 2)) * sqrt(variance)
        return float(ndtr((centre - reach) / spread) + ndtr((-centre - reach) / spread))

    low, high = 0.0, 1.0
    if power_at(low) >= power:
        return 0.0
    while power_at(high) < power and high < 1e9:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if power_at(middle) < power else (low, middle)
    return high


def _quantiles(alpha: float, power: float) -> float:
    return float(ndtri(1 - alpha / 2) + ndtri(power))
