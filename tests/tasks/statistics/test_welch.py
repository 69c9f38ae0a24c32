"""A mean that rose, judged by how values were spread before it did."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearson3

from tasks.statistics import welch


@pytest.mark.parametrize("skewness", [-1.5, -0.2, 0.0, 0.2, 1.5])
def test_tail_of_a_skewed_sum_is_that_of_pearsons_third_type(skewness: float) -> None:
    for z in (-3.0, -0.5, 0.0, 1.0, 2.5, 6.0):
        assert welch._upper_tail(z, skewness) == pytest.approx(pearson3.sf(z, skewness), rel=1e-6, abs=1e-12)


def test_skewed_values_that_stay_as_they_are_rise_as_often_as_the_level_says() -> None:
    random, level = np.random.default_rng(1), 0.02
    rose = [
        welch.change_from_known(random.exponential(size=60), random.exponential(size=800)).p_value <= level
        for _ in range(3_000)
    ]
    assert np.mean(rose) == pytest.approx(level, abs=0.008)


def test_what_raises_the_spread_too_does_not_hide_itself() -> None:
    random = np.random.default_rng(2)
    found = np.zeros(2)
    for _ in range(300):
        before = random.normal(0, 1, 800)
        now = random.normal(0, 1, 60) + np.where(random.random(60) < 0.1, 4.0, 0.0)
        known = welch.change_from_known(now, before)
        each = welch.mean_change(now, before.mean(), before.var(ddof=1), 800)
        assert (known.now, known.then, known.n) == (each.now, each.then, each.n)
        found += [known.p_value <= 0.01, each.p_value <= 0.01]
    assert found[0] > 1.3 * found[1]


def test_average_over_models_that_differ_counts_as_narrow_as_it_is() -> None:
    """Four models that err apart: their average varies as one with the variance of what they share and a quarter."""
    random, p_values = np.random.default_rng(3), []
    for _ in range(1_500):
        shared = random.normal(0, 1, 200)
        p_values.append(
            welch.change_from_known(
                shared + random.normal(0, 1, (4, 200)), random.normal(0, 1, 600) + random.normal(0, 1, 600)
            ).p_value
        )
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_a_handful_of_values_says_nothing() -> None:
    assert welch.change_from_known(np.ones(9), np.zeros(100)).p_value == 1.0
    assert welch.change_from_known(np.zeros(50), np.ones(9)).p_value == 1.0
    assert welch.change_from_known(np.ones(50), np.zeros(100)).p_value == 0.0
