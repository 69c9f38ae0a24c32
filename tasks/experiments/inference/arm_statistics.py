"""Arms as arrays: all an analysis needs to know of them, whatever the number of outcomes behind.

From the warehouse's sums (`ArmSums`) to units, mean and variance (`Moments`), adjusted by a covariate from before the
experiment where there is one (`CovariateSums`): CUPED.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.experiments.inference.adaptive_inference import (
    Scores,
    augmented_ratio_scores,
    augmented_scores,
    pooled_variance,
)
from tasks.experiments.outcomes import SUMS
from tasks.experiments.records import MetricKind
from tasks.experiments.segments import labels_of

Array = NDArray[np.float64]
VARYING = 1e-9  # of the mean square: a spread below is what rounding left


@dataclass(frozen=True, slots=True)
class Moments:
    """Units, mean and variance of a unit's value, for one arm or for arrays of arms of any one shape.

    Attributes:
        kurtosis: the least there is; None where a metric is not known to be heavy-tailed (see `heavy_tails.py`).
        is_coin: of a proportion, whose kurtosis is known.
    """

    n: Array
    mean: Array
    variance: Array
    kurtosis: Array | None = None
    is_coin: bool = False

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
        variance = smoothed * (1 - smoothed)
        return cls(n, successes / np.maximum(n, 1), variance, 1 / variance - 3, is_coin=True)

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
        kurtosis = None if self.kurtosis is None else self.kurtosis[index]
        return Moments(self.n[index], self.mean[index], self.variance[index], kurtosis, self.is_coin)

    def never_negative(self) -> Moments:
        """The same of a metric that is never negative, whose mean and variance tell the least kurtosis it has."""
        square = np.square(self.mean)
        both = square * self.variance
        is_known = both > 0
        is_uneven = is_known & (square < self.variance)  # p below one half; above it, few units say nothing of the rest
        kurtosis = np.where(is_uneven, np.square(square + self.variance) / np.where(is_known, both, 1.0) - 3, 1.0)
        return replace(self, kurtosis=kurtosis)

    @property
    def standard_error(self) -> Array:
        """Of each mean."""
        return np.asarray(np.sqrt(self.variance / np.maximum(self.n, 1)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class CovariateSums:
    """Sums over units, of y, what is measured, and x, a covariate from before the experiment; arrays of any one shape.

    CUPED: such a covariate takes away variance, never bias (Deng, Xu, Kohavi & Walker 2013, *Improving the sensitivity
    of online controlled experiments*). A unit without one counts as average in x, the same for every arm, and
    whether it has one is a second covariate: those that are new often behave otherwise.

    Attributes:
        h: units that have x; all sums of x are over these.
        hy: sum of y over these.
    """

    n: Array
    y: Array
    x: Array
    xx: Array
    xy: Array
    h: Array
    hy: Array

    @property
    def center(self) -> float:
        """Mean of x over all arms; what a unit without x has."""
        return float(self.x.sum() / self.h.sum()) if self.h.any() else 0.0

    @property
    def share(self) -> float:
        """Share of the units that have x."""
        return float(self.h.sum() / self.n.sum()) if self.n.any() else 0.0

    def slopes(self) -> Array:
        """Of y on x, and on having one, over all arms pooled; zero where these do not vary."""
        n, y, h, hy = (float(part.sum()) for part in (self.n, self.y, self.h, self.hy))
        c = self.center
        around = float(self.xx.sum()) - c * float(self.x.sum())
        products = np.array([float(self.xy.sum()) - c * hy, hy - h * y / max(n, 1.0)])
        # The centered x is not correlated with having one, so that each slope stands by itself.
        squares = np.array([around, h - h * h / max(n, 1.0)])
        is_varying = squares > VARYING * np.array([float(self.xx.sum()), n])
        return np.where(is_varying, products / np.where(is_varying, squares, 1.0), 0.0)

    def explained(self, slopes: Array, z: Array, hz: Array, xz: Array) -> Array:
        """Sum over units of z times what the slopes explain of y, by sums of z: of all, of those with x, times x."""
        return np.asarray(slopes[0] * (xz - self.center * hz) + slopes[1] * (hz - self.share * z), dtype=np.float64)

    def explained_squares(self, slopes: Array) -> Array:
        """Sum over units of the square of what the slopes explain."""
        c, share = self.center, self.share
        shifted = self.x - c * self.h
        having = self.h - 2 * share * self.h + share**2 * self.n
        squares = slopes[0] ** 2 * (self.xx - 2 * c * self.x + c * c * self.h) + slopes[1] ** 2 * having
        return np.asarray(squares + 2 * slopes[0] * slopes[1] * (1 - share) * shifted, dtype=np.float64)


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
            is_wanted = segment is None or segment in labels_of(row["segment"])
            if row["metric_name"] == metric["metric_name"] and is_wanted:
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

    def augmented_scores(self, propensity: Array, *, is_expected: bool = True) -> Scores:
        """Of values as they were handed in, origin included, by the probability (B, K) of each arm in each epoch.

        Args:
            is_expected: whether errors follow from the arms' variances; False: from the scores' own spread, as rule 2
                had it.
        """
        n, y, yy = (self.sums[name] for name in ("n", "y", "yy"))
        if self.kind == MetricKind.RATIO:
            d, dd, yd = (self.sums[name] for name in ("d", "dd", "yd"))
            return augmented_ratio_scores(n, y, yy, d, dd, yd, propensity, is_expected=is_expected)
        values, squares = y + n * self.origin, yy + 2 * self.origin * y + n * self.origin**2
        if not is_expected:
            return augmented_scores(n, values, squares, propensity)
        is_coin = self.kind == MetricKind.BINARY
        variance = self.moments().variance if is_coin else pooled_variance(n, y, yy)
        return augmented_scores(n, values, squares, propensity, variance)

    def moments(self) -> Moments:
        """Of each arm (K,), as its kind wants them."""
        n, y, yy = (self.total(name) for name in ("n", "y", "yy"))
        if self.kind == MetricKind.BINARY:
            return Moments.from_smoothed_counts(n, y)
        shifted = Moments.from_sums(n, y, yy)
        values = replace(shifted, mean=shifted.mean + self.origin)
        if self.is_never_negative:
            values = values.never_negative()
        if self.kind == MetricKind.RATIO:
            cross = np.stack([yy, self.total("yd"), self.total("dd")])
            return replace(Moments.from_ratio(n, y, self.total("d"), cross), kurtosis=values.kurtosis)
        return values

    @property
    def is_never_negative(self) -> bool:
        """Whether no outcome so far was below zero, so that mean and variance tell how few units hold it all."""
        return not self.sums["negative"].any()

    def adjusted(self) -> ArmSums | None:
        """The same sums of values less what a covariate from before explains; None where no unit has one.

        All that compares arms can take these in place of the plain ones, by plain means or by weighted scores, also of
        ratios, where the numerator is adjusted: expected differences between arms stay.
        """
        if not self.total("with_covariate").any() or not self.n.all():
            return None
        n, y, yy, d, yd, x, xx, xy, h = (
            self.sums[name] for name in ("n", "y", "yy", "d", "yd", "x", "xx", "xy", "with_covariate")
        )
        hy, hd, xd = (self.sums[name] for name in ("hy", "hd", "xd"))
        ratio = float(y.sum() / d.sum()) if self.kind == MetricKind.RATIO else 0.0
        residual = CovariateSums(n, y - ratio * d, x, xx, xy - ratio * xd, h, hy - ratio * hd)
        slopes = residual.slopes()
        changed = {
            "y": y - residual.explained(slopes, n, h, x),
            "yy": yy - 2 * residual.explained(slopes, y, hy, xy) + residual.explained_squares(slopes),
            "yd": yd - residual.explained(slopes, d, hd, xd),
        }
        kind = self.kind if self.kind == MetricKind.RATIO else MetricKind.CONTINUOUS
        return replace(self, sums=self.sums | changed, kind=kind) if slopes.any() else None

    @property
    def covariate_share(self) -> float:
        """Share of the units that have a covariate."""
        return float(self.total("with_covariate").sum() / max(self.n.sum(), 1.0))
