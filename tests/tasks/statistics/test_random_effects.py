"""Pooling keeps its promises: with differences between sources, with missing answers, with few sources."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.statistics.random_effects import RandomEffects, random_effects

TRUTH, TAU = 0.1, 0.25
SOURCES = (5, 10, 30, 100, 300)


def simulate(sources: int, questions: int, seed: int) -> RandomEffects:
    """Workspaces of 40 to 4,000 posts, a pattern in a fifth of them, standard errors estimated as they would be."""
    rng = np.random.default_rng([seed, sources])
    posts = np.clip(rng.lognormal(5.5, 0.9, (sources, questions)), 40, 4000)
    error = 0.83 / np.sqrt(posts * 0.16)
    estimates = rng.normal(TRUTH, TAU, posts.shape) + error * rng.standard_normal(posts.shape)
    return random_effects(estimates, error * np.sqrt(rng.chisquare(posts - 2) / (posts - 2)))


def coverage(found: RandomEffects) -> float:
    low, high = found.interval().T
    return float(np.mean((low <= TRUTH) & (high >= TRUTH)))


@pytest.mark.parametrize("sources", SOURCES)
def test_intervals_cover_as_often_as_they_say(sources: int) -> None:
    """2,000 questions: the coverage itself is known to ±.005."""
    covered = coverage(simulate(sources, 2000, seed=1))
    print(f"BAR interval coverage, k = {sources}: {covered:.3f} (bar .93–.97)")
    assert 0.93 <= covered <= 0.97


def test_heterogeneity_is_found_where_it_is() -> None:
    assert np.sqrt(np.mean(simulate(100, 300, seed=2).heterogeneity)) == pytest.approx(TAU, rel=0.05)


def test_equal_sources_have_none() -> None:
    found = random_effects(np.full((6, 1), 0.4), np.full((6, 1), 0.1))
    assert (found.heterogeneity[0], found.mean[0]) == (0.0, pytest.approx(0.4))
    assert found.standard_error[0] == pytest.approx(0.1 / np.sqrt(6))


def test_paule_mandel_matches_its_defining_equation() -> None:
    rng = np.random.default_rng(5)
    y, error = rng.normal(0.0, 1.0, (8, 4)), rng.uniform(0.1, 0.4, (8, 4))
    found = random_effects(y, error)
    weight = 1.0 / (error**2 + found.heterogeneity)
    assert (weight * (y - found.mean) ** 2).sum(axis=0) == pytest.approx(7.0)


def test_a_missing_answer_is_no_answer() -> None:
    y, error = np.array([[0.2, 9.0], [0.4, 0.3], [0.3, 0.1]]), np.array([[0.1, np.inf], [0.1, 0.1], [0.1, 0.2]])
    found = random_effects(y, error)
    alone = random_effects(y[1:, 1:], error[1:, 1:])
    assert found.sources.tolist() == [3, 2]
    assert found.mean[1] == pytest.approx(alone.mean[0])


def test_nobody_and_one_know_nothing_certain() -> None:
    found = random_effects(np.array([[0.2, 0.0]]), np.array([[0.1, np.inf]]))
    assert found.sources.tolist() == [1, 0]
    assert np.isinf(found.interval()).all()
    assert (found.mean[1], found.standard_error[1]) == (0.0, np.inf)
