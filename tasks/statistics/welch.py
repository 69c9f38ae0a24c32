"""Welch's test: do two means differ, where the variances may differ too? From means, variances and sizes alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, gammaincc, ndtr, ndtri, stdtr, stdtrit

Array = NDArray[np.float64]
Sample = tuple[Array, Array, Array]  # mean, variance, size
MIN_ROWS = 10


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """One mean minus another: estimate, standard error, degrees of freedom; arrays of any one shape."""

    estimate: Array
    standard_error: Array
    degrees_of_freedom: Array

    @property
    def z(self) -> Array:
        """Estimate over standard error; zero where there is no variance to judge by."""
        return z_scores(self.estimate, self.standard_error)

    def two_sided_p_value(self) -> Array:
        """Against 'no difference'."""
        return np.asarray(2 * stdtr(self.degrees_of_freedom, -np.abs(self.z)), dtype=np.float64)

    def greater_p_value(self) -> Array:
        """Against 'not greater'."""
        return np.asarray(stdtr(self.degrees_of_freedom, -self.z), dtype=np.float64)

    def lower_bound(self, confidence: float) -> Array:
        """One-sided lower bound."""
        reach = stdtrit(self.degrees_of_freedom, confidence) * self.standard_error
        return np.asarray(self.estimate - reach, dtype=np.float64)


def mean_difference(one: Sample, other: Sample) -> MeanDifference:
    """One mean minus another, of samples (mean, variance, size) of any one shape (Welch 1947)."""
    (mean, variance, n), (other_mean, other_variance, m) = one, other
    own, others = variance / np.maximum(n, 1), other_variance / np.maximum(m, 1)
    spread = np.square(others) / np.maximum(m - 1, 1) + np.square(own) / np.maximum(n - 1, 1)
    known = spread > 0
    freedom = np.square(others + own) / np.where(known, spread, 1.0)
    freedom = np.where(known, freedom, np.maximum(m + n - 2, 1))
    return MeanDifference(mean - other_mean, np.sqrt(others + own), freedom)


def relative_difference(one: Sample, other: Sample) -> MeanDifference:
    """One mean minus another in units of the other's size, by the delta method; zero error where that mean is zero."""
    (mean, variance, n), (other_mean, other_variance, m) = one, other
    absolute = mean_difference(one, other)
    is_known = other_mean != 0
    base = np.where(is_known, np.abs(other_mean), 1.0)
    square = variance / (np.maximum(n, 1) * base**2) + other_variance * mean**2 / (np.maximum(m, 1) * base**4)
    error = np.where(is_known, np.sqrt(square), 0.0)
    return MeanDifference(absolute.estimate / base, error, absolute.degrees_of_freedom)


def z_scores(estimate: Array, error: Array) -> Array:
    """Estimates over their standard errors; zero where there is no variance to judge by."""
    known = error > 0
    return np.where(known, estimate / np.where(known, error, 1.0), 0.0)


@dataclass(frozen=True, slots=True)
class MeanChange:
    """A mean now against then; `lower` is the one-sided bound of now − then, `p_value` of 'it did not rise'."""

    now: float
    then: float
    lower: float
    p_value: float
    n: int

    @property
    def relative(self) -> float:
        """(now − then) / |then|."""
        return (self.now - self.then) / max(abs(self.then), 1e-12)

    @property
    def relative_lower(self) -> float:
        """The bound in the same unit."""
        return self.lower / max(abs(self.then), 1e-12)


def mean_change(now: ArrayLike, mean: float, variance: float, n: int, confidence: float = 0.95) -> MeanChange:
    """Compare values (m,) with the mean and variance of n earlier ones; fewer than 10 on a side say nothing."""
    values = np.asarray(now, dtype=np.float64)
    current = float(values.mean()) if len(values) else mean
    if len(values) < MIN_ROWS or n < MIN_ROWS:
        return MeanChange(current, mean, -math.inf, 1.0, len(values))
    samples = np.array([[current, values.var(ddof=1), len(values)], [mean, variance, n]])
    rise = mean_difference(tuple(samples[0]), tuple(samples[1]))
    if rise.standard_error == 0.0:
        return MeanChange(current, mean, current - mean, 0.0 if current > mean else 1.0, len(values))
    return MeanChange(current, mean, float(rise.lower_bound(confidence)), float(rise.greater_p_value()), len(values))


def change_from_known(now: ArrayLike, then: ArrayLike, confidence: float = 0.95) -> MeanChange:
    """Compare values now with earlier ones (n,), whose variance and skewness count for both: more power than Welch.

    What raises a mean mostly raises the variance, and then hides itself; a few dozen values have not met the rare ones.
    Sums of skewed values are taken for gamma variables (Pearson's type III).

    Args:
        now: (k, m) of m rows by k models, which are averaged: as far as the models differ, that lowers the variance.
        then: of one model a row.
    """
    tried, earlier = np.atleast_2d(np.asarray(now, dtype=np.float64)), np.asarray(then, dtype=np.float64)
    values, mean = tried.mean(axis=0), float(earlier.mean()) if len(earlier) else 0.0
    m, n = len(values), len(earlier)
    current = float(values.mean()) if m else mean
    if min(m, n) < MIN_ROWS:
        return MeanChange(current, mean, -math.inf, 1.0, m)
    each = float(tried.var(axis=1).mean())
    variance, kept = float(earlier.var(ddof=1)), float(values.var()) / each if each > 0 else 1.0
    error = math.sqrt(variance * (kept / m + 1 / n))
    if error == 0.0:
        return MeanChange(current, mean, current - mean, 0.0 if current > mean else 1.0, m)
    third = float(((earlier - mean) ** 3).mean())
    skewness = third * (kept**1.5 / m**2 - 1 / n**2) / error**3
    reach = float(ndtri(confidence)) * error
    return MeanChange(current, mean, current - mean - reach, _upper_tail((current - mean) / error, skewness), m)


def _upper_tail(z: float, skewness: float) -> float:
    """P(Z > z) of a gamma variable with mean 0, variance 1 and this skewness, turned round where it is negative."""
    if abs(skewness) < 1e-3:
        return float(ndtr(-z))
    shape = 4 / skewness**2
    at = shape + math.copysign(math.sqrt(shape), skewness) * z
    if at <= 0:  # beyond the end of the distribution
        return 1.0 if skewness > 0 else 0.0
    return float(gammaincc(shape, at) if skewness > 0 else gammainc(shape, at))
