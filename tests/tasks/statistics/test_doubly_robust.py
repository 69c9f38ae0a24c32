"""The doubly-robust effect removes what covariates know, and admits where nothing can be compared."""

from __future__ import annotations

import numpy as np

from tasks.statistics.doubly_robust import doubly_robust_effect


def _confounded(effect: float, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    g = np.random.default_rng(4)
    covariates = g.normal(size=(2000, 4))
    treated = g.random(2000) < 1 / (1 + np.exp(-strength * covariates[:, 0] * 1.5))
    outcome = np.sin(covariates[:, 0] * 2) + covariates[:, 0] + effect * treated + g.normal(0, 0.7, 2000)
    quarters = np.digitize(covariates, np.quantile(covariates, np.linspace(0.05, 0.95, 12)))
    indicators = (quarters[:, :, None] == np.arange(13)).reshape(2000, -1).astype(float)
    return treated, outcome, indicators, np.arange(2000) // 50


def test_a_confounded_null_is_near_zero_and_a_true_effect_is_covered() -> None:
    for effect in (0.0, 0.5):
        treated, outcome, covariates, week = _confounded(effect)
        found = doubly_robust_effect(treated, outcome, covariates, week)
        assert found is not None
        raw = outcome[treated].mean() - outcome[~treated].mean()
        assert raw - effect > 0.8
        assert found.interval[0] - 0.05 < effect < found.interval[1] + 0.05
        assert found.trusted


def test_no_overlap_is_said() -> None:
    treated, outcome, covariates, week = _confounded(0.5, strength=20.0)
    found = doubly_robust_effect(treated, outcome, covariates, week)
    assert found is not None
    assert not found.trusted
    assert found.overlap_share < 0.5


def test_too_few_rows_on_one_side_is_no_estimate() -> None:
    _, outcome, covariates, week = _confounded(0.0)
    assert doubly_robust_effect(np.arange(2000) < 20, outcome, covariates, week) is None
