"""Pooling estimates of the same effect from several sources that may truly differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]

MAX_STEPS = 100
TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class RandomEffects:
    """Pooled effects of K questions; one without an answer has mean 0 and an infinite standard error.

    Attributes:
        sources: (K,) how many estimates were pooled.
        mean: (K,) μ, in the estimates' unit.
        standard_error: (K,) of the mean.
        heterogeneity: (K,) τ², the variance of the true effect between sources.
    """

    sources: NDArray[np.int64]
    mean: Floats
    standard_error: Floats
    heterogeneity: Floats

    def interval(self, level: float = 0.95) -> Floats:
        """Confidence intervals (K, 2) of the means, on sources − 1 degrees of freedom; infinite below two sources."""
        freedom = np.maximum(self.sources - 1, 1)
        reach = stdtrit(freedom, 0.5 + level / 2.0) * np.where(self.sources > 1, self.standard_error, np.inf)
        return np.stack([self.mean - reach, self.mean + reach], axis=1)


def random_effects(estimates: ArrayLike, standard_errors: ArrayLike) -> RandomEffects:
    """Pool k sources (rows) for each of K questions (columns); a missing answer has an infinite standard error.

    τ² after Paule & Mandel (1982): the value at which the weighted squares add up to their expectation k − 1, found by
    Newton's method, which from 0 converges without overshooting. The mean's interval is Hartung & Knapp's, modified so
    as never to be narrower than the weights say (Röver, Knapp & Friede 2015); at Paule & Mandel's τ² their factor
    is 1, so what remains of it is the t distribution.
    """
    y = np.atleast_2d(np.asarray(estimates, dtype=np.float64))
    variance = np.atleast_2d(np.asarray(standard_errors, dtype=np.float64)) ** 2
    known = np.isfinite(variance) & np.isfinite(y) & (variance > 0)
    y, variance = np.where(known, y, 0.0), np.where(known, variance, np.inf)
    sources = known.sum(axis=0)
    tau2 = np.zeros(y.shape[1])
    for _ in range(MAX_STEPS):
        weight = 1.0 / (variance + tau2)
        squares = weight * (y - _mean(weight, y)) ** 2
        step = (squares.sum(axis=0) - (sources - 1)) / np.maximum((weight * squares).sum(axis=0), 1e-300)
        step = np.where(sources > 1, np.maximum(step, -tau2), 0.0)
        tau2 = tau2 + step
        if np.all(np.abs(step) <= TOLERANCE * (1.0 + tau2)):
            break
    weight = 1.0 / (variance + tau2)
    with np.errstate(divide="ignore"):
        standard_error = 1.0 / np.sqrt(weight.sum(axis=0))
    return RandomEffects(sources, _mean(weight, y), standard_error, tau2)


def _mean(weight: Floats, y: Floats) -> Floats:
    total = weight.sum(axis=0)
    mean: Floats = (weight * y).sum(axis=0) / np.where(total > 0, total, 1.0)
    return mean
