"""Did a mean rise, against a reference of which only mean, variance and size are known? Welch's one-sided test."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

MIN_ROWS = 10


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
    parts = np.array([values.var(ddof=1) / len(values), variance / n])
    error, rise = math.sqrt(float(parts.sum())), current - mean
    if error == 0.0:
        return MeanChange(current, mean, rise, 0.0 if rise > 0 else 1.0, len(values))
    freedom = float(parts.sum() ** 2 / (parts**2 / np.array([len(values) - 1, n - 1])).sum())
    lower = rise - float(stdtrit(freedom, confidence)) * error
    return MeanChange(current, mean, lower, float(stdtr(freedom, -rise / error)), len(values))
