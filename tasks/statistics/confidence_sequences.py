"""Asymptotic confidence sequences: intervals that hold at every look, not at one.

Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2021), *Time-uniform central limit theory and asymptotic confidence
sequences*, equations 9 (two-sided) and 134 (one-sided). All arguments broadcast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Real = float | Array


def mixture_precision(alpha: Real, n_star: Real) -> Array:
    """ρ²: makes the interval narrowest at `n_star` units (of the arms compared, together)."""
    log_alpha = np.log(alpha)
    return np.asarray((-2 * log_alpha + np.log1p(-2 * log_alpha)) / n_star, dtype=np.float64)


def half_width(standard_error: Real, n: Real, alpha: Real, n_star: Real) -> Array:
    """Half the width of the two-sided interval at `n` units; covers at all n at once with 1 − α."""
    x = mixture_precision(alpha, n_star) * n
    return np.asarray(standard_error * np.sqrt(2 * (x + 1) / x * np.log(np.sqrt(x + 1) / alpha)), dtype=np.float64)


def p_value(z: Real, n: Real, alpha: Real, n_star: Real) -> Array:
    """Always-valid p-value of one look; the running minimum over looks is one too.

    Args:
        z: estimate over its standard error.
        n: units of the arms compared.
        alpha: the level the sequence is tuned to; p ≤ alpha exactly where the interval excludes zero.
        n_star: where it is narrowest.
    """
    x = mixture_precision(alpha, n_star) * n
    return np.asarray(np.minimum(1.0, np.sqrt(x + 1) * np.exp(-x * np.square(z) / (2 * (x + 1)))), dtype=np.float64)


def lower_half_width(standard_error: Real, n: Real, alpha: Real, n_star: Real) -> Array:
    """How far below the estimate the one-sided bound lies."""
    x = mixture_precision(2 * np.asarray(alpha), n_star) * n
    spread = 2 * (x + 1) / x * np.log1p(np.sqrt(x + 1) / (2 * np.asarray(alpha)))
    return np.asarray(standard_error * np.sqrt(spread), dtype=np.float64)
