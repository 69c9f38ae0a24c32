"""Shrinkage takes the winner's curse out of selected estimates."""

from __future__ import annotations

import numpy as np

from tasks.statistics.shrinkage import MIN_PRIOR_VARIANCE, adaptive_shrink, prior_variance, shrink


def test_selected_estimates_are_unbiased_after_shrinkage_and_signs_are_calibrated() -> None:
    generator = np.random.default_rng(1)
    truth = generator.normal(0, 0.3, 20_000)
    seen = truth + generator.normal(0, 0.2, truth.size)
    errors = np.full(truth.size, 0.2)
    shrunken = shrink(seen, errors, prior_variance(seen, errors))
    chosen = seen > 0.4
    assert (seen - truth)[chosen].mean() > 0.1
    assert abs((shrunken.mean - truth)[chosen].mean()) < 0.01
    wrong_sign = np.sign(truth) != np.sign(shrunken.mean)
    assert abs(shrunken.false_sign_rate.mean() - wrong_sign.mean()) < 0.01


def test_unknown_errors_shrink_to_nothing_without_nan() -> None:
    shrunken = shrink([0.5, 0.5], [np.inf, 0.0], 0.04)
    assert shrunken.mean.tolist() == [0.0, 0.5]
    assert shrunken.false_sign_rate.tolist() == [0.5, 0.0]
    assert prior_variance([0.5], [np.inf]) == MIN_PRIOR_VARIANCE


def test_one_strong_effect_among_nulls_is_left_alone() -> None:
    estimates, errors = np.array([0.8] + [0.05, -0.08, 0.1, -0.03] * 3), np.full(13, 0.1)
    plain = shrink(estimates, errors, prior_variance(estimates, errors))
    adaptive = adaptive_shrink(estimates, errors)
    assert plain.mean[0] < adaptive.mean[0] < 0.8
    assert abs(adaptive.mean[1:]).max() < abs(plain.mean[1:]).max()


def test_adaptive_shrinkage_is_calibrated_and_scales_with_its_unit() -> None:
    generator = np.random.default_rng(2)
    truth = np.where(generator.random(5000) < 0.8, 0.0, generator.normal(0, 0.5, 5000))
    seen = truth + generator.normal(0, 0.15, 5000)
    errors = np.full(5000, 0.15)
    shrunken = adaptive_shrink(seen, errors)
    chosen = seen > 0.4
    assert abs((shrunken.mean - truth)[chosen].mean()) < 0.05
    assert np.allclose(adaptive_shrink(10 * seen, 10 * errors, unit=10.0).mean, 10 * shrunken.mean)


def test_adaptive_shrinkage_of_the_unknown_and_the_absurd_is_finite() -> None:
    shrunken = adaptive_shrink([0.5, 50.0, 0.0], [np.inf, 0.1, 0.0])
    assert np.isfinite([shrunken.mean, shrunken.standard_deviation, shrunken.false_sign_rate]).all()
    assert abs(shrunken.mean[0]) < 1e-3
