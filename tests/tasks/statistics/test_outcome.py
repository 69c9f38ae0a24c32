"""The outcome compares like with like and cannot be broken by one post."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from tasks.statistics.outcome import adjusted_outcome, log_rate, rank_scores, strata, winsorize, within_strata


def test_log_rate_smooths_and_falls_back_to_counts() -> None:
    assert np.allclose(log_rate(np.array([0.0, 9.5]), np.array([99.0, 99.0])), np.log([0.5 / 100, 10 / 100]))
    assert np.allclose(log_rate(np.array([0.0, 9.5])), np.log([0.5, 10]))


def test_small_strata_join_their_neighbor_in_time() -> None:
    channel = np.repeat([0, 1], [25, 30])
    period = np.concatenate([np.repeat([0, 1, 2], [4, 15, 6]), np.repeat([0, 1], [15, 15])])
    found = strata(channel, period)
    assert np.bincount(found).min() >= 10
    assert len(set(found[:25])) == 1  # 4 + 15, then 6 are too few to stand alone
    assert set(found[25:]) == {1, 2}


def test_channels_too_small_for_a_stratum_share_one() -> None:
    found = strata(np.repeat([0, 1, 2], [40, 6, 7]), np.zeros(53, dtype=int))
    assert len(set(found[40:])) == 1
    assert found[0] != found[40]


def test_channel_and_season_leave_no_trace() -> None:
    generator = np.random.default_rng(1)
    channel, period = generator.integers(0, 3, 900), generator.integers(0, 4, 900)
    values = generator.normal(0, 0.5, 900) + 2.0 * channel - 1.0 * period
    adjusted = adjusted_outcome(values, channel, period)
    assert adjusted.explained > 0.8
    for code in range(3):
        assert abs(adjusted.residual[channel == code].mean()) < 0.05


def test_a_stratum_of_one_row_is_zero_not_nan() -> None:
    assert within_strata(np.array([3.0, 1.0, 2.0]), np.array([0, 1, 1])).tolist() == [0.0, -0.5 * 2**0.5, 0.5 * 2**0.5]


def test_rank_scores_agree_with_scipy_on_ties_and_have_variance_one() -> None:
    values = np.random.default_rng(2).integers(0, 9, 200).astype(float)
    assert np.allclose(rank_scores(values), 12**0.5 * ((rankdata(values) - 0.5) / 200 - 0.5))
    assert rank_scores(np.arange(1000.0)).var() == pytest.approx(1.0, abs=1e-3)


def test_one_viral_row_moves_only_its_own_rank() -> None:
    values = np.random.default_rng(3).normal(0, 1, 500)
    viral = values.copy()
    viral[7] += np.log(1000)
    assert np.abs(rank_scores(viral) - rank_scores(values))[np.arange(500) != 7].mean() < 0.01
    assert winsorize(viral).max() < winsorize(values).max() * 1.1


def test_constant_values_stay_constant() -> None:
    assert np.ptp(rank_scores(np.ones(50))) == 0
    assert winsorize(np.ones(5)).tolist() == [1.0] * 5
    assert adjusted_outcome(np.ones(30), np.zeros(30, dtype=int), np.zeros(30, dtype=int)).explained == 0.0
