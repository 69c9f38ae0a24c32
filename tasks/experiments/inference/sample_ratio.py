"""Did units arrive, and report, in the shares they were promised? If not, no comparison of the arms can be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, gammaln, logsumexp

Array = NDArray[np.float64]
ALARM_LEVEL = 0.001
FACTORS = np.geomspace(
    0.002, 12.0, 40
)  # of an arm's odds, in logarithm; a quarter apart, which costs 1.4 % of the evidence
LOG_ODDS_FACTORS = np.concatenate([-FACTORS[::-1], FACTORS])


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
    """Arrivals per epoch and arm (B, K) against the probabilities (B, K) they were assigned with, always valid.

    Under adaptive allocation only the logged probabilities say what was promised; equal shares never were. The evidence
    is a mixture of likelihood ratios, each of one arm's odds changed by one factor in all epochs: a martingale unit by
    unit where the promise is kept, so that over all looks it exceeds 1/p with at most the chance p (Ville).
    """
    evidence = _tilted(counts, propensities)
    return float(np.exp(min(0.0, np.log(evidence.size) - logsumexp(evidence))))


def reporting_p_value(reported: ArrayLike, assigned: ArrayLike, looks: int = 1) -> float:
    """Whether units report as often in one arm as in another, by counts per epoch and arm (B, K); valid at all looks.

    Given how many of the assigned units reported, each arm's share of them is hypergeometric where reporting does not
    depend on the arm. Its tails are bounded exactly for any size (Chernoff and Hoeffding), and the k-th look spends
    6/(πk)² of the level, because reports that come in late make no martingale.
    """
    n, of = np.asarray(reported, dtype=np.float64), np.asarray(assigned, dtype=np.float64)
    whole = of.sum(axis=1, keepdims=True)
    shares = np.where(whole > 0, of / np.where(whole > 0, whole, 1.0), 1 / of.shape[1])
    fewer = n if 2 * n.sum() <= of.sum() else of - n
    tail = 2 * of.shape[1] * np.exp(-float(_tilted(fewer, shares).max()))
    return float(min(1.0, tail * (np.pi * looks) ** 2 / 6))


def _tilted(counts: ArrayLike, shares: ArrayLike) -> Array:
    """Log likelihood ratios (K, tilts) of one arm's odds changed by a factor in all epochs, against shares (B, K)."""
    n, share = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    total = n.sum(axis=1)[:, None, None]
    expected = total * np.log1p(share[:, :, None] * np.expm1(LOG_ODDS_FACTORS))
    return np.asarray(n.sum(axis=0)[:, None] * LOG_ODDS_FACTORS - expected.sum(axis=0), dtype=np.float64)
