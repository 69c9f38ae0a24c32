"""Is one predictor better than another on the same rows? One-sided bounds on a mean difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
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
    """Student's one-sided bound on the mean of paired differences (n,), for one look at the data.

    Fewer than 10 pairs say nothing: lower is −∞ and p is 1. Equal predictions (all differences 0) are no improvement.
    """
    values = np.asarray(differences, dtype=np.float64)
    n = len(values)
    mean = float(values.mean()) if n else 0.0
    if n < MIN_PAIRS:
        return Bound(mean, -math.inf, 1.0, n)
    error = float(values.std(ddof=1)) / math.sqrt(n)
    if error == 0.0:
        return Bound(mean, mean, 0.0 if mean > 0 else 1.0, n)
    lower = mean - float(stdtrit(n - 1, confidence)) * error
    return Bound(mean, lower, float(stdtr(n - 1, -mean / error)), n)
