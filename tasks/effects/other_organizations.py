"""What other organizations' experiments say of slope and spread of bias, read from noisy sums over them.

Everything here is learned from numbers that were paid for when they were released. Ratios of noisy sums are taken only
where the weights stand clear of their noise; where the noise exceeds what they tell, nothing is said, and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import ceil, sqrt

import numpy as np

from tasks.effects.shared_experiments import (
    ANY,
    CENTER,
    CLIP_SLOPE,
    CLIP_SPREAD,
    FACTORS,
    KINDS,
    OTHER,
    SLOPE_VARIANCE,
    SPREAD,
    SPREAD_ERROR,
    Three,
    kind_of_outcome,
)

FEWEST = 20.0  # organizations, by weight: of fewer those who collude read off the rest's
CLEAR = 2.0  # standard deviations of noise that weights stand above
Z975 = 1.959964
MOST_ERROR = 0.3  # of the slope: as vague as the public prior itself
KIND_SPREAD = 0.1  # of slopes between kinds of outcome, where no release says how far they differ


# Why nothing is taken from them.
NOT_SHARING_EXPERIMENTS = "nothing: shares_insights is false, so nothing is given and nothing is received"
# One reason for no release and for one that tells nothing, or a night would read otherwise once the first is drawn.
TOO_LITTLE = "nothing: no private release tells more of their experiments yet than its noise hides"


@dataclass(frozen=True, slots=True)
class ReleasedExperiments:
    """Noisy sums of other organizations' experiments, as they are handed to whoever calibrates.

    Attributes:
        sums: by row, in organizations; empty where there are none.
        noise: standard deviation of the noise of a number whose factor is 1.
        why_nothing: the reason where there are none, else empty.
    """

    sums: Mapping[str, Three]
    noise: float
    why_nothing: str

    @classmethod
    def nothing(cls, why: str) -> ReleasedExperiments:
        """None, and why."""
        return cls({}, 1.0, why)

    @property
    def tells(self) -> bool:
        """Whether they say something of any kind of outcome."""
        return any(learned_from_others(self.sums, self.noise, kind) is not None for kind in (*KINDS, OTHER))

    @property
    def state(self) -> str:
        """A hash of the numbers."""
        return sha256(repr((sorted(self.sums.items()), self.noise)).encode()).hexdigest()

    def learned(self, outcome: str) -> tuple[OtherOrganizations | None, str]:
        """What they say for one outcome, and in words what was taken from them."""
        if self.why_nothing:
            return None, self.why_nothing
        others = learned_from_others(self.sums, self.noise, outcome)
        if others is None:
            return None, TOO_LITTLE
        return others, f"experiments of at least {others.at_least} organizations, by a private release"


@dataclass(frozen=True, slots=True)
class OtherOrganizations:
    """What is known from others.

    Attributes:
        slope: their mean slope, for outcomes of the asked kind as far as those can be told apart.
        slope_error: of that mean: noise and sampling.
        between: variance of slopes between organizations; with its error.
        between_error: infinite where it cannot be told.
        spread: variance of bias, τ²; with its error.
        spread_error: infinite where it cannot be told.
        at_least: organizations behind it, with 97.5 % confidence, from noisy weights alone.
    """

    slope: float
    slope_error: float
    between: float
    between_error: float
    spread: float
    spread_error: float
    at_least: int


def learned_from_others(sums: Mapping[str, Three], noise: float, outcome: str) -> OtherOrganizations | None:
    """What noisy sums say for experiments that count one outcome; None where noise exceeds what they tell.

    Args:
        sums: by row, in organizations.
        noise: standard deviation of the noise of a number whose factor is 1, in organizations.
        outcome: the recipient's metric.
    """
    every = _mean(sums, ANY, noise)
    if every is None:
        return None
    weight = sums[ANY][0]
    total = max(sums[ANY][2] / weight - every[0] ** 2, 0.0)
    error = sqrt(every[1] ** 2 + _sampling(total) / weight)
    slope, error = _of_kind((every[0], error), sums, noise, kind_of_outcome(outcome))
    if CLIP_SLOPE * error > MOST_ERROR:
        return None
    at_least = max(ceil(weight - Z975 * noise * FACTORS[ANY][0]), 1)
    between = total - SLOPE_VARIANCE / CLIP_SLOPE**2 * sums[SPREAD][2] / weight
    of_noise = noise * sqrt(FACTORS[ANY][2] ** 2 + (SLOPE_VARIANCE * FACTORS[SPREAD][2]) ** 2) / weight
    between_error = sqrt(of_noise**2 + 2.0 * _sampling(total) ** 2 / weight)
    spread, spread_error = _spread(sums, noise)
    scale = CLIP_SLOPE**2
    return OtherOrganizations(
        CENTER + CLIP_SLOPE * slope, CLIP_SLOPE * error, scale * between, scale * between_error,
        spread, spread_error, at_least,
    )  # fmt: skip


def _sampling(total: float) -> float:
    """Variance of an organization's slope: what is seen, and never less than a usual one's, since noise may hide it."""
    return max(total, 0.1**2)


def _mean(sums: Mapping[str, Three], row: str, noise: float) -> tuple[float, float] | None:
    """Ratio of noisy sums and the noise's share of its error; None unless the weight stands clear of the noise."""
    if row not in sums:
        return None
    weight, total, _ = sums[row]
    of_weight, of_mean = noise * FACTORS[row][0], noise * FACTORS[row][1]
    if weight < max(FEWEST, CLEAR * of_weight):
        return None
    mean = float(np.clip(total / weight, -1.0, 1.0))
    return mean, sqrt(of_mean**2 + (mean * of_weight) ** 2) / weight


def _of_kind(every: tuple[float, float], sums: Mapping[str, Three], noise: float, kind: str) -> tuple[float, float]:
    """The mean slope of one kind of outcome, drawn toward everyone's as far as its own precision leaves it open."""
    row = f"slope:{kind}"
    own = _mean(sums, row, noise)
    mean, variance = every[0], every[1] ** 2
    if own is None:
        return mean, sqrt(variance)
    weight = sums[row][0]
    seen = max(sums[row][2] / weight - own[0] ** 2, 0.0)
    apart = (KIND_SPREAD / CLIP_SLOPE) ** 2
    error = own[1] ** 2 + _sampling(seen) / weight
    share = (variance + apart) / (variance + apart + error)
    return mean + share * (own[0] - mean), sqrt((1.0 - share) * (variance + apart))


def _spread(sums: Mapping[str, Three], noise: float) -> tuple[float, float]:
    known = _mean(sums, SPREAD, noise)
    if known is None:
        return 0.0, float("inf")
    sampling = SPREAD_ERROR / sqrt(sums[SPREAD][0])
    return CLIP_SPREAD * known[0], sqrt((CLIP_SPREAD * known[1]) ** 2 + sampling**2)
