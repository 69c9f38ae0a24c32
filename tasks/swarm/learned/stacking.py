"""How much each model counts: a probit of which text did better on what the models said of it while it was held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_ndtr

PRIOR_PRECISION = 10.0  # of a weight on a model's standardized difference, around its prior
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PairsOfTexts:
    """P pairs: what K models say of the better one less the other, in usual differences, and how much a pair counts."""

    differences: Floats
    weight: Floats

    def only(self, chosen: Mask) -> PairsOfTexts:
        """Some of the pairs."""
        return PairsOfTexts(self.differences[chosen], self.weight[chosen])


def stacked(pairs: PairsOfTexts, prior: Floats) -> Floats:
    """Weights (K,), none below 0, by the probit likelihood with a normal prior around `prior`."""

    def loss(weights: Floats) -> tuple[float, Floats]:
        sure = pairs.differences @ weights
        log_right = log_ndtr(sure)
        slope = np.exp(-0.5 * sure**2 - 0.5 * np.log(2.0 * np.pi) - log_right)
        off = weights - prior
        value = -float(pairs.weight @ log_right) + 0.5 * PRIOR_PRECISION * float(off @ off)
        return value, PRIOR_PRECISION * off - pairs.differences.T @ (pairs.weight * slope)

    bounds = [(0.0, None)] * len(prior)
    solution = minimize(loss, np.maximum(prior, 0.0), jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(solution.x)


def losses(sure: Floats) -> Floats:
    """-log P(what did better does) of each pair (P,), from its probit."""
    return np.asarray(-log_ndtr(sure))
