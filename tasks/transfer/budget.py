"""What a release costs each contributor, in zero-concentrated differential privacy.

Bun & Steinke (2016), *Concentrated differential privacy*: Gaussian noise of standard deviation σ on sums of L2
sensitivity Δ is ρ-zCDP with ρ = Δ² / 2σ² (proposition 1.6; discrete noise: Canonne, Kamath & Steinke 2020), which
implies (ρ + 2√(ρ ln 1/δ), δ)-DP (proposition 1.3); ρ adds up over releases.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log, sqrt

from tasks.errors import require_between

PERIOD = timedelta(days=30)
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Budget:
    """What every unit (an organisation, or a workspace without one) spends in one period.

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
