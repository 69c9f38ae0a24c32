"""Is an effect the newness of a thing? What is left of it in the long run, by its effects on days so far.

What is new is clicked for being new. Such an effect is a level that stays and a part that dies away, a + b·e^(−t/τ)
with b ≥ 0, fitted for each of several τ by least squares (where b would be negative, the mean of all days is the
level). A mean over all days calls the dying part a win; the level, the worst of all τ, does not. Where the effect is
the same every day, b is negative half of the time and small else, so that the level costs a winner little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Days in which a novelty falls to 37 %; a slower one is hardly told from a level in two weeks.
LASTING = (1.0, 2.0, 4.0)
LEAST_DAYS = 4


def long_run_z(day: Array, effect: Array, error: Array) -> float | None:
    """The level over its standard error, the worst of all lastings; None where days are too few to tell.

    Args:
        day: number of each day (D,), from the first one on.
        effect: of each day, independent of each other, with its standard `error`.
    """
    if len(day) < LEAST_DAYS:
        return None
    weight = 1 / np.square(error)
    whole = weight.sum()
    mean = float(weight @ effect / whole)
    worst = np.inf
    for lasting in LASTING:
        shape = np.exp(-day / lasting)
        middle = float(weight @ shape / whole)
        spread = float(weight @ np.square(shape - middle))
        fading = max(float(weight @ (effect * (shape - middle))) / spread, 0.0)
        variance = 1 / whole + (middle**2 / spread if fading > 0 else 0.0)
        worst = min(worst, (mean - fading * middle) / float(np.sqrt(variance)))
    return worst
