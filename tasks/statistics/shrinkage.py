"""Empirical-Bayes shrinkage: what was selected for being large is, on average, not as large as it looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

MIN_PRIOR_VARIANCE = 0.01  # on the scale of standardised effects: an effect of 0.1 is never a surprise


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
