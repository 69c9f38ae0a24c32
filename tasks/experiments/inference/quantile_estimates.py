"""Quantiles of arms with their standard errors, for metrics whose tail matters, such as a latency's p99.

Woodruff (1952, *Confidence intervals for medians and other position measures*): the order statistics at the ranks
n·q ∓ z·√(n·q·(1 − q)) hold the quantile with the confidence of z, whatever the distribution; their distance over 2·z is
the standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array = NDArray[np.float64]
Z = float(ndtri(0.975))


@dataclass(frozen=True, slots=True)
class QuantileEstimates:
    """Of each arm (K,): units, the quantile, its standard error; zero where too few values lie around it to tell."""

    n: Array
    value: Array
    standard_error: Array

    @classmethod
    def of(cls, arms: Sequence[Array], q: float) -> QuantileEstimates:
        """From the units' values of each arm, in any order."""
        made = np.array([_estimate(np.sort(values), q) for values in arms]).reshape(-1, 3).T
        return cls(*made)

    def differences(self) -> tuple[Array, Array]:
        """Row minus column (K, K) and its standard error; zero where either cannot be told."""
        own = self.standard_error
        error = np.sqrt(np.square(own[:, None]) + np.square(own))
        is_known = (own > 0)[:, None] & (own > 0)
        return self.value[:, None] - self.value, np.where(is_known, error, 0.0)


def _estimate(ordered: Array, q: float) -> tuple[float, float, float]:
    n = len(ordered)
    reach = Z * sqrt(n * q * (1 - q))
    low, high = floor(n * q - reach), ceil(n * q + reach)
    if n == 0 or low < 1 or high > n:
        return float(n), float(ordered[min(ceil(n * q), n) - 1]) if n else 0.0, 0.0
    value, ends = ordered[ceil(n * q) - 1], ordered[high - 1] - ordered[low - 1]
    return float(n), float(value), float(ends / (2 * Z))
