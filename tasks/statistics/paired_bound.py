"""Is one predictor better than another on the same rows? One-sided bounds on a mean difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

MIN_PAIRS = 10


@dataclass(frozen=True, slots=True)
class Bound:
    """A mean difference (n pairs) with its one-sided lower confidence bound and p-value of 'mean ≤ 0'."""

    mean: float
    lower: float
    p_value: float
    n: int


def paired_lower_bound(differences: ArrayLike, confidence: float = 0.95) -> Bound:
    """One-sided bound on the mean of paired differences (n,), for one look at the data.

    Student's, or Hall's (1992, JRSS B 54, 221) for skewed samples where that is the wider: a few rare, large losses
    that the sample has hardly seen make Student's promise too much (.07 instead of .05 at n = 200).
    Fewer than 10 pairs say nothing: lower is −∞ and p is 1. Equal predictions (all differences 0) are no improvement.
    """
    values = np.asarray(differences, dtype=np.float64)
    n = len(values)
    mean = float(values.mean()) if n else 0.0
    if n < MIN_PAIRS:
        return Bound(mean, -math.inf, 1.0, n)
    deviation = float(values.std(ddof=1))
    error = deviation / math.sqrt(n)
    if error == 0.0:
        return Bound(mean, mean, 0.0 if mean > 0 else 1.0, n)
    skewness = _skewness(values, mean, deviation)
    student = float(stdtrit(n - 1, confidence))
    reach = max(student, _skewed_quantile(student, skewness, n))
    observed = mean / error
    least = min(observed, _symmetric(observed, skewness, n))
    return Bound(mean, mean - reach * error, float(stdtr(n - 1, -least)), n)


def _skewness(values: NDArray[np.float64], mean: float, deviation: float) -> float:
    return float(((values - mean) ** 3).mean()) / deviation**3


def _symmetric(t: float, skewness: float, n: int) -> float:
    """Hall's increasing transformation of a t statistic of a skewed sample to one that is nearly symmetric."""
    tilt = skewness / math.sqrt(n)
    return t + tilt * (t**2 / 3 + 1 / 6) + tilt**2 * t**3 / 27


def _skewed_quantile(student: float, skewness: float, n: int) -> float:
    """The t statistic that `_symmetric` takes to Student's quantile."""
    tilt = skewness / math.sqrt(n)
    if abs(tilt) < 1e-6:
        return student
    return 3.0 / tilt * (float(np.cbrt(1.0 + tilt * (student - tilt / 6.0))) - 1.0)
