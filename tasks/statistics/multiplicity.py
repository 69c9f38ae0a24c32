"""Many tests at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """q-values (K,): the smallest false discovery rate at which each of K tests would be called a discovery.

    Benjamini & Hochberg (1995), valid for independent and for positively dependent tests.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    ratios = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(p)
    q[order] = np.minimum(np.minimum.accumulate(ratios[::-1])[::-1], 1.0)
    return q
