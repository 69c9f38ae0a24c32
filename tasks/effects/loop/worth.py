"""What an experiment is worth: what its answer is expected to earn, less what looking costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

from tasks.effects.wording import LEAST_EFFECT

HORIZON_WEEKS = 26  # that an answer is taken to hold: effects drift, and calendars change
LEAST_WEEKS = 1  # a test covers whole weeks
LEAST_UNITS = 20
Z_LEVEL = float(ndtri(0.995))  # two-sided 1 %: what a default must pass in a program, not a single test's 5 %
Z_POWER = float(ndtri(0.8))


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a change may do, and to how many.

    Attributes:
        mean: expected log ratio of making the change, on the calibrated distribution.
        error: its standard deviation, above 0.
        units_a_week: that the change would reach: impressions, or posts where outcomes are counted a post.
        rate: outcomes of a unit as it is now.
        unit_variance: variance of a unit's outcome over its squared mean, above 0.
    """

    mean: float
    error: float
    units_a_week: float
    rate: float
    unit_variance: float


@dataclass(frozen=True, slots=True)
class Worth:
    """An experiment's size, and what it is expected to bring, in outcomes (engagements, clicks) over half a year.

    Attributes:
        effect: log ratio that it is sized for: what is expected of the change if it is good.
        units_per_arm: for a power of .8 at a two-sided level of 1 % where that is the effect.
        weeks: that two such arms take, whole ones.
        gain: expected outcomes more, from its end to the horizon.
        cost: expected outcomes less, while it looks.
    """

    effect: float
    units_per_arm: int
    weeks: int
    gain: float
    cost: float

    @property
    def net(self) -> float:
        """Outcomes more that are expected of running it."""
        return self.gain - self.cost

    @property
    def per_10_000(self) -> float:
        """The same for each 10,000 units that take part: what an order is made by where units are what is scarce."""
        return 10_000.0 * self.net / (2.0 * self.units_per_arm)

    @property
    def is_feasible(self) -> bool:
        """Whether it ends while its answer still counts."""
        return self.weeks < HORIZON_WEEKS


def in_two_digits(value: float, sign: str = "") -> str:
    """An expectation, as exactly as it is known; `sign` as in a format."""
    return f"{float(f'{value:.2g}'):{sign},.15g}"


def expected_gain(mean: float, error: float) -> float:
    """E[max(0, θ)] of θ ~ N(mean, error²)."""
    height = mean / error
    return float(mean * ndtr(height) + error * _density(height))


def gain_of_answer(mean: float, error: float, noise: float) -> float:
    """E[θ; y > z·noise] where y ~ N(θ, noise²): what is earned when only proven changes are kept.

    The expected value of sample information for a rule that leaves things as they are unless the contrary is shown; it
    tends to E[max(0, θ)] as the noise falls.
    """
    spread = math.hypot(error, noise)
    height = (mean - Z_LEVEL * noise) / spread
    return float(mean * ndtr(height) + error**2 / spread * _density(height))


def worth_of(prospect: Prospect) -> Worth:
    """The size of the experiment that would tell, and what that is worth."""
    mean, error = prospect.mean, prospect.error
    better, worse = expected_gain(mean, error), expected_gain(-mean, error)
    size = max(better / max(float(ndtr(mean / error)), 1e-12), LEAST_EFFECT)
    units = max(math.ceil(2.0 * prospect.unit_variance * ((Z_LEVEL + Z_POWER) / size) ** 2), LEAST_UNITS)
    weeks = HORIZON_WEEKS
    if prospect.units_a_week > 0.0:
        weeks = min(max(math.ceil(2.0 * units / prospect.units_a_week), LEAST_WEEKS), 10**6)
    noise = math.sqrt(2.0 * prospect.unit_variance / units)
    reached = prospect.units_a_week * max(HORIZON_WEEKS - weeks, 0)
    return Worth(
        effect=size,
        units_per_arm=units,
        weeks=weeks,
        gain=prospect.rate * reached * gain_of_answer(mean, error, noise),
        cost=prospect.rate * units * (better + worse),
    )


def _density(height: float) -> float:
    return math.exp(-(height**2) / 2.0) / math.sqrt(2.0 * math.pi)
