"""How far a pattern's raw lift survives adjustment, and which confounder moved it.

The difference between raw and adjusted is shared out between channel and season by averaging over the order in which
they are taken out (Shapley), the rest being what other features (hours and weekend, or content) account for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.patterns.adjustment import rules_on
from tasks.patterns.discovery import CHANNEL
from tasks.patterns.preparation import Posts
from tasks.patterns.search import Candidate
from tasks.patterns.selectors import SelectorTable
from tasks.statistics.contrast import stratified_design
from tasks.statistics.outcome import robust, strata, within_strata

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

NOTABLE = 0.05  # log units: less than 5 % of lift is no confounding worth a word


@dataclass(frozen=True, slots=True)
class Adjustment:
    """From raw to adjusted log lift; raw + channel + season + other_features = adjusted."""

    raw: float
    channel: float
    season: float
    other_features: float
    adjusted: float

    @property
    def moved_by(self) -> str:
        """The confounder that moved the lift most; `nothing` if none moved it by 5 %."""
        parts = {"channel": self.channel, "season": self.season, "other_features": self.other_features}
        name = max(parts, key=lambda part: abs(parts[part]))
        return name if abs(parts[name]) >= NOTABLE else "nothing"

    def to_dict(self) -> dict[str, Any]:
        """Lifts in per cent, contributions in log units."""
        return {
            "raw_lift_pct": per_cent(self.raw),
            "adjusted_lift_pct": per_cent(self.adjusted),
            "log_contributions": {
                "channel": self.channel,
                "season": self.season,
                "other_features": self.other_features,
            },
            "moved_by": self.moved_by,
        }


def per_cent(log_lift: float) -> float:
    """100 · (eˣ − 1)."""
    return float(100.0 * np.expm1(log_lift))


def adjustments(posts: Posts, table: SelectorTable, candidates: list[Candidate], adjusted: Floats) -> list[Adjustment]:
    """How each of K candidates went from raw to its adjusted log lift (K,), on the confirmation half."""
    half = posts.confirmation
    matching, known = rules_on(table, candidates, half)
    none, channel, season, both = (
        _lifts(posts, half, matching, known, by_channel=by_channel, by_period=by_period)
        for by_channel, by_period in ((False, False), (True, False), (False, True), (True, True))
    )
    return [
        _shared_out(*(float(part[i]) for part in (none, channel, season, both, adjusted)), across=_is_channel(table, c))
        for i, c in enumerate(candidates)
    ]


def _shared_out(
    none: float, channel: float, season: float, both: float, adjusted: float, *, across: bool
) -> Adjustment:
    if across:  # a channel cannot be freed of itself
        return Adjustment(none, 0.0, season - none, adjusted - season, adjusted)
    by_channel = ((channel - none) + (both - season)) / 2
    by_season = ((season - none) + (both - channel)) / 2
    return Adjustment(none, by_channel, by_season, adjusted - both, adjusted)


def _lifts(
    posts: Posts, half: NDArray[np.int64], matching: Mask, known: Mask | None, *, by_channel: bool, by_period: bool
) -> Floats:
    nothing = np.zeros(len(half), dtype=np.int64)
    stratum = strata(posts.channel[half] if by_channel else nothing, posts.period[half] if by_period else nothing)
    outcome = robust(within_strata(posts.log_rate[half], stratum))
    return stratified_design(matching, stratum, nothing, valid=known).estimate(outcome)


def _is_channel(table: SelectorTable, candidate: Candidate) -> bool:
    return table.roles(candidate.members) == {CHANNEL}
