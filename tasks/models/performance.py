"""Tier 1, with labels: does the model still lose as little as when it was registered?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from tasks.models.estimators import Floats
from tasks.statistics.paired_bound import MIN_PAIRS, paired_lower_bound


@dataclass(frozen=True, slots=True)
class LossChange:
    """The model's loss now against its loss when registered.

    Attributes:
        relative: (now − then) / then.
        relative_lower: one-sided 95 % lower bound of it (Welch).
        p_value: of 'not worse than then'.
        behind_baseline: mean paired difference model − today's trivial baseline; `behind_p_value` of '≤ 0'.
    """

    now: float
    then: float
    relative: float
    relative_lower: float
    p_value: float
    behind_baseline: float
    behind_p_value: float
    n: int


def loss_change(now: Floats, baseline_now: Floats, mean: float, variance: float, n: int) -> LossChange:
    """Compare losses (m,) with the mean and variance of n held-out losses at registration, and with a baseline's (m,).

    Welch's t-test, one-sided: only getting worse is drift.
    """
    current = float(now.mean())
    behind = paired_lower_bound(now - baseline_now)
    lower, p = _welch(now, mean, variance, n)
    scale = max(abs(mean), 1e-12)
    relative = (current - mean) / scale
    return LossChange(current, mean, relative, lower / scale, p, behind.mean, behind.p_value, len(now))


def _welch(now: Floats, mean: float, variance: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """One-sided lower bound of mean(now) − mean, and p-value of 'it is ≤ 0'."""
    if len(now) < MIN_PAIRS or n < MIN_PAIRS:
        return -math.inf, 1.0
    parts = np.array([now.var(ddof=1) / len(now), variance / n])
    error = math.sqrt(float(parts.sum()))
    difference = float(now.mean()) - mean
    if error == 0.0:
        return difference, 0.0 if difference > 0 else 1.0
    freedom = float(parts.sum() ** 2 / (parts**2 / np.array([len(now) - 1, n - 1])).sum())
    return difference - float(stdtrit(freedom, confidence)) * error, float(stdtr(freedom, -difference / error))
