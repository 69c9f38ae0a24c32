"""What a release costs each contributor, and the noise that pays for it, in zero-concentrated differential privacy.

Bun & Steinke (2016), *Concentrated differential privacy*: Gaussian noise of standard deviation σ on sums of L2
sensitivity Δ is ρ-zCDP with ρ = Δ² / 2σ² (proposition 1.6; discrete noise: Canonne, Kamath & Steinke 2020), which
implies (ρ + 2√(ρ ln 1/δ), δ)-DP (proposition 1.3); ρ adds up over releases.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from math import log, sqrt
from typing import Any, Protocol

import numpy as np

from tasks.errors import require_between
from tasks.transfer.records import Integers

PERIOD = timedelta(days=30)
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PrivacyBudget:
    """What every unit (an organization, or a workspace without one) spends in one period.

    Attributes:
        epsilon: bound on the log odds anyone can gain about a unit's presence, except with probability delta.
        delta: that probability.
    """

    epsilon: float = 3.0
    delta: float = 1e-6

    def __post_init__(self) -> None:
        require_between("epsilon", self.epsilon, 0.01, 10.0)
        require_between("delta", self.delta, 1e-12, 1e-3)

    @property
    def rho(self) -> float:
        """The same budget in zCDP."""
        spread = log(1.0 / self.delta)
        return (sqrt(spread + self.epsilon) - sqrt(spread)) ** 2

    def noise_scale(self, sensitivity: float) -> float:
        """σ of the noise for sums of this L2 sensitivity, in their unit."""
        return sensitivity / sqrt(2.0 * self.rho)


def epsilon_after(rho: float, delta: float) -> float:
    """ε at δ of releases whose ρ add up to `rho`."""
    return rho + 2.0 * sqrt(rho * log(1.0 / delta))


def period_of(instant: datetime) -> str:
    """Name of the 30-day period an instant lies in, its first day. Periods do not slide: they never overlap."""
    return (EPOCH + (instant - EPOCH) // PERIOD * PERIOD).date().isoformat()


class Noise(Protocol):
    """Adds independent noise of standard deviation `scale` to each integer."""

    def __call__(self, sums: Integers, scale: float) -> Integers:
        """Noisy sums of the same shape."""
        ...


class DiscreteGaussian:
    """OpenDP's discrete Gaussian: exact sampling from the system's secure source of randomness, no seed."""

    def __call__(self, sums: Integers, scale: float) -> Integers:
        """Noisy sums of the same shape."""
        measurement = gaussian_measurement(scale)
        return np.array(measurement(sums.ravel().tolist()), dtype=np.int64).reshape(sums.shape)


@cache
def gaussian_measurement(scale: float) -> Any:
    """OpenDP's discrete Gaussian on integer vectors, with its own account of what it costs."""
    # Not opendp.prelude: it brings pandas and scikit-learn along, which takes several times as long as a release.
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_gaussian
    from opendp.metrics import l2_distance
    from opendp.mod import enable_features

    enable_features("contrib")
    # Integers, because OpenDP has to charge float sums twice their sensitivity.
    return make_gaussian(vector_domain(atom_domain(T="i64")), l2_distance(T="f64"), scale=scale)
