"""How much each model counts: a probit of which text did better on what the models said of it while it was held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

MOST_STEPS, TOLERANCE = 50, 1e-9
LOG_ROOT_TWO_PI = 0.5 * float(np.log(2.0 * np.pi))
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
    """Weights (K,), none below 0, by a probit with a normal prior around `prior`; projected Newton steps."""
    weights = prior.copy()
    for _ in range(MOST_STEPS):
        sure = pairs.differences @ weights
        ratio = np.exp(-0.5 * sure**2 - LOG_ROOT_TWO_PI - log_ndtr(sure))
        slope = PRIOR_PRECISION * (weights - prior) - pairs.differences.T @ (pairs.weight * ratio)
        curved = pairs.differences * (pairs.weight * ratio * (sure + ratio))[:, None]
        curvature = pairs.differences.T @ curved + PRIOR_PRECISION * np.eye(len(weights))
        is_free = (weights > 0.0) | (slope < 0.0)
        step = np.zeros(len(weights))
        step[is_free] = np.linalg.solve(curvature[np.ix_(is_free, is_free)], slope[is_free])
        moved = np.maximum(weights - step, 0.0)
        has_arrived = bool(np.abs(moved - weights).max(initial=0.0) < TOLERANCE)
        weights = moved
        if has_arrived:
            break
    return weights


def losses(sure: Floats) -> Floats:
    """-log P(what did better does) of each pair (P,), from its probit."""
    return np.asarray(-log_ndtr(sure))
