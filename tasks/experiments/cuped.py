"""CUPED: a covariate from before the experiment takes away variance, never bias.

Deng, Xu, Kohavi & Walker (2013), *Improving the sensitivity of online controlled experiments*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.experiments.fixed_tests import Comparison, difference
from tasks.experiments.moments import Moments

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CovariateSums:
    """Sums over the units of arms; y is the metric, x the covariate; arrays (K,)."""

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


def adjusted(sums: CovariateSums) -> Moments:
    """Moments of y − θ(x − mean of x): same expectation as y, less variance."""
    theta = sums.theta()
    var_y, var_x, cov = sums.covariances()
    overall = sums.x.sum() / sums.n.sum()
    mean = sums.y / sums.n - theta * (sums.x / sums.n - overall)
    return Moments(sums.n, mean, np.maximum(var_y + theta**2 * var_x - 2 * theta * cov, 0.0))


def relative_lift(sums: CovariateSums) -> Comparison:
    """Lift of arm 1 over arm 0, adjusted above and unadjusted below the line, by the delta method."""
    theta = sums.theta()
    var_y, var_x, cov = sums.covariances()
    base, other = sums.y / sums.n
    gap = (other - theta * sums.x[1] / sums.n[1]) - (base - theta * sums.x[0] / sums.n[0])
    share = other / base
    of_treatment = (var_y[1] + theta**2 * var_x[1] - 2 * theta * cov[1]) / (sums.n[1] * base**2)
    of_control = (var_y[0] * share**2 - 2 * theta * cov[0] * share + theta**2 * var_x[0]) / (sums.n[0] * base**2)
    both = adjusted(sums)
    freedom = difference(both.at(0), both.at(1)).degrees_of_freedom
    return Comparison(gap / abs(base), np.sqrt(of_treatment + of_control), freedom)
