"""Sufficient statistics of arms: all an analysis needs, whatever the number of outcomes behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Units, mean and variance of a unit's value, for one arm or for arrays of arms of any one shape."""

    n: Array
    mean: Array
    variance: Array

    @classmethod
    def from_sums(cls, n: ArrayLike, total: ArrayLike, squares: ArrayLike) -> Moments:
        """From sums and sums of squares; the variance is the unbiased one, zero where n < 2."""
        n, total, squares = (np.asarray(value, dtype=np.float64) for value in (n, total, squares))
        mean = total / np.maximum(n, 1)
        return cls(n, mean, np.maximum(squares - total * mean, 0.0) / np.maximum(n - 1, 1))

    @classmethod
    def from_counts(cls, n: ArrayLike, successes: ArrayLike) -> Moments:
        """Of a proportion, with variance p(1 − p)."""
        n, successes = np.asarray(n, dtype=np.float64), np.asarray(successes, dtype=np.float64)
        mean = successes / np.maximum(n, 1)
        return cls(n, mean, mean * (1 - mean))

    @classmethod
    def from_smoothed_counts(cls, n: ArrayLike, successes: ArrayLike) -> Moments:
        """Of a proportion looked at from the first unit on: with p(1 − p) at (s + 1)/(n + 2), which is never zero.

        A plug-in variance of zero lets every sequence reject at once when the first outcomes differ.
        """
        n, successes = np.asarray(n, dtype=np.float64), np.asarray(successes, dtype=np.float64)
        smoothed = (successes + 1) / (n + 2)
        return cls(n, successes / np.maximum(n, 1), smoothed * (1 - smoothed))

    @classmethod
    def from_ratio(cls, n: ArrayLike, numerator: ArrayLike, denominator: ArrayLike, cross: Array) -> Moments:
        """Of a ratio of two sums over units, by the delta method.

        Args:
            cross: sums of numerator², numerator × denominator and denominator², in that order along the first axis.
        """
        n, y, d = (np.asarray(value, dtype=np.float64) for value in (n, numerator, denominator))
        ratio = y / np.where(d > 0, d, 1.0)
        squares = cross[0] - 2 * ratio * cross[1] + np.square(ratio) * cross[2]
        per_unit = np.where(d > 0, d, 1.0) / np.maximum(n, 1)
        return cls(n, ratio, np.maximum(squares, 0.0) / np.maximum(n - 1, 1) / np.square(per_unit))

    def at(self, *index: int | slice | Array | None) -> Moments:
        """The arms an index selects."""
        return Moments(self.n[index], self.mean[index], self.variance[index])

    @property
    def standard_error(self) -> Array:
        """Of each mean."""
        return np.asarray(np.sqrt(self.variance / np.maximum(self.n, 1)), dtype=np.float64)
