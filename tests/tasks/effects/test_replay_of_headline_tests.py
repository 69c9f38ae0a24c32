"""Upworthy's tests in another order: those first whose arms are predicted to lie farthest apart.

The spread of a test's arms is predicted from what is known before it: which share of its pairs of arms differ in their
headline, picture, lede and excerpt, and in how many surface features. What each is worth (a variance of log click
rates, none below zero) is learned on one half of the archive, and the other half is put in order by it. Clicks are
thinned: one half chooses the arm, the other says what that earns over an arm by chance, so that no luck is counted as
gain. All orders have the same impressions, half of what the tests took; what a gain is worth afterwards is the same for
all. Small tests earn more for each impression whatever is in them, so that the orders by size alone, and by spread for
each impression, are printed beside the one by spread, which knows no size. Errors are of splits and thinning, within
one archive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.optimize import nnls

from tests.headline_halves import Headlines, headlines

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

Floats = NDArray[np.float64]
PARTS = ("headline", "eyecatcher_id", "lede", "excerpt")
BUDGET = 0.5
SPLITS = 24


@dataclass(frozen=True)
class Archive:
    """n packages: test, clicks and impressions (n,); of T tests: week, arms, size (T,), known before (T, P)."""

    test: NDArray[np.int64]
    clicks: NDArray[np.int64]
    impressions: Floats
    week: Floats
    known: Floats
    arms: Floats
    size: Floats

    @classmethod
    def of(cls, data: Headlines) -> Archive:
        frame = data.frame
        codes = frame["clickability_test_id"].rank("dense").to_numpy().astype(np.int64) - 1
        arms = np.bincount(codes).astype(np.float64)
        differ = [_share_that_differs(frame, part, codes, arms) for part in PARTS]
        share = np.column_stack([np.bincount(codes, meets) / arms for meets in data.meets.T.astype(np.float64)])
        week = np.zeros(len(arms))
        np.maximum.at(week, codes, frame["test_week"].to_numpy())
        impressions = frame["impressions"].to_numpy().astype(np.float64)
        return cls(
            codes,
            frame["clicks"].to_numpy(),
            impressions,
            week,
            np.column_stack([*differ, (share * (1.0 - share)).sum(axis=1)]),
            arms,
            np.bincount(codes, impressions),
        )

    def spread(self, learned_on: NDArray[np.bool_]) -> Floats:
        """Predicted standard deviations (T,) of log click rates between a test's arms."""
        log_rate = np.log((self.clicks + 0.5) / (self.impressions + 1.0))
        off = log_rate - (np.bincount(self.test, log_rate) / self.arms)[self.test]
        seen = np.bincount(self.test, off**2) / (self.arms - 1.0)
        beyond_chance = seen - np.bincount(self.test, 1.0 / (self.clicks + 0.5)) / self.arms
        worth, _ = nnls(self.known[learned_on], beyond_chance[learned_on])
        return np.sqrt(np.maximum(self.known @ worth, 0.0))

    def gains(self, rng: np.random.Generator) -> Floats:
        """Clicks an impression (T,) of the arm that one half of the clicks chooses, over an arm by chance."""
        first = rng.binomial(self.clicks, 0.5)
        chooses, says = (clicks / (self.impressions / 2.0) for clicks in (first, self.clicks - first))
        order = np.lexsort((chooses, self.test))
        best = np.zeros(len(self.arms), dtype=np.int64)
        best[self.test[order]] = order
        return says[best] - np.bincount(self.test, says) / self.arms


def _share_that_differs(frame: pl.DataFrame, part: str, codes: NDArray[np.int64], arms: Floats) -> Floats:
    """Of a test's pairs of arms (T,), those whose part differs."""
    versions = frame.select(pl.struct("clickability_test_id", part).rank("dense")).to_series().to_numpy()
    versions = versions.astype(np.int64) - 1
    count, of_test = np.bincount(versions), np.zeros(versions.max() + 1, dtype=np.int64)
    of_test[versions] = codes
    return 1.0 - np.bincount(of_test, count.astype(np.float64) ** 2, minlength=len(arms)) / arms**2


def splits(archive: Archive, by: str) -> Iterator[tuple[NDArray[np.bool_], np.random.Generator]]:
    """Tests to learn on, by chance, by chance of whole weeks, or the earlier ones."""
    for seed in range(SPLITS):
        rng = np.random.default_rng(seed)
        weeks = np.unique(archive.week)
        chosen = rng.permutation(len(weeks)) < len(weeks) // 2
        by_test = rng.permutation(len(archive.arms)) < len(archive.arms) // 2
        parts = {
            "test": by_test,
            "week": chosen[np.searchsorted(weeks, archive.week)],
            "time": archive.week <= np.median(archive.week),
        }
        yield parts[by], rng


def earned(archive: Archive, order: Floats, asked: NDArray[np.int64], gains: Floats) -> float:
    """Gain for each impression of the first tests of an order that half of the impressions suffice for."""
    ordered = asked[np.argsort(-order[asked], kind="stable")]
    taken = ordered[np.cumsum(archive.size[ordered]) <= BUDGET * archive.size[asked].sum()]
    return float(gains[taken].sum() / archive.size[taken].sum())


@pytest.mark.parametrize("with_faulty_weeks", [True, False])
@pytest.mark.parametrize("by", ["test", "week", "time"])
def test_the_order_by_predicted_spread_earns_a_tenth_more_than_a_random_one(
    by: str, with_faulty_weeks: bool, shared_data: Path
) -> None:
    data = headlines(shared_data, with_faulty_weeks=with_faulty_weeks)
    several = data.frame.select(pl.len().over("clickability_test_id") > 1).to_series().to_numpy()
    archive = Archive.of(data.part(several))
    times: dict[str, list[float]] = {}
    for learn, rng in splits(archive, by):
        spread, gains, asked = archive.spread(learn), archive.gains(rng), np.flatnonzero(~learn)
        at_random = float(gains[asked].sum() / archive.size[asked].sum())
        orders = {"predicted spread": spread, "spread for each impression": spread / archive.size}
        orders |= {"size alone": -archive.size, "number of arms alone": archive.arms}
        for name, order in orders.items():
            times.setdefault(name, []).append(earned(archive, order, asked, gains) / at_random)
    figures = {name: (np.mean(some), np.std(some) / np.sqrt(len(some))) for name, some in times.items()}
    told = ", ".join(f"{name} {mean:.3f} ± {error:.3f}" for name, (mean, error) in figures.items())
    print(f"learned by {by}, {'with' if with_faulty_weeks else 'without'} faulty weeks: times a random order: {told}")
    mean, error = figures["predicted spread"]
    assert mean - 2 * error >= 1.1
