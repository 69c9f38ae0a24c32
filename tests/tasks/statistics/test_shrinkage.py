"""Shrinkage takes the winner's curse out of selected estimates."""

from __future__ import annotations

import numpy as np

from tasks.statistics.shrinkage import MIN_PRIOR_VARIANCE, prior_variance, shrink


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
