"""What the data say about each arm in the language of probability. Shown to people; it decides nothing here.

Under daily looks 'probability of being best above 95 %' names a false winner in more than half of all experiments
without a difference (simulated), so decisions come from `decision.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, betaln, gammaln, ndtr, ndtri, stdtr, stdtrit, xlog1py, xlogy

from tasks.experiments.moments import Moments
from tasks.experiments.quadrature import best_and_loss

Array = NDArray[np.float64]
HEAVY_TAIL_REACH = 8.0


@dataclass(frozen=True, slots=True)
class BetaPosterior:
    """Of proportions: Beta(a, b), arrays (E, K)."""

    a: Array
    b: Array

    @classmethod
    def from_counts(cls, n: ArrayLike, successes: ArrayLike, prior: tuple[float, float] = (1.0, 1.0)) -> BetaPosterior:
        """From units and successes; uniform prior unless given."""
        n, s = np.atleast_2d(np.asarray(n, dtype=np.float64)), np.atleast_2d(np.asarray(successes, dtype=np.float64))
        return cls(prior[0] + s, prior[1] + n - s)

    def mirrored(self) -> BetaPosterior:
        """Of 1 − p, for metrics where less is better."""
        return BetaPosterior(self.b, self.a)

    def mean(self) -> Array:
        """Posterior means."""
        return self.a / (self.a + self.b)

    def interval(self, confidence: float) -> tuple[Array, Array]:
        """Central credible interval of each arm."""
        tail = (1 - confidence) / 2
        low, high = betaincinv(self.a, self.b, tail), betaincinv(self.a, self.b, 1 - tail)
        return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)

    def best_and_loss(self) -> tuple[Array, Array]:
        """P(arm is best) and expected loss of choosing it."""
        mean = self.mean()
        deviation = np.sqrt(mean * (1 - mean) / (self.a + self.b + 1))
        a, b = self.a[:, :, None], self.b[:, :, None]
        constant = betaln(a, b)

        def density(p: Array, part: slice) -> Array:
            return np.exp(xlogy(a[part] - 1, p) + xlog1py(b[part] - 1, -p) - constant[part])

        def cumulative(p: Array, part: slice) -> Array:
            return np.asarray(betainc(a[part], b[part], p), dtype=np.float64)

        return best_and_loss(mean, deviation, density, cumulative, (0.0, 1.0))


@dataclass(frozen=True, slots=True)
class StudentPosterior:
    """Of means of any other metric: Student's t under the reference prior, arrays (E, K)."""

    location: Array
    scale: Array
    freedom: Array

    @classmethod
    def from_moments(cls, moments: Moments) -> StudentPosterior:
        """From units, mean and variance; needs two units and some variance in each arm."""
        n, mean, variance = (np.atleast_2d(value) for value in (moments.n, moments.mean, moments.variance))
        return cls(mean, np.sqrt(variance / n), n - 1)

    def mirrored(self) -> StudentPosterior:
        """Of the negative, for metrics where less is better."""
        return StudentPosterior(-self.location, self.scale, self.freedom)

    def mean(self) -> Array:
        """Posterior means."""
        return self.location

    def interval(self, confidence: float) -> tuple[Array, Array]:
        """Central credible interval of each arm."""
        reach = stdtrit(self.freedom, (1 + confidence) / 2) * self.scale
        return self.location - reach, self.location + reach

    def best_and_loss(self) -> tuple[Array, Array]:
        """P(arm is best) and expected loss of choosing it."""
        m, s, v = (value[:, :, None] for value in (self.location, self.scale, self.freedom))
        constant = gammaln((v + 1) / 2) - gammaln(v / 2) - 0.5 * np.log(np.pi * v) - np.log(s)

        def density(x: Array, part: slice) -> Array:
            z = (x - m[part]) / s[part]
            return np.exp(constant[part] - (v[part] + 1) / 2 * np.log1p(np.square(z) / v[part]))

        def cumulative(x: Array, part: slice) -> Array:
            return np.asarray(stdtr(v[part], (x - m[part]) / s[part]), dtype=np.float64)

        reach = HEAVY_TAIL_REACH if float(self.freedom.min(initial=np.inf)) < 100 else 1.0
        return best_and_loss(self.location, self.scale, density, cumulative, reach=reach)


Posterior = BetaPosterior | StudentPosterior


@dataclass(frozen=True, slots=True)
class EffectPosterior:
    """Of one effect, normal."""

    mean: float
    deviation: float

    @classmethod
    def from_estimate(cls, estimate: float, error: float, prior: tuple[float, float] | None = None) -> EffectPosterior:
        """From an estimate and its standard error; flat prior, or a normal one given as mean and variance."""
        if prior is None:
            return cls(estimate, error)
        precision = 1 / error**2 + 1 / prior[1]
        return cls((estimate / error**2 + prior[0] / prior[1]) / precision, 1 / sqrt(precision))

    def chance_to_win(self) -> float:
        """P(effect > 0)."""
        return float(ndtr(self.mean / self.deviation))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Central credible interval."""
        reach = float(ndtri((1 + confidence) / 2)) * self.deviation
        return self.mean - reach, self.mean + reach

    def risks(self) -> tuple[float, float]:
        """Expected loss of keeping the control and of shipping the treatment."""
        z = self.mean / self.deviation
        bump = self.deviation * float(np.exp(-0.5 * z * z)) / sqrt(2 * np.pi)
        return self.mean * float(ndtr(z)) + bump, max(bump - self.mean * float(ndtr(-z)), 0.0)


def quantile_variance(lower: float, upper: float, n: float) -> float:
    """Variance of a quantile's sample value per unit, from its distribution-free 95 % interval of n units."""
    return ((upper - lower) / (2 * float(ndtri(0.975)))) ** 2 * (n - 1)
