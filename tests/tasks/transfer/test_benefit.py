"""What others know is followed where it should help, and a workspace's own posts where it should not."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.transfer.pools import Z95
from tasks.transfer.prediction import FULL_GAIN, MOST_FOLLOWED, Benefit, benefit_of, own_alone, predict
from tasks.transfer.records import Floats, Pool
from tests.transfer_pages import auc

PATTERNS, POSTS, SHARE, TAU = 12, 50, 0.3, 0.1
ERROR = 1.0 / np.sqrt(POSTS * SHARE * (1.0 - SHARE))  # of a contrast among so many posts with noise of variance 1
EVERY = np.ones(PATTERNS, dtype=bool)


def pool(means: Floats) -> Pool:
    """Siblings who know these effects to ±.02, and that workspaces differ by `TAU`."""
    error = np.full(PATTERNS, 0.02)
    interval = np.stack([means - Z95 * error, means + Z95 * error], axis=1)
    return Pool(np.full(PATTERNS, 20.0), means, error, np.full(PATTERNS, TAU**2), interval, "same_organisation")


def judged(means: Floats, effects: Floats, rng: np.random.Generator) -> tuple[Benefit, float]:
    """What a pool is expected to add to one workspace with these true effects, and what it does add."""
    own, error = effects + ERROR * rng.standard_normal(PATTERNS), np.full(PATTERNS, ERROR)
    told, alone = predict(pool(means), own, error), own_alone(own, error).mean
    benefit = benefit_of(told, EVERY, alone, error, POSTS)
    assert benefit is not None
    follows = rng.random((4000, PATTERNS)) < SHARE
    outcome = follows @ effects + rng.standard_normal(4000)
    above = outcome > np.median(outcome)
    return benefit, auc(above, follows @ told.mean) - auc(above, follows @ alone)


def test_the_expected_gain_foretells_the_gain_and_promises_too_little_rather_than_too_much() -> None:
    """A prediction prepares for a target unlike its pool, so a pool that does fit adds more than was expected."""
    rng = np.random.default_rng(0)
    means = rng.normal(0.0, 0.15, PATTERNS)
    found = [judged(means, means + TAU * rng.standard_normal(PATTERNS), rng) for _ in range(200)]
    expected = np.array([benefit.expected for benefit, _ in found])
    gain = np.array([measured for _, measured in found])
    assert 0.4 * gain.mean() < expected.mean() < gain.mean()
    assert np.corrcoef(expected, gain)[0, 1] > 0.5  # .62 over 200 workspaces, ± .04


def test_a_pool_that_knows_what_own_posts_cannot_tell_is_worthwhile() -> None:
    rng = np.random.default_rng(1)
    means = rng.normal(0.0, 0.3, PATTERNS)
    found = [judged(means, means, rng) for _ in range(60)]
    followed = [gain for benefit, gain in found if benefit.worthwhile]
    assert len(followed) > 0.4 * len(found)
    assert np.mean(followed) > 0.04


def test_a_pool_that_knows_nothing_is_not() -> None:
    rng = np.random.default_rng(2)
    effects = [rng.normal(0.0, 0.4, PATTERNS) for _ in range(60)]
    said = [judged(np.zeros(PATTERNS), effect, rng)[0].worthwhile for effect in effects]
    assert np.mean(said) < 0.1


def test_a_pool_that_says_the_same_adds_nothing() -> None:
    own, error = np.full(PATTERNS, 0.3), np.full(PATTERNS, 0.1)
    told = predict(pool(own), own, error)
    benefit = benefit_of(told, EVERY, own_alone(own, error).mean, error, POSTS)
    assert benefit is not None
    assert benefit.expected == pytest.approx(0.0, abs=0.002)
    assert not benefit.worthwhile


def test_a_gain_that_chance_may_have_made_is_not_followed() -> None:
    assert not Benefit(0.03, 0.03).worthwhile
    assert not Benefit(-0.01, 0.0).worthwhile
    assert not Benefit(1e-18, 0.0).worthwhile
    assert 0.0 < Benefit(0.03, 0.026).follow < Benefit(0.03, 0.022).follow < MOST_FOLLOWED
    assert Benefit(0.02 + 1.01 * FULL_GAIN, 0.02).follow == Benefit(0.5, 0.02).follow == MOST_FOLLOWED


def test_following_turns_a_ranking_as_far_as_it_is_told_whatever_the_scale_of_either() -> None:
    alone, combined, error = np.array([1.0, 0.0]), np.array([0.0, 0.01]), np.array([0.1, 0.1])
    for benefit in (Benefit(0.0, 0.0), Benefit(0.005, 0.0), Benefit(0.5, 0.0)):
        ranked = benefit.ranking(alone, combined, error, POSTS)
        assert ranked / ranked.sum() == pytest.approx([1.0 - benefit.follow, benefit.follow])
    nothing, none = np.zeros(2), Benefit(0.0, 0.0)
    assert none.ranking(nothing, combined, error, POSTS)[1] > 0.0, "who has nothing of its own follows all the way"
    assert np.array_equal(none.ranking(alone, nothing, error, POSTS), alone)


@pytest.mark.parametrize("known", [0, 4])
def test_who_has_next_to_nothing_of_its_own_has_nothing_to_lose(known: int) -> None:
    error = np.where(np.arange(PATTERNS) < known, 0.2, np.inf)
    told = predict(pool(np.full(PATTERNS, 0.3)), np.full(PATTERNS, 0.1), error)
    assert benefit_of(told, EVERY, np.full(PATTERNS, 0.1), error, POSTS) is None
