"""The contrast is the fixed-effects regression, with errors that survive weeks that share their luck."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from tasks.statistics.contrast import stratified_contrast, stratified_design


def _posts(seed: int, n: int = 600, weeks: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    week = np.sort(generator.integers(0, weeks, n))
    stratum = generator.integers(0, 3, n)
    rules = generator.random((n, 4)) < 0.2 + 0.2 * stratum[:, None]
    return rules, generator.normal(0, 1, n), stratum, week


def test_estimate_is_the_regression_with_stratum_dummies() -> None:
    rules, noise, stratum, week = _posts(1)
    y = noise + 0.5 * rules[:, 0] + stratum
    found = stratified_contrast(rules, y, stratum, week)
    for k in range(4):
        columns = np.column_stack([rules[:, k], np.eye(3)[stratum]]).astype(float)
        assert found.estimate[k] == pytest.approx(np.linalg.lstsq(columns, y)[0][0])


def test_controls_are_taken_out() -> None:
    rules, noise, stratum, week = _posts(2, n=4000)
    y = noise + 1.0 * rules[:, 1]
    rules[:, 0] = np.where(np.random.default_rng(0).random(4000) < 0.8, rules[:, 1], rules[:, 0])
    plain = stratified_contrast(rules[:, :1], y, stratum, week)
    adjusted = stratified_contrast(rules[:, :1], y, stratum, week, controls=rules[:, 1:2].astype(float))
    assert plain.estimate[0] > 0.6
    assert abs(adjusted.estimate[0]) < 3 * adjusted.standard_error[0]


def test_rows_with_a_missing_feature_say_nothing_about_that_rule() -> None:
    rules, y, stratum, week = _posts(3)
    valid = np.random.default_rng(4).random(rules.shape) < 0.7
    found = stratified_contrast(rules & valid, y, stratum, week, valid=valid)
    for k in range(4):
        rows = valid[:, k]
        alone = stratified_contrast(rules[rows][:, k : k + 1], y[rows], stratum[rows], week[rows])
        assert found.estimate[k] == pytest.approx(alone.estimate[0])
        assert found.standard_error[k] == pytest.approx(alone.standard_error[0], rel=1e-6)


def test_a_rule_constant_within_strata_gives_no_estimate_and_no_nan() -> None:
    _, y, stratum, week = _posts(5)
    rules = np.column_stack([stratum == 1, np.zeros(600, dtype=bool), np.ones(600, dtype=bool)])
    found = stratified_contrast(rules, y, stratum, week)
    assert found.estimate.tolist() == [0, 0, 0]
    assert np.isinf(found.standard_error).all()
    assert np.isfinite(found.degrees_of_freedom).all()


def test_one_design_serves_several_outcomes() -> None:
    rules, y, stratum, week = _posts(6)
    design = stratified_design(rules, stratum, week)
    assert np.allclose(design.contrast(2 * y + stratum).estimate, 2 * design.contrast(y).estimate + 0.0)


def test_intervals_cover_when_weeks_share_their_luck_and_a_rule_is_bunched() -> None:
    """Independent-rows errors cover far less than they say; the clustered ones keep their word."""
    generator = np.random.default_rng(7)
    covered = {"clustered": 0, "iid": 0}
    replicates = 400
    for _ in range(replicates):
        week = np.repeat(np.arange(20), 20)
        rule = (generator.random(400) < generator.beta(1, 2, 20)[week])[:, None]
        y = generator.normal(0, 1, 400) + generator.normal(0, 0.5, 20)[week]
        found = stratified_contrast(rule, y, np.zeros(400, dtype=int), week)
        quantile = student.ppf(0.975, found.degrees_of_freedom[0])
        covered["clustered"] += abs(found.estimate[0]) < quantile * found.standard_error[0]
        covered["iid"] += abs(found.estimate[0]) < 1.96 * found.iid_standard_error[0]
    assert 0.92 <= covered["clustered"] / replicates <= 0.985
    assert covered["iid"] / replicates < 0.85
