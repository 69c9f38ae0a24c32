"""Arms as arrays: all an analysis needs to know of them, whatever the number of outcomes behind.

From the warehouse's sums (`ArmSums`) to units, mean and variance (`Moments`), adjusted by a covariate from before the
experiment where there is one (`CovariateSums`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.experiments.inference.adaptive_inference import Scores, augmented_ratio_scores, augmented_scores
from tasks.experiments.outcomes import SUMS
from tasks.experiments.records import MetricKind
from tasks.experiments.segments import labels_of

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


@dataclass(frozen=True, slots=True)
class CovariateSums:
    """Sums over the units of arms; y is the metric, x a covariate from before the experiment; arrays (K,).

    CUPED: such a covariate takes away variance, never bias (Deng, Xu, Kohavi & Walker 2013, *Improving the sensitivity
    of online controlled experiments*).
    """

    n: Array
    y: Array
    yy: Array
    x: Array
    xx: Array
    xy: Array

    def covariances(self) -> tuple[Array, Array, Array]:
        """Variance of y, variance of x and covariance, each arm within itself."""
        less = np.maximum(self.n - 1, 1)
        return tuple(
            (cross - a * b / self.n) / less
            for cross, a, b in ((self.yy, self.y, self.y), (self.xx, self.x, self.x), (self.xy, self.x, self.y))
        )  # type: ignore[return-value]

    def theta(self) -> float:
        """Slope of y on x over all arms pooled; zero where the covariate does not vary."""
        n, y, x = self.n.sum(), self.y.sum(), self.x.sum()
        variance = self.xx.sum() - x * x / n
        return float((self.xy.sum() - x * y / n) / variance) if variance > 0 else 0.0

    def adjusted(self) -> Moments:
        """Moments of y − θ(x − mean of x): same expectation as y, less variance."""
        theta = self.theta()
        var_y, var_x, cov = self.covariances()
        overall = self.x.sum() / self.n.sum()
        mean = self.y / self.n - theta * (self.x / self.n - overall)
        return Moments(self.n, mean, np.maximum(var_y + theta**2 * var_x - 2 * theta * cov, 0.0))


@dataclass(frozen=True, slots=True)
class ArmSums:
    """Sums of one metric, each an array (B, K) of epochs by arms, and the origin taken off every value."""

    sums: dict[str, Array]
    origin: float
    kind: MetricKind

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Mapping[str, Any]],
        variants: Sequence[str],
        epochs: int,
        metric: Mapping[str, Any],
        segment: str | None = None,
    ) -> ArmSums:
        """From rows of `experiment_statistic` of any metrics, of which one is kept, and one segment if given."""
        place = {variant: k for k, variant in enumerate(variants)}
        sums = {name: np.zeros((max(epochs, 1), len(variants))) for name in SUMS}
        for row in rows:
            if row["metric_name"] == metric["metric_name"] and (segment is None or segment in labels_of(row["segment"])):
                for name in SUMS:
                    sums[name][row["epoch"], place[row["variant_id"]]] += row[name]
        return cls(sums, metric["origin"] or 0.0, MetricKind(metric["kind"] or MetricKind.CONTINUOUS))

    def total(self, name: str) -> Array:
        """One sum of each arm (K,), over all epochs."""
        return np.asarray(self.sums[name].sum(axis=0), dtype=np.float64)

    def in_epochs(self, epochs: NDArray[np.bool_]) -> ArmSums:
        """Those of some epochs (B,)."""
        return replace(self, sums={name: part[epochs] for name, part in self.sums.items()})

    def of_arms(self, arms: NDArray[np.bool_]) -> ArmSums:
        """Those of some arms (K,)."""
        return replace(self, sums={name: part[:, arms] for name, part in self.sums.items()})

    @property
    def n(self) -> Array:
        """Units of each arm (K,)."""
        return self.total("n")

    def augmented_scores(self, propensity: Array) -> Scores:
        """Of values as they were handed in, origin included, by the probability (B, K) of each arm in each epoch."""
        n, y, yy = (self.sums[name] for name in ("n", "y", "yy"))
        if self.kind == MetricKind.RATIO:
            d, dd, yd = (self.sums[name] for name in ("d", "dd", "yd"))
            return augmented_ratio_scores(n, y, yy, d, dd, yd, propensity)
        return augmented_scores(n, y + n * self.origin, yy + 2 * self.origin * y + n * self.origin**2, propensity)

    def moments(self) -> Moments:
        """Of each arm (K,), as its kind wants them."""
        n, y, yy = (self.total(name) for name in ("n", "y", "yy"))
        if self.kind == MetricKind.BINARY:
            return Moments.from_smoothed_counts(n, y)
        if self.kind == MetricKind.RATIO:
            return Moments.from_ratio(n, y, self.total("d"), np.stack([yy, self.total("yd"), self.total("dd")]))
        shifted = Moments.from_sums(n, y, yy)
        return Moments(n, shifted.mean + self.origin, shifted.variance)

    def covariate_sums(self) -> CovariateSums | None:
        """For CUPED; None unless every unit has a covariate and the metric is a mean."""
        if (
            self.kind == MetricKind.RATIO
            or not np.array_equal(self.total("with_covariate"), self.n)
            or not self.n.all()
        ):
            return None
        return CovariateSums(*(self.total(name) for name in ("n", "y", "yy", "x", "xx", "xy")))
