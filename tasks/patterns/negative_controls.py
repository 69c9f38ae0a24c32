"""Conditions that cannot matter, judged as those that might: how often an effect of nothing would have been claimed.

Half of them are coins tossed for each post (by its id), half for each day (by the date of the day after):
a day's posts share their luck, and errors that forget it claim too much. Tomorrow's weekday itself follows from
today's, which may well matter, so that a claim about it would not be a false one.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import adler32, crc32

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import bdtrc

from tasks.patterns.preparation import DAY_MICROSECONDS, Posts
from tasks.statistics.contrast import Contrast, stratified_design

Mask = NDArray[np.bool_]

SHARES = (0.5, 0.3, 0.15)  # of the posts, that a coin picks
COINS = 24
STEP = 0x9E3779B97F4A7C15  # of SplitMix64 (Steele, Lea and Flood 2014), whose mixing makes K coins of a hash
MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


MOST_CLAIMED = 0.12  # of associations of nothing: a tenth by design, and what few weeks take from it
ALARM_LEVEL = 0.001


@dataclass(frozen=True, slots=True)
class Controls:
    """What conditions that cannot matter came to, over any number of analyses."""

    tried: int = 0
    by_association: int = 0
    by_effect: int = 0

    @property
    def is_alarm(self) -> bool:
        """Whether more were claimed than chance brings at 12 %, once in a thousand nights."""
        most = max(self.by_association, self.by_effect)
        return most > 0 and float(bdtrc(most - 1, self.tried, MOST_CLAIMED)) < ALARM_LEVEL

    @property
    def words(self) -> str:
        """One line for a person."""
        if not self.tried:
            return "Negative controls: none were tried, for want of posts."
        seen, doing = (f"{count / self.tried:.1%}" for count in (self.by_association, self.by_effect))
        verdict = "more than chance brings: intervals claim too much" if self.is_alarm else "at most a tenth is chance"
        return (
            f"Negative controls: of {self.tried:,} conditions that cannot matter {seen} would have been called an "
            f"association ({verdict}), and {doing} an effect."
        )


def negative_controls(posts: Posts) -> Contrast:
    """Differences of log engagement for COINS conditions that cannot matter, adjusted like any rule about content."""
    outcome = posts.beside_kinds
    matching = np.column_stack([*_coins(_hashes(posts.content_id)), *_coins(_days_after(posts))])
    design = stratified_design(matching, outcome.stratum, posts.week_code)
    return design.contrast(outcome.residual)


def _coins(hashes: NDArray[np.uint64]) -> list[Mask]:
    """Half of the conditions, (n,) each."""
    return [_mixed(hashes, k) < SHARES[k % len(SHARES)] for k in range(COINS // 2)]


def _mixed(hashes: NDArray[np.uint64], coin: int) -> NDArray[np.float64]:
    """Uniform numbers (n,) in [0, 1), others for each coin."""
    state = hashes + np.uint64(STEP * (coin + 1) % 2**64)
    for shift, factor in MIX:
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    state ^= state >> np.uint64(31)
    uniform: NDArray[np.float64] = state / 2.0**64
    return uniform


def _hashes(names: pl.Series) -> NDArray[np.uint64]:
    """Of each name (n,); zlib's checksums are quick, and the coins' mixing does the rest."""
    encoded = names.cast(pl.Binary).to_list()
    high, low = (np.fromiter(map(sums, encoded), np.uint64, len(encoded)) for sums in (crc32, adler32))
    return high << np.uint64(32) | low


def _days_after(posts: Posts) -> NDArray[np.uint64]:
    """The day after each post (n,), as a number."""
    instants = posts.published_at.cast(posts.published_at.dtype).dt.cast_time_unit("us").to_physical().to_numpy()
    return (instants // DAY_MICROSECONDS + 1).astype(np.uint64)
