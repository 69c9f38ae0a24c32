"""What the data say about each arm in the language of probability. Shown to people; it decides nothing here.

Under daily looks 'probability of being best above 95 %' names a false winner in more than half of all experiments
without a difference (simulated), so decisions come from `sequential_evidence.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, betaln, gammaln, ndtr, stdtr, stdtrit, xlog1py, xlogy

from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.inference.quadrature import best_and_loss
from tasks.experiments.records import MetricKind

Array = NDArray[np.float64]
HEAVY_TAIL_REACH = 8.0
LEAST_SCALE = 1e-12


@dataclass(frozen=True, slots=True)
class BetaPosterior:
    """Of proportions: Beta(a, b), arrays (E, K)."""

    a: Array
    b: Array

    @classmethod
    def from_counts(cls, n: ArrayLike, successes: ArrayLike) -> BetaPosterior:
        """From units and successes, under the uniform prior."""
        n, s = np.atleast_2d(np.asarray(n, dtype=np.float64)), np.atleast_2d(np.asarray(successes, dtype=np.float64))
        return cls(1.0 + s, 1.0 + n - s)

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
        """From units, mean and variance; an arm without any spread yet is all but a point."""
        scale, freedom = np.maximum(moments.standard_error, LEAST_SCALE), np.maximum(moments.n - 1, 1)
        return cls(np.atleast_2d(moments.mean), np.atleast_2d(scale), np.atleast_2d(freedom))

    def mirrored(self) -> StudentPosterior:
        """Of the negative, for metrics where less is better."""
        return StudentPosterior(-self.location, self.scale, self.freedom)

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


def posterior_of(kind: MetricKind, moments: Moments, successes: ArrayLike) -> Posterior:
    """Of arms' means, by the metric's kind.

    Args:
        successes: of a binary metric, whose moments are smoothed.
    """
    if kind == MetricKind.BINARY:
        return BetaPosterior.from_counts(moments.n, successes)
    return StudentPosterior.from_moments(moments)


def chance_to_win(effect: float, standard_error: float) -> float:
    """P(effect > 0), flat prior and normal likelihood."""
    return float(ndtr(effect / standard_error))
