"""Which arm suits which context: linear Thompson sampling, whose probabilities are known exactly.

Each arm's outcomes are linear in the context's numbers, with a normal prior; a unit gets an arm with the probability
that the arm is best for it (Agrawal & Goyal 2013), mixed with a uniform floor so that every policy can be evaluated
from the log afterwards. The draw itself is the unit's hash, so that the same unit gets the same arm in any process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tasks.experiments.contextual.context import Context, Encoder

Array = NDArray[np.float64]
FLOOR = 0.05  # of the traffic, divided evenly among the arms whatever is believed
FIRST_OUTCOMES, FLOOR_POWER = 100, 0.75  # it begins at all of the traffic and falls with the outcomes
PRIOR_DEVIATION = 0.3  # of a coefficient, in standard deviations of the outcome; of the constant it is 1
POINTS = np.linspace(-6.0, 6.0, 97)
HEIGHTS = np.exp(-np.square(POINTS) / 2) / np.exp(-np.square(POINTS) / 2).sum()
DIGITS = 8  # that a stored policy keeps of each number
LEAST_DEVIATION = 1e-9


@dataclass(frozen=True, slots=True)
class LinearPolicy:
    """What is believed of the arms after some epochs.

    Attributes:
        mean: of the arms' coefficients (K, d).
        covariance: (K, d, d).
        noise: standard deviation of the outcomes around them.
        sign: -1 where less is better.
        floor: share of the traffic that is divided evenly.
    """

    encoder: Encoder
    mean: Array
    covariance: Array
    noise: float
    sign: float
    floor: float

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        contexts: Sequence[Context],
        arm: NDArray[np.int64],
        value: Array,
        arms: int,
        sign: float = 1.0,
    ) -> LinearPolicy:
        """From units with their contexts, arms (n,) and outcomes (n,)."""
        encoder = Encoder.fit(names, contexts)
        x = encoder.encode(contexts)
        center, noise = float(value.mean()), max(float(value.std()), LEAST_DEVIATION)
        for _ in range(2):  # the outcomes' own deviation first, then what the context leaves of it
            mean, covariance = _posteriors(x, arm, value, arms, center, noise)
            left = value - np.einsum("nd,nd->n", x, mean[arm])
            noise = max(float(left.std()), LEAST_DEVIATION)
        return cls(encoder, _rounded(mean), _rounded(covariance), _digits(noise), sign, floor_after(len(value)))

    def expected(self, contexts: Sequence[Context]) -> Array:
        """Expected outcome of each arm (n, K), in the metric's unit."""
        return np.asarray(self.encoder.encode(contexts) @ self.mean.T, dtype=np.float64)

    def best(self, contexts: Sequence[Context]) -> NDArray[np.int64]:
        """The arm that is expected to do best, (n,)."""
        return np.asarray((self.sign * self.expected(contexts)).argmax(axis=1), dtype=np.int64)

    def probabilities(self, contexts: Sequence[Context], is_on: NDArray[np.bool_] | None = None) -> Array:
        """Probability of each arm (n, K), floor included; none of an arm that is off."""
        x = self.encoder.encode(contexts)
        on = np.ones(len(self.mean), dtype=bool) if is_on is None else is_on
        center = self.sign * x @ self.mean[on].T
        spread = np.sqrt(np.maximum(np.einsum("nd,kde,ne->nk", x, self.covariance[on], x), LEAST_DEVIATION**2))
        shares = np.zeros((len(x), len(on)))
        shares[:, on] = self.floor / on.sum() + (1 - self.floor) * best_of_normals(center, spread)
        return shares

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse; of each covariance its lower triangle."""
        rows, columns = np.tril_indices(self.mean.shape[1])
        return {
            "encoder": self.encoder.as_dict(),
            "mean": self.mean.tolist(),
            "covariance": self.covariance[:, rows, columns].tolist(),
            "noise": self.noise,
            "sign": self.sign,
            "floor": self.floor,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> LinearPolicy:
        """From the warehouse."""
        mean, triangle = np.array(stored["mean"]), np.array(stored["covariance"])
        rows, columns = np.tril_indices(mean.shape[1])
        covariance = np.zeros((*mean.shape, mean.shape[1]))
        covariance[:, rows, columns] = triangle
        covariance[:, columns, rows] = triangle
        return cls(
            Encoder.from_dict(stored["encoder"]), mean, covariance, stored["noise"], stored["sign"], stored["floor"]
        )


def floor_after(outcomes: int) -> float:
    """Share of the traffic that is divided evenly after so many outcomes.

    What an arm is worth where it looks bad is learned from these units alone.
    """
    return _digits(max(FLOOR, max(outcomes / FIRST_OUTCOMES, 1.0) ** -FLOOR_POWER))


def best_of_normals(mean: Array, deviation: Array) -> Array:
    """P(each is largest) of independent normal quantities (n, K), by a fixed grid; each row sums to 1."""
    points = mean[:, :, None] + deviation[:, :, None] * POINTS
    best = np.empty_like(mean)
    for k in range(mean.shape[1]):
        others = [j for j in range(mean.shape[1]) if j != k]
        below = ndtr((points[:, k, None, :] - mean[:, others, None]) / deviation[:, others, None])
        best[:, k] = below.prod(axis=1) @ HEIGHTS
    return np.asarray(best / best.sum(axis=1, keepdims=True), dtype=np.float64)


def _posteriors(
    x: Array, arm: NDArray[np.int64], value: Array, arms: int, center: float, noise: float
) -> tuple[Array, Array]:
    """Means (K, d) and covariances (K, d, d) of the arms' coefficients, around the mean of all outcomes.

    The prior is what all arms together say: an arm with few units is believed to be like the others.
    """
    d = x.shape[1]
    scale = np.full(d, PRIOR_DEVIATION)
    scale[0] = 1.0
    precision = np.diag(1 / np.square(scale * noise))
    start = np.zeros(d)
    start[0] = center
    mean, covariance = np.empty((arms, d)), np.empty((arms, d, d))
    for k in range(arms):
        own, y = x[arm == k], value[arm == k]
        covariance[k] = np.linalg.inv(precision + own.T @ own / noise**2)
        mean[k] = covariance[k] @ (precision @ start + own.T @ y / noise**2)
    return mean, covariance


def _rounded(values: Array) -> Array:
    """To the digits that are stored, so that a policy is the same before and after."""
    return np.array([_digits(value) for value in values.ravel()]).reshape(values.shape)


def _digits(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
