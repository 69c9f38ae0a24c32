"""How new units are divided among arms: Thompson, top-two, KL-UCB, and the floor that keeps inference possible."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

Array = NDArray[np.float64]
NEWTON_STEPS = 30


def with_floor(weights: ArrayLike, floor: float) -> Array:
    """Mix weights (K,) with uniform ones so that none is below the floor; uniform when the floors fill the whole."""
    w = np.asarray(weights, dtype=np.float64)
    f = max(floor, 0.0)
    return np.full_like(w, 1 / len(w)) if len(w) * f >= 1 else f + (1 - len(w) * f) * w


def top_two(best: ArrayLike, leader_share: float = 0.5) -> Array:
    """Top-two Thompson weights from P(best) (K,), without resampling (Russo 2020): finds the winner sooner.

    The challenger is drawn from P(best) given that the leader is not.
    """
    p = np.minimum(np.asarray(best, dtype=np.float64), 1 - 1e-12)
    p = p / p.sum()
    odds = p / np.maximum(1 - p, 1e-12)
    weights = p * (leader_share + (1 - leader_share) * (odds.sum() - odds))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def kl_ucb_index(mean: ArrayLike, n: ArrayLike, total: ArrayLike) -> Array:
    """Largest mean in [0, 1] that the Bernoulli divergence still allows: n·kl(mean, q) ≤ ln(total).

    Garivier & Cappé (2011). Also valid for any outcome in [0, 1].
    """
    p, count = np.asarray(mean, dtype=np.float64), np.asarray(n, dtype=np.float64)
    allowed = np.log(np.maximum(total, 1.0)) / np.maximum(count, 1e-12)
    low, high = p + 0.0, np.minimum(1.0, p + np.sqrt(allowed / 2))
    for _ in range(NEWTON_STEPS):
        middle = (low + high) / 2
        above = rel_entr(p, middle) + rel_entr(1 - p, 1 - middle) > allowed
        high, low = np.where(above, middle, high), np.where(above, low, middle)
    return np.where(count > 0, low, np.inf)


def normal_ucb_index(mean: ArrayLike, deviation: ArrayLike, n: ArrayLike, total: ArrayLike) -> Array:
    """The same for outcomes without bounds, with the normal divergence."""
    count = np.maximum(np.asarray(n, dtype=np.float64), 1e-12)
    index = np.asarray(mean) + np.asarray(deviation) * np.sqrt(2 * np.log(np.maximum(total, 1.0)) / count)
    return np.where(np.asarray(n) > 0, index, np.inf)


def kl_ucb_weights(mean: ArrayLike, n: ArrayLike, batch: int, deviation: ArrayLike | None = None) -> Array:
    """Shares of the next batch: its units go one by one to the highest index, each as if it changed no mean.

    Args:
        mean: of each arm (K,); in [0, 1] unless `deviation` is given.
        n: units of each arm.
        batch: units until the next weights.
        deviation: of each arm's outcomes, for metrics without bounds.
    """
    counts, start = np.array(n, dtype=np.float64), np.asarray(n, dtype=np.float64)
    for _ in range(batch):
        total = counts.sum() + 1
        if deviation is None:
            index = kl_ucb_index(mean, counts, total)
        else:
            index = normal_ucb_index(mean, deviation, counts, total)
        counts[int(np.argmax(index))] += 1
    return np.asarray((counts - start) / batch, dtype=np.float64)
