"""Planted truth in workspaces of other makes: another generator, and gaps that are no accident in our own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import numpy as np
import pytest
from scipy.special import stdtr

from tasks.patterns.preparation import prepare
from tasks.patterns.records import PatternQuery, SearchThresholds
from tasks.statistics.contrast import stratified_contrast
from tasks.statistics.group_codes import groups
from tests.generators.other_workspaces import BEGINNING, OWN, WEEKS, simulate_otherwise
from tests.generators.planted_patterns import ATTRIBUTES, Simulated, simulate
from tests.tasks.patterns.test_planted_truth import AS_OF, BARS, COVERAGE, SMALL_EFFECTS, query, tally

HONESTY = ("false share of reported patterns", "null workspaces with any pattern", COVERAGE)


def other_query(thresholds: SearchThresholds) -> PatternQuery:
    as_of = BEGINNING + timedelta(weeks=WEEKS, days=20)
    return PatternQuery("w", "social", as_of, 500, thresholds, OWN)


def test_a_share_of_workspaces_of_another_make_stays_near_the_bars() -> None:
    """24 workspaces: the bars with two standard errors of slack for so few."""
    figures = tally(map(simulate_otherwise, range(24)), other_query(SMALL_EFFECTS)).figures()
    assert figures["false share of reported patterns"] <= 0.17
    assert figures["null workspaces with any pattern"] <= 0.2
    assert figures["power"] >= 0.6
    assert figures[COVERAGE] >= 0.75


def test_a_share_of_workspaces_with_gaps_stays_near_the_bars() -> None:
    truths = map(partial(simulate, gaps=True, n=900), range(24))
    figures = tally(truths, query(0)).figures()
    assert figures["false share of reported patterns"] <= 0.17
    assert figures["null workspaces with any pattern"] <= 0.2


@pytest.mark.slow
def test_workspaces_of_another_make_meet_the_bars() -> None:
    """400 of them. Power and the error of lifts are printed alone: the noise is half as large again."""
    _compare("another generator", [simulate_otherwise(seed) for seed in range(1000, 1400)], other_query)


@pytest.mark.slow
def test_gaps_that_are_no_accident_leave_the_bars_met() -> None:
    """400 workspaces; of three posts in ten some features are not known, and they do better for other reasons.

    Power and the error of lifts are printed alone: less is known of a third of the features. What that takes stands
    beside them: a test of the planted rule itself, told beforehand, in the same workspaces with and without gaps.
    """
    truths = [simulate(seed, gaps=True) for seed in range(7000, 7400)]
    _compare("gaps", truths, partial(query, 0))
    for world, some in (("gaps", truths), ("no gaps", [simulate(seed) for seed in range(7000, 7400)])):
        passed = [found for truth in some for found in told_beforehand(truth)]
        print(f"told the rule beforehand, p < {CEILING:g}, {world}: {np.mean(passed):.3f} of {len(passed)}")


CEILING = 0.001


def told_beforehand(truth: Simulated) -> list[bool]:
    """Whether a test of each planted rule, on the posts that it is known of, finds it: no search can see more."""
    posts = prepare(truth.frame, AS_OF, ATTRIBUTES)
    row = np.array([int(name[1:]) for name in posts.content_id])
    known = {feature.name: feature.known for feature in posts.features}
    found, week = [], groups(posts.week).codes
    for planted in truth.planted:
        if planted.flips or planted.matches.sum() < 100 or abs(truth.realized(planted)) < 0.2:
            continue
        valid = np.logical_and.reduce([known[name] for name in planted.about])[:, None]
        met, outcome = planted.matches[row][:, None] & valid, posts.within_channels
        seen = stratified_contrast(met, outcome.rank_score, outcome.stratum, week, valid=valid)
        z = float(seen.estimate[0] / seen.standard_error[0])
        p = 2.0 * float(stdtr(seen.degrees_of_freedom[0], -abs(z)))
        found.append(p < CEILING and np.sign(z) == np.sign(planted.lift))
    return found


def _compare(world: str, truths: list[Simulated], asked: Callable[[SearchThresholds], PatternQuery]) -> None:
    """Print all bars at both least effects, and hold the guide's to what must be true in any world."""
    figures, by_default = (tally(truths, asked(one)).figures() for one in (SMALL_EFFECTS, SearchThresholds()))
    print(f"\n{world}, at min_effect_size = 0.15, and in brackets at the guide's 0.3:")
    for name, sign, bound in BARS:
        print(f"BAR {name}: {figures[name]:.3f} [{by_default[name]:.3f}] (bar {sign} {bound})")
    for name, sign, bound in BARS:
        if name in HONESTY:
            assert by_default[name] <= bound if sign == "<=" else by_default[name] >= bound, name
