"""Agencies whose bias is known: intervals hold whatever share of an association is its effect, tested or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tasks.effects.calibration import calibrated
from tasks.effects.records import Association, CalibratingPair
from tasks.statistics.shrinkage import prior_variance, shrink

UNTESTED = 16  # conditions of an agency that no experiment compares


@dataclass(frozen=True)
class Agencies:
    """What came of some agencies: shares of intervals that hold, their width, of claims, and the slope at the end."""

    covered: float
    error: float
    width: float
    claimed: float
    slope: float


def agencies(slope: float, spread: float, experiments: int, seeds: range) -> Agencies:
    one_each = np.array([agency(slope, spread, experiments, seed) for seed in seeds])
    means = one_each.mean(axis=0)
    return Agencies(means[0], float(one_each[:, 0].std() / np.sqrt(len(seeds))), *means[1:])


def agency(slope: float, spread: float, experiments: int, seed: int) -> tuple[float, float, float, float]:
    rng = np.random.default_rng(seed)
    count = experiments + UNTESTED
    association = rng.normal(0.0, 0.2, count)
    truth = slope * association + rng.normal(0.0, spread, count)
    noisy, error = association + rng.normal(0.0, 0.06, count), np.full(count, 0.06)
    shrunken = shrink(noisy, error, prior_variance(noisy, error))
    rows = [
        Association(str(k), "text", float(shrunken.mean[k]), float(shrunken.standard_deviation[k]))
        for k in range(count)
    ]
    pairs = [
        CalibratingPair(rows[k], "own", "clicks", float(truth[k] + rng.normal(0.0, 0.05)), 0.05, 1, experiments)
        for k in range(experiments)
    ]
    effects = calibrated(rows[experiments:], pairs, "own", "clicks")
    low, high = np.array([one.interval for one in effects]).T
    of_these = truth[experiments:]
    return (
        float(((low <= of_these) & (of_these <= high)).mean()),
        float((high - low).mean()),
        float(np.mean([one.is_claim for one in effects])),
        float(np.mean([one.slope for one in effects])),
    )


@pytest.mark.parametrize(("slope", "spread"), [(0.3, 0.05), (1.0, 0.0)])
@pytest.mark.parametrize("experiments", [0, 3, 10])
def test_intervals_hold_where_associations_mislead_and_where_they_do_not(
    slope: float, spread: float, experiments: int
) -> None:
    result = agencies(slope, spread, experiments, range(5000, 5005))
    print(slope, spread, experiments, result)
    assert result.covered >= 0.90 - 3 * max(result.error, 0.02)


def test_experiments_teach_what_associations_are_worth() -> None:
    none, ten = (agencies(1.0, 0.0, count, range(5000, 5006)) for count in (0, 10))
    assert ten.slope > 0.8 > none.slope
    assert ten.width < 0.8 * none.width
    assert none.claimed == 0.0, "nothing is claimed before any experiment"
    assert agencies(0.0, 0.05, 10, range(5000, 5006)).slope < 0.25


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "spread"), [(0.3, 0.05), (1.0, 0.0), (0.0, 0.05), (0.7, 0.1)])
@pytest.mark.parametrize("experiments", [0, 3, 10])
def test_nine_intervals_in_ten_hold(slope: float, spread: float, experiments: int) -> None:
    result = agencies(slope, spread, experiments, range(9000, 9200))
    print(slope, spread, experiments, result)
    assert result.covered >= 0.86


def test_an_experiment_on_the_very_condition_counts_most() -> None:
    rows = [Association("tested", "text", 0.4, 0.05), Association("other", "text", 0.4, 0.05)]
    pairs = [CalibratingPair(rows[0], "own", "clicks", -0.2, 0.03, 4, 4)]
    tested, other = calibrated(rows, pairs, "own", "clicks")
    assert tested.interval[1] < 0.0, "the experiment says that it harms"
    assert other.interval[1] > 0.0
    assert (tested.based_on.of_this, other.based_on.of_this) == (4, 0)


def test_another_workspaces_experiments_teach_less_than_own_ones() -> None:
    rows = [Association("a", "text", 0.3, 0.02), Association("b", "text", -0.3, 0.02)]
    effects = {}
    for owner in ("own", "sister"):
        pairs = [CalibratingPair(one, owner, "clicks", 0.0, 0.02, 30, 30) for one in rows]
        effects[owner] = calibrated([Association("c", "text", 0.3, 0.02)], pairs, "own", "clicks")[0]
    widths = {owner: one.interval[1] - one.interval[0] for owner, one in effects.items()}
    assert widths["own"] < widths["sister"]
    assert effects["own"].estimate < effects["sister"].estimate < 0.15
    assert (effects["sister"].based_on.own, effects["sister"].based_on.organization) == (0, 30)
