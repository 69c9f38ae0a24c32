"""What transfer returns and what its parts hand to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]


class Insight(TypedDict):
    """One thing that works for workspaces like the target; the guide's keys."""

    insight_id: str
    insight_type: str
    description: str
    source_workspaces: int
    confidence: float
    effect_size: float
    applicable_scenarios: list[str]
    metadata: dict[str, Any]


class TransferInsights(TypedDict):
    """What `get_transfer_insights` returns: the guide's keys, and where the answer stands.

    `metadata["benefit"]` says what following the insights should add to ranking posts by the target's own data, how far
    to `follow` them beside it (0 to .3), and whether that is `worthwhile`; None where the target has too few posts of
    its own to lose anything by it.

    `status` is `ok`, `insufficient_coverage` (too few workspaces), `insufficient_confidence` or `not_sharing`; `as_of`
    is when the knowledge was gathered (ISO 8601, or None where there is none), `stale` whether its period is over.
    """

    insights: list[Insight]
    similar_workspaces: int
    coverage: str
    metadata: dict[str, Any]
    status: str
    as_of: str | None
    stale: bool


class WorkspaceSimilarity(float):
    """A similarity in [0, 1] that also says what it was computed from.

    Attributes:
        mode: `same_organisation` (both workspaces' own estimates) or `segment_prototypes` (across organizations: only
            public metadata and the private release; nothing of either workspace), or `not_sharing`: at least one of
            them does not share its insights, nothing was compared, and the number is 0.
        as_of: when the release was made; None where none was used.
    """

    mode: str
    as_of: datetime | None

    def __new__(cls, value: float, mode: str, as_of: datetime | None) -> WorkspaceSimilarity:
        """A number with its provenance."""
        similarity = super().__new__(cls, value)
        similarity.mode, similarity.as_of = mode, as_of
        return similarity

    def __repr__(self) -> str:
        return f"{float(self):.3f} ({self.mode.replace('_', ' ')})"

    def __getnewargs__(self) -> tuple[float, str, datetime | None]:  # type: ignore[override]
        return float(self), self.mode, self.as_of


@dataclass(frozen=True, slots=True)
class Pool:
    """What other workspaces know about each of K catalogue patterns, in log-lift.

    Attributes:
        sources: (K,) workspaces behind it; noisy where it crosses organizations.
        mean: (K,) mean effect.
        standard_error: (K,) of the mean, infinite where nothing is known.
        heterogeneity: (K,) variance of the true effect between workspaces.
        interval: (K, 2) 95 % confidence interval of the mean.
        mode: `same_organisation` or `private_release`.
    """

    sources: Floats
    mean: Floats
    standard_error: Floats
    heterogeneity: Floats
    interval: Floats
    mode: str


@dataclass(frozen=True, slots=True)
class LiftPrediction:
    """What to expect for one target, for each of K catalogue patterns, in log-lift.

    Attributes:
        mean: (K,) posterior mean.
        standard_deviation: (K,) posterior standard deviation of the target's own effect in the months to come.
        own_weight: (K,) how much of the answer is the target's own, 0…1.
        contradicted: (K,) own data contradicts the pool.
        expected: (K,) mean before own data was looked at.
        degrees_of_freedom: (K,) of the posterior's t distribution: own data's spread is itself an estimate.
    """

    mean: Floats
    standard_deviation: Floats
    own_weight: Floats
    contradicted: Mask
    expected: Floats
    degrees_of_freedom: Floats

    def confidence(self) -> Floats:
        """Probability (K,) that the target's effect has the predicted sign."""
        distance = np.abs(self.mean) / np.maximum(self.standard_deviation, 1e-12)
        probability: Floats = stdtr(self.degrees_of_freedom, distance)
        return probability

    def reach(self) -> Floats:
        """Half the width (K,) of the 95 % interval of the target's effect."""
        half: Floats = stdtrit(self.degrees_of_freedom, 0.975) * self.standard_deviation
        return half


@dataclass(frozen=True, slots=True)
class Released:
    """A release as anyone may see it: its parameters, nothing exact about who is in it.

    Attributes:
        period: first day of its 30 days.
        status: `published`.
        epsilon: privacy parameter per unit and period, at probability `delta`.
        noise_scale: standard deviation of the noise, in workspaces.
    """

    period: str
    status: str
    epsilon: float
    delta: float
    rho: float
    noise_scale: float
    as_of: datetime

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Released:
        """From a row of the release table."""
        return cls(**{name: row[name] for name in cls.__slots__})
