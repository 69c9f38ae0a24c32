from __future__ import annotations

import numpy as np
import pytest

from tasks.experiments.inference.adaptive_inference import augmented_scores

RNG = np.random.default_rng(4)


def unit_scores(
    arm: np.ndarray, value: np.ndarray, epoch: np.ndarray, propensity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The definition, unit by unit: means and covariance of the scores."""
    epochs, arms = propensity.shape
    scores = np.zeros((len(arm), arms))
    for t in range(epochs):
        before = epoch <= t if t == 0 else epoch < t
        m = np.array([value[before & (arm == a)].mean() for a in range(arms)])
        here = epoch == t
        scores[here] = m
        drawn = np.flatnonzero(here)
        scores[drawn, arm[drawn]] += (value[drawn] - m[arm[drawn]]) / propensity[t, arm[drawn]]
    return scores.mean(axis=0), np.cov(scores.T, bias=True) / len(arm)


def test_sums_give_the_same_scores_as_units_one_by_one() -> None:
    propensity = np.array([[0.3, 0.3, 0.4], [0.1, 0.1, 0.8], [0.05, 0.15, 0.8]])
    epoch = np.repeat([0, 1, 2], [300, 200, 500])
    arm = np.array([RNG.choice(3, p=propensity[t]) for t in epoch])
    value = RNG.normal(5 + arm, 2)
    sums = np.zeros((3, 3, 3))
    for power in range(3):
        np.add.at(sums[power], (epoch, arm), value**power)
    found = augmented_scores(*sums, propensity)
    mean, covariance = unit_scores(arm, value, epoch, propensity)
    assert found.mean == pytest.approx(mean)
    assert found.standard_error == pytest.approx(np.sqrt(np.diag(covariance)))
    variance = covariance[0, 0] + covariance[2, 2] - 2 * covariance[0, 2]
    assert found.contrast[2, 0] == pytest.approx(mean[2] - mean[0])
    assert found.contrast_error[2, 0] == pytest.approx(np.sqrt(variance))
