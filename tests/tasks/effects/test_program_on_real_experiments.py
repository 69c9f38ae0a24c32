"""What winners claim, what is expected of them, and what they did when looked at again: on two public programs.

Headlines: each arm's clicks are dealt at random into two halves; winners are declared on one, repeated on the other.
ASOS: the first half of an experiment's time is held against what came in the second.

A quarter has 40 to 100 winners: its ratio is known to ± .04 (the best) and ± .14 (the worst), whatever the number of
thinnings, so that ± .05 of one quarter cannot be told from luck; all quarters together are tested instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from tasks.effects.program import LATER, SAME_TIME, ProgramArms, declared_effects, learned_prior

pytestmark = pytest.mark.real_data
Floats = NDArray[np.float64]
Z_90 = 1.645
GROUP = ["clickability_test_id", "eyecatcher_id"]


@dataclass(frozen=True)
class Repeated:
    """E declared effects: z, log ratios claimed, expected and repeated, the latter's variances, and when."""

    z: Floats
    claimed: Floats
    expected: Floats
    deviation: Floats
    repeated: Floats
    noise: Floats
    quarter: NDArray[np.int64]

    def joined(self, other: Repeated) -> Repeated:
        names = self.__dataclass_fields__
        return Repeated(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))

    def ratio(self, chosen: NDArray[np.bool_], samples: int = 1) -> tuple[float, float, float, float]:
        """Claimed and expected over repeated, the latter's standard error, and how many 90 % intervals hold."""
        repeated = self.repeated[chosen].mean()
        off = self.expected[chosen] - self.repeated[chosen]
        error = off.std() / np.sqrt(chosen.sum() / samples) / repeated
        reach = Z_90 * np.hypot(self.deviation[chosen], np.sqrt(self.noise[chosen]))
        return (
            float(self.claimed[chosen].mean() / repeated),
            float(self.expected[chosen].mean() / repeated),
            float(error),
            float((np.abs(off) <= reach).mean()),
        )

    def by_tests(self, chosen: NDArray[np.bool_], samples: int) -> tuple[float, float]:
        """Expected over repeated, and its error as tests are drawn: a test's thinnings are averaged first."""
        expected, repeated = (
            np.where(chosen, values, 0.0).reshape(samples, -1).sum(axis=0) for values in (self.expected, self.repeated)
        )
        ratio = expected.sum() / repeated.sum()
        return float(ratio), float(np.sqrt(np.square(expected - ratio * repeated).sum()) / repeated.sum())


def headline_tests(folder: Path, *, with_faulty_weeks: bool = True) -> pl.DataFrame:
    rows = pl.read_parquet(folder / "upworthy_exploratory" / "packages.parquet").filter(pl.col("impressions") >= 1000)
    if not with_faulty_weeks:
        rows = rows.filter(~pl.col("test_week").is_between(201326, 201402))
    rows = rows.filter((pl.len().over(GROUP) > 1) & (pl.col("clicks").sum().over(GROUP) >= 4)).sort(GROUP)
    return rows.with_columns(experiment=pl.struct(GROUP).rank("dense").cast(pl.Int64) - 1)


def thinned(rows: pl.DataFrame, seed: int) -> Repeated:
    rng = np.random.default_rng(seed)
    clicks, seen, codes = (rows[name].to_numpy() for name in ("clicks", "impressions", "experiment"))
    units = seen // 2
    first = rng.hypergeometric(clicks, seen - clicks, units)
    second, later = clicks - first, seen - units
    pooled = ((np.bincount(codes, first) + 0.5) / np.bincount(codes, units))[codes]
    arms = ProgramArms(codes, units.astype(float), np.log((first + 0.5) / (units + 1)), 1 / (units * pooled + 0.5))
    starts = np.searchsorted(codes, np.arange(arms.experiments + 1))
    chosen = [int(a + arms.log_mean[a:b].argmax()) for a, b in pairwise(starts)]
    against = [[i for i in range(a, b) if i != best] for (a, b), best in zip(pairwise(starts), chosen, strict=True)]
    made = declared_effects(arms, chosen, against, learned_prior(arms), SAME_TIME)
    lines: list[tuple[float, ...]] = []
    for best, others, effect in zip(chosen, against, made, strict=True):
        rate, other = (first[best] + 0.5) / (units[best] + 1), first[others].sum() / units[others].sum()
        error = np.sqrt(rate * (1 - rate) / units[best] + other * (1 - other) / units[others].sum())
        again = np.log((second[best] + 0.5) / (later[best] + 1))
        again -= np.log((second[others].sum() + 0.5) / (later[others].sum() + 1))
        noise = 1 / (second[best] + 0.5) + 1 / (second[others].sum() + 0.5)
        week = int(rows["test_week"][best])
        quarter = week // 100 * 4 + (week % 100 - 1) // 13
        lines.append(((rate - other) / error, effect.claimed, effect.expected, effect.deviation, again, noise, quarter))
    table = np.array(lines)
    return Repeated(*table.T[:-1], table[:, -1].astype(np.int64))


def replays(folder: Path, seeds: range, **options: Any) -> Repeated:
    rows = headline_tests(folder, **options)
    total = thinned(rows, seeds[0])
    for seed in seeds[1:]:
        total = total.joined(thinned(rows, seed))
    return total


def test_winners_of_headlines_are_expected_to_do_what_they_do_again(shared_data: Path) -> None:
    result = replays(shared_data, range(50, 51))
    for cut in (-np.inf, 1.96, 2.6):
        claimed, expected, error, covered = result.ratio(result.z > cut)
        print(f"BAR z > {cut}: claimed ×{claimed:.2f}, expected ×{expected:.3f} ± {error:.3f}, covers {covered:.3f}")
        assert claimed > 1.4
        assert abs(expected - 1.0) <= 0.05 + 2 * error
        assert 0.87 <= covered <= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("with_faulty_weeks", [True, False])
def test_the_sum_of_claims_is_the_sum_that_repeats_at_every_cut_and_in_every_quarter(
    shared_data: Path, with_faulty_weeks: bool
) -> None:
    samples = 6
    result = replays(shared_data, range(60, 60 + samples), with_faulty_weeks=with_faulty_weeks)
    for cut in (-np.inf, 1.96, 2.6):
        claimed, expected, error, covered = result.ratio(result.z > cut, samples)
        print(f"BAR z > {cut}: claimed ×{claimed:.2f}, expected ×{expected:.3f} ± {error:.3f}, covers {covered:.3f}")
        assert 0.95 - error <= expected <= 1.05 + error
        assert 0.87 <= covered <= 0.95
    off = []
    for quarter in np.unique(result.quarter):
        chosen = (result.quarter == quarter) & (result.z > 1.96)
        if chosen.sum() >= 20 * samples:
            expected, error = result.by_tests(chosen, samples)
            name = f"{quarter // 4} Q{quarter % 4 + 1}"
            print(f"{name}: {chosen.sum() // samples} winners, expected ×{expected:.3f} ± {error:.3f}")
            assert abs(expected - 1.0) <= 0.05 + 2.5 * error
            off.append((expected - 1.0) / error)
    together = float(np.square(off).sum())
    print(f"BAR quarters together: χ² {together:.1f} of {len(off)}, p = {chi2.sf(together, len(off)):.3f}")
    assert chi2.sf(together, len(off)) > 0.001, "no more than luck of tests that are 40 to 100 a quarter"


def early_and_late(folder: Path) -> Repeated:
    """Each treatment of each experiment and metric: the first half of its time, and what came after."""
    rows = pl.read_parquet(folder / "asos_experiments" / "asos.parquet").drop_nulls()
    sides: list[tuple[dict[str, float], dict[str, float]]] = []
    for _, stream in rows.group_by("experiment_id", "variant_id", "metric_id", maintain_order=True):
        days = stream.sort("time_since_start")
        first, last = days["time_since_start"][0], days["time_since_start"][-1]
        early = days.filter(pl.col("time_since_start") <= (first + last) / 2).row(-1, named=True)
        end = days.row(-1, named=True)
        arms = [_side(early, end, side) for side in ("c", "t")]
        if len(days) >= 4 and all(arm["units"] > 100 and arm["later"] > 100 and arm["again"] > 0 for arm in arms):
            sides.append((arms[0], arms[1]))
    both = [arm for pair in sides for arm in pair]
    units, mean, spread = (np.array([arm[name] for arm in both]) for name in ("units", "mean", "variance"))
    pairs = units.reshape(-1, 2)
    pooled = np.repeat((mean * units).reshape(-1, 2).sum(axis=1) / pairs.sum(axis=1), 2)
    variance = np.repeat((spread * units).reshape(-1, 2).sum(axis=1) / pairs.sum(axis=1), 2) / pooled**2
    codes = np.repeat(np.arange(len(sides)), 2)
    arms_of = ProgramArms(codes, units, np.log(mean), variance / units)
    made = declared_effects(
        arms_of,
        [2 * k + 1 for k in range(len(sides))],
        [[2 * k] for k in range(len(sides))],
        learned_prior(arms_of),
        LATER,
    )
    claimed, expected, deviation = np.array(made).T
    sign = np.sign(claimed)
    again = np.array([np.log(t["again"] / c["again"]) for c, t in sides])
    noise = variance[::2] * np.array([1 / c["later"] + 1 / t["later"] for c, t in sides])
    z = np.abs(claimed) / np.sqrt(arms_of.variance.reshape(-1, 2).sum(axis=1))
    nowhere = np.zeros(len(sides), dtype=np.int64)
    return Repeated(z, claimed * sign, expected * sign, deviation, again * sign, noise, nowhere)


def _side(early: dict[str, Any], end: dict[str, Any], side: str) -> dict[str, float]:
    before, after = early[f"count_{side}"], end[f"count_{side}"]
    later = after - before
    total = after * end[f"mean_{side}"] - before * early[f"mean_{side}"]
    return {
        "units": float(before),
        "mean": early[f"mean_{side}"],
        "variance": early[f"variance_{side}"],
        "later": float(later),
        "again": total / later if later > 0 else 0.0,
    }


def test_effects_of_asos_are_expected_to_fade_as_they_do(shared_data: Path) -> None:
    result = early_and_late(shared_data)
    for cut in (0.0, 1.96, 2.6):
        claimed, expected, error, covered = result.ratio(result.z >= cut)
        count = int((result.z >= cut).sum())
        print(
            f"BAR |z| ≥ {cut}, {count}: claimed ×{claimed:.2f}, expected ×{expected:.3f} ± {error:.3f}, {covered:.3f}"
        )
        assert abs(expected - 1.0) <= 0.05 + 2 * error
        assert covered >= 0.87
        assert claimed > 1.3
