"""Many tests at once when not even one false alarm is wanted, and discoveries under any dependence."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values (K,): family-wise error at most α under any dependence (Holm 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def hochberg_sidak(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values (K,) for independent tests: Hochberg's step-up (1988) with Šidák's product."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    stepped = -np.expm1(np.log1p(-p[order]) * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum.accumulate(stepped[::-1])[::-1]
    return adjusted


def benjamini_yekutieli(p_values: ArrayLike) -> NDArray[np.float64]:
    """q-values (K,): false discovery rate under any dependence (Benjamini & Yekutieli 2001)."""
    p = np.asarray(p_values, dtype=np.float64)
    harmonic = np.sum(1.0 / np.arange(1, len(p) + 1))
    order = np.argsort(p)
    ratios = p[order] * harmonic * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(p)
    q[order] = np.minimum(np.minimum.accumulate(ratios[::-1])[::-1], 1.0)
    return q


def rejection_threshold(p_values: ArrayLike, false_discovery_rate: float) -> float:
    """The p-value at or below which Benjamini–Hochberg calls a discovery; the strictest step where none is."""
    p = np.sort(np.asarray(p_values, dtype=np.float64))
    steps = false_discovery_rate * np.arange(1, len(p) + 1) / len(p)
    passing = np.flatnonzero(p <= steps)
    return float(steps[passing[-1]] if len(passing) else steps[0])
