"""Many tests at once: how often a discovery is false, or that none is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray


def benjamini_hochberg(p_values: ArrayLike, shares: ArrayLike | None = None) -> NDArray[np.float64]:
    """q-values (K,): the smallest false discovery rate at which each of K tests would be called a discovery.

    Benjamini & Hochberg (1995), valid for independent and for positively dependent tests; with a budget shared out
    beforehand Genovese, Roeder & Wasserman (2006), False discovery control with p-value weighting, Biometrika 93:509.

    Args:
        p_values: (K,)
        shares: (K,) each test's share of the rate; equal shares where none are given. Where they sum to less than 1,
            the rest belongs to tests that are not among the K, because they cannot be discoveries.
    """
    p = np.asarray(p_values, dtype=np.float64)
    share = np.full(len(p), 1.0 / max(len(p), 1)) if shares is None else np.asarray(shares, dtype=np.float64)
    priced = np.divide(p, share, out=np.full_like(p, np.inf), where=share > 0)
    order = np.argsort(priced, kind="stable")
    q = np.empty_like(p)
    q[order] = np.minimum(np.minimum.accumulate((priced[order] / np.arange(1, len(p) + 1))[::-1])[::-1], 1.0)
    return q


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values (K,): family-wise error at most α under any dependence (Holm 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def benjamini_yekutieli(p_values: ArrayLike) -> NDArray[np.float64]:
    """q-values (K,) under any dependence (Benjamini & Yekutieli 2001)."""
    p = np.asarray(p_values, dtype=np.float64)
    price = float((1 / np.arange(1, len(p) + 1)).sum())
    return np.asarray(np.minimum(benjamini_hochberg(p) * price, 1.0), dtype=np.float64)


def hochberg_sidak(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values (K,): family-wise error, for independent tests, step-up with Šidák's 1 − (1 − p)^m."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)[::-1]
    single = 1 - (1 - p[order]) ** np.arange(1, len(p) + 1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum.accumulate(single)
    return adjusted


CORRECTIONS: Final[dict[str, Callable[[ArrayLike], NDArray[np.float64]]]] = {
    "holm": holm,
    "hochberg-sidak": hochberg_sidak,
    "benjamini-hochberg": benjamini_hochberg,
    "benjamini-yekutieli": benjamini_yekutieli,
}
