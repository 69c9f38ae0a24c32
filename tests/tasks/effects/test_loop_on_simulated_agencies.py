"""Simulated agencies run the loop: what each order of experiments earns, and how many defaults are false."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from tasks.effects.calibration import calibrated
from tasks.effects.loop.backlog import Candidate, ranked
from tasks.effects.loop.worth import HORIZON_WEEKS, Z_LEVEL, Prospect, worth_of
from tasks.effects.records import Association, CalibratingPair
from tasks.statistics.online_discoveries import levels_of
from tasks.statistics.shrinkage import prior_variance, shrink

SLOPE, SPREAD = 0.3, 0.05  # what associations are worth, as measured on Upworthy's archive
RATE = 0.03
OPEN, DONE = 40, 10  # conditions that are open, and that experiments have compared before
BUDGET = 500_000  # impressions that may take part in tests, the same for every order
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agency:
    """Conditions that are open: what was seen, what is true, what is expected, and whom each would reach."""

    raw: Floats
    truth: Floats
    prospects: list[Prospect]
    noise: Floats


def agency(seed: int, *, reach_spread: float, null_share: float = 0.0) -> Agency:
    """Associations are noisy by as much as their posts are few; reach varies between conditions."""
    rng = np.random.default_rng(seed)
    count = OPEN + DONE
    association = rng.normal(0.0, 0.2, count)
    truth = SLOPE * association + rng.normal(0.0, SPREAD, count)
    truth[rng.random(count) < null_share] = 0.0
    error = rng.uniform(0.03, 0.15, count)
    raw = association + rng.normal(0.0, error)
    shrunken = shrink(raw, error, prior_variance(raw, error))
    rows = [
        Association(str(k), "text", float(shrunken.mean[k]), float(shrunken.standard_deviation[k]))
        for k in range(count)
    ]
    pairs = [
        CalibratingPair(rows[k], "own", "clicks", float(truth[k] + rng.normal(0.0, 0.05)), 0.05, 1, DONE)
        for k in range(DONE)
    ]
    reach = 150_000 * np.exp(rng.normal(0.0, reach_spread, count)) * rng.uniform(0.2, 0.9, count)
    prospects, sign = [], np.ones(count)
    for k, effect in enumerate(calibrated(rows[DONE:], pairs, "own", "clicks"), start=DONE):
        sign[k] = 1.0 if effect.estimate >= 0.0 else -1.0
        low, high = effect.interval
        spread = (high - low) / 3.29
        prospects.append(Prospect(abs(effect.estimate), spread, float(reach[k]), RATE, (1.0 - RATE) / RATE))
    return Agency((sign * raw)[DONE:], (sign * truth)[DONE:], prospects, rng.normal(size=OPEN))


def by_worth(one: Agency, seed: int) -> list[int]:
    candidates = [
        Candidate(str(k), "pattern", "", True, prospect, "impressions") for k, prospect in enumerate(one.prospects)
    ]
    return [int(proposal.candidate.key) for proposal in ranked(candidates, f"w{seed}", date(2026, 11, 2))]


def by_lift(one: Agency, seed: int) -> list[int]:
    return [int(k) for k in np.argsort(-np.abs(one.raw))]


def at_random(one: Agency, seed: int) -> list[int]:
    return [int(k) for k in np.random.default_rng(seed + 10**6).permutation(OPEN)]


def by_truth(one: Agency, seed: int) -> list[int]:
    """Of one who knows every effect, by what each experiment of the same size will earn an impression."""
    earns = []
    for prospect, truth in zip(one.prospects, one.truth, strict=True):
        worth = worth_of(prospect)
        noise = np.sqrt(2.0 * prospect.unit_variance / worth.units_per_arm)
        held = prospect.units_a_week * (HORIZON_WEEKS - worth.weeks)
        earns.append((float(ndtr(truth / noise - Z_LEVEL)) * truth * held - abs(truth)) / worth.units_per_arm)
    return [int(k) for k in np.argsort(earns)[::-1]]


def run(one: Agency, order: list[int]) -> tuple[float, int, int]:
    """Clicks earned net of looking, defaults, and false ones, of experiments until the impressions are used up."""
    p_values, tested, used, earned = [], [], 0.0, 0.0
    for k in order:
        worth, size = worth_of(one.prospects[k]), 2.0 * worth_of(one.prospects[k]).units_per_arm
        if not worth.is_feasible or used + size > BUDGET:
            continue
        used += size
        earned -= RATE * worth.units_per_arm * abs(one.truth[k])
        noise = np.sqrt(2.0 * one.prospects[k].unit_variance / worth.units_per_arm)
        z = one.truth[k] / noise + one.noise[k]
        p_values.append(2.0 * float(ndtr(-abs(z))) if z > 0 else 1.0)
        tested.append(k)
    kept = [k for k, p, level in zip(tested, p_values, levels_of(p_values, 0.05), strict=True) if p <= level]
    for k in kept:
        held = HORIZON_WEEKS - worth_of(one.prospects[k]).weeks
        earned += one.truth[k] * RATE * one.prospects[k].units_a_week * held
    return float(earned), len(kept), sum(one.truth[k] <= 0.0 for k in kept)


def ratios(seeds: range, reach_spread: float) -> dict[str, tuple[float, float]]:
    """What the order by worth earns of the same impressions, to what others do; with jackknife errors."""
    agencies = {seed: agency(seed, reach_spread=reach_spread) for seed in seeds}
    earned = {
        order.__name__: np.array([run(one, order(one, seed))[0] for seed, one in agencies.items()])
        for order in (by_worth, by_lift, at_random, by_truth)
    }
    worth, answer = earned.pop("by_worth"), {}
    for name, other in earned.items():
        left_out = (worth.sum() - worth) / (other.sum() - other)
        answer[name] = (float(worth.sum() / other.sum()), float(np.sqrt((len(seeds) - 1) * np.var(left_out))))
    print(f"reach ±{reach_spread} (log), {BUDGET:,} impressions: by worth earns", answer)
    return answer


@pytest.mark.parametrize("seeds", [range(7000, 7025), pytest.param(range(8000, 8200), marks=pytest.mark.slow)])
def test_the_order_by_worth_earns_more_than_by_lift_or_at_random(seeds: range) -> None:
    answer = ratios(seeds, 1.0)
    for name, least in (("by_lift", 1.5), ("at_random", 1.2)):
        times, error = answer[name]
        assert times >= least - error


@pytest.mark.slow
@pytest.mark.parametrize("reach_spread", [0.0, 0.5])
def test_where_conditions_reach_the_same_number_the_order_by_lift_is_as_good(reach_spread: float) -> None:
    """With one slope for all, the calibrated effect rises with the lift: only reach and doubt are left to tell by.

    Even who knows every effect then earns less than twice what the order by lift does.
    """
    answer = ratios(range(8000, 8200), reach_spread)
    assert answer["by_lift"][0] >= 0.95
    assert answer["by_truth"][0] <= 1.0
    if reach_spread == 0.0:
        assert answer["by_lift"][0] / answer["by_truth"][0] <= 2.0
    assert answer["at_random"][0] >= 1.2


@pytest.mark.slow
@pytest.mark.parametrize("null_share", [0.0, 0.5, 0.9])
def test_false_defaults_are_few(null_share: float) -> None:
    rates = []
    for seed in range(8000, 8200):
        one = agency(seed, reach_spread=1.0, null_share=null_share)
        _, kept, false = run(one, by_worth(one, seed))
        rates.append(false / max(kept, 1))
    error = np.std(rates) / np.sqrt(len(rates))
    print(f"nulls {null_share}: false defaults {np.mean(rates):.3f} ± {error:.3f}")
    assert np.mean(rates) <= 0.05 + 2 * error
