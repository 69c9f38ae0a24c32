"""Did units arrive in the shares they were promised? If not, no comparison of the arms can be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, gammaln

Array = NDArray[np.float64]
ALARM_LEVEL = 0.001


def chi_squared_p_value(counts: ArrayLike, shares: ArrayLike) -> Array:
    """Pearson's test of arrivals (…, K) against shares (K,); zero shares are padding."""
    n, share = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    share = np.broadcast_to(share / share.sum(axis=-1, keepdims=True), n.shape)
    expected = share * n.sum(axis=-1, keepdims=True)
    parts = np.where(expected > 0, np.square(n - expected) / np.where(expected > 0, expected, 1.0), 0.0)
    return np.asarray(chdtrc((share > 0).sum(axis=-1) - 1, parts.sum(axis=-1)), dtype=np.float64)


def log_bayes_factor(counts: ArrayLike, shares: ArrayLike) -> float:
    """Logarithm of the evidence for other shares, under a Dirichlet prior of ones, over the promised ones."""
    n, share = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    return _log_dirichlet_multinomial(n) - _log_multinomial(n, share)


def sequential_p_value(counts: ArrayLike, shares: ArrayLike) -> float:
    """One look's always-valid p-value: alarms below a level happen with at most that chance over all looks together.

    Lindon & Malek (2022), *Anytime-valid inference for multinomial count data*.
    """
    return float(np.exp(min(0.0, -log_bayes_factor(counts, shares))))


def _log_dirichlet_multinomial(n: Array) -> float:
    """Log probability of a sequence with these counts under shares of which any are as likely as others."""
    return float(gammaln(len(n)) - gammaln(len(n) + n.sum()) + np.sum(gammaln(n + 1)))


def _log_multinomial(n: Array, share: Array) -> float:
    """Log probability of a sequence with these counts under fixed shares."""
    return float(np.sum(n * np.log(share / share.sum())))


def adaptive_p_value(counts: ArrayLike, propensities: ArrayLike) -> float:
    """Arrivals per epoch and arm (B, K) against the probabilities they were assigned with (B, K).

    Under adaptive allocation only the logged probabilities say what was promised; equal shares never were.
    """
    n, e = np.asarray(counts, dtype=np.float64), np.asarray(propensities, dtype=np.float64)
    arrived = n.sum(axis=1)
    gap = n.sum(axis=0) - arrived @ e
    covariance = np.diag(arrived @ e) - (e * arrived[:, None]).T @ e
    rank = np.linalg.matrix_rank(covariance)
    return float(chdtrc(rank, gap @ np.linalg.pinv(covariance) @ gap)) if rank else 1.0
