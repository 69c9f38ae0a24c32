"""The warehouse's sums as arrays: epochs by arms, ready for moments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.experiments.adaptive_inference import Scores, augmented_ratio_scores, augmented_scores
from tasks.experiments.contributions import SUMS
from tasks.experiments.cuped import CovariateSums
from tasks.experiments.metric_kinds import MetricKind
from tasks.experiments.moments import Moments

Array = NDArray[np.float64]


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
        keep: Callable[[Mapping[str, Any]], bool] = lambda _row: True,
    ) -> ArmSums:
        """From rows of `experiment_statistic` of any metrics, of which one is kept."""
        place = {variant: k for k, variant in enumerate(variants)}
        sums = {name: np.zeros((max(epochs, 1), len(variants))) for name in SUMS}
        for row in rows:
            if row["metric_name"] == metric["metric_name"] and keep(row):
                for name in SUMS:
                    sums[name][row["epoch"], place[row["variant_id"]]] += row[name]
        return cls(sums, metric["origin"] or 0.0, MetricKind(metric["kind"] or MetricKind.CONTINUOUS))

    def total(self, name: str) -> Array:
        """One sum of each arm (K,), over all epochs."""
        return np.asarray(self.sums[name].sum(axis=0), dtype=np.float64)

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
