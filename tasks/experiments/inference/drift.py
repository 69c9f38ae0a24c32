"""Did an arm's rewards change while a bandit ran? Then what it learned before is no guide to what is best now.

The generalized likelihood ratio of 'one mean' against 'another one since an epoch', with the threshold of Besson,
Kaufmann, Maillard & Seznec (2022), *Efficient change-point detection for tackling piecewise-stationary bandits*: over
all looks and arms together, rewards that never change raise an alarm with at most the probability allowed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ALARM_LEVEL = 0.01
LEAST_UNITS = 30  # of an arm on either side of a change


def changed_at(n: Array, y: Array, yy: Array) -> int | None:
    """The first epoch of the newest regime, by sums per epoch and arm, each (B, K); None where nothing changed."""
    before_n, before_y = np.cumsum(n, axis=0)[:-1], np.cumsum(y, axis=0)[:-1]
    total_n, total_y = n.sum(axis=0), y.sum(axis=0)
    after_n, after_y = total_n - before_n, total_y - before_y
    is_enough = np.minimum(before_n, after_n) >= LEAST_UNITS
    gap = before_y / np.maximum(before_n, 1) - after_y / np.maximum(after_n, 1)
    shared = np.square(gap) * before_n * after_n / np.maximum(total_n, 1)
    within = yy.sum(axis=0) - np.square(total_y) / np.maximum(total_n, 1) - shared
    variance = np.maximum(within, 0.0) / np.maximum(total_n - 2, 1)
    statistic = np.where(is_enough & (variance > 0), shared / (2 * np.where(variance > 0, variance, 1.0)), 0.0)
    excess = statistic - np.log(3 * np.maximum(total_n, 1.0) ** 1.5 * n.shape[1] / ALARM_LEVEL)
    if not excess.size or excess.max() < 0:
        return None
    return int(np.unravel_index(excess.argmax(), excess.shape)[0]) + 1
