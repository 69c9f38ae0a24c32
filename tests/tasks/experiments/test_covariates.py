"""A covariate from before takes variance away although some units have none, whatever its offset, in ratios and after
adaptive weights too; it never moves an effect."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.experiments.inference.arm_statistics import ArmSums
from tasks.experiments.inference.comparisons import compare
from tasks.experiments.records import MetricKind

Array = np.ndarray
HALF = np.array([[0.5, 0.5]])


def sums_of(
    y: Array, x: Array, arm: Array, epoch: Array | None = None, d: Array | None = None, kind: str = "continuous"
) -> ArmSums:
    """Sums as the warehouse keeps them, NaN where a unit has no covariate; less an origin each, as they are there."""
    epoch, d = np.zeros(len(y), int) if epoch is None else epoch, np.ones(len(y)) if d is None else d
    h = np.isfinite(x).astype(float)
    x = np.where(h > 0, x - x[h > 0][0], 0.0) if h.any() else np.zeros(len(y))
    parts = {"n": y * 0 + 1, "y": y, "yy": y * y, "d": d, "dd": d * d, "yd": y * d, "with_covariate": h}
    parts |= {"x": x, "xx": x * x, "xy": x * y, "hy": h * y, "hd": h * d, "xd": x * d, "negative": (y < 0) + 0.0}
    cell, shape = epoch * 2 + arm, (int(epoch.max()) + 1, 2)
    made = {name: np.bincount(cell, part, minlength=shape[0] * 2).reshape(shape) for name, part in parts.items()}
    return ArmSums(made, 0.0, MetricKind(kind))


def effect(sums: ArmSums) -> tuple[float, float]:
    moments = sums.moments()
    compared = compare(moments.at(0), moments.at(1), alpha=0.05, n_star=1e4)
    return float(compared.estimate), float(compared.standard_error)


def drawn(seed: int, n: int = 4000, missing: float = 0.0, offset: float = 0.0) -> tuple[Array, Array, Array]:
    """Values that a covariate explains nine tenths of; units without one are half a deviation lower."""
    rng = np.random.default_rng(seed)
    x, arm, is_new = rng.normal(0, 3, n), rng.integers(0, 2, n), rng.random(n) < missing
    y = x + rng.normal(0, 1, n) + 0.2 * arm - 1.5 * is_new
    return y, np.where(is_new, np.nan, x + offset), arm


def test_one_unit_without_a_covariate_costs_nothing() -> None:
    y, x, arm = drawn(1)
    whole = sums_of(y, x, arm).adjusted()
    x[17] = np.nan
    partial = sums_of(y, x, arm).adjusted()
    assert whole is not None
    assert partial is not None
    assert effect(whole)[1] == pytest.approx(0.0316, rel=0.05)
    assert effect(partial)[1] == pytest.approx(effect(whole)[1], rel=0.03)
    assert effect(sums_of(y, x, arm))[1] > 3 * effect(partial)[1]


@pytest.mark.parametrize("missing", [0.1, 0.5, 0.9])
def test_the_gain_falls_with_the_share_that_has_none_and_having_one_is_a_covariate_too(missing: float) -> None:
    y, x, arm = drawn(2, missing=missing)
    adjusted = sums_of(y, x, arm).adjusted()
    assert adjusted is not None
    expected = 2 * np.sqrt((1 + 9 * missing) / len(y))
    assert effect(adjusted)[1] == pytest.approx(expected, rel=0.06)
    design = np.column_stack([np.ones(len(y)), np.where(np.isfinite(x), x - np.nanmean(x), 0), np.isfinite(x)])
    slopes = np.linalg.lstsq(design, y, rcond=None)[0][1:]
    by_hand = y - design[:, 1:] @ slopes
    assert effect(adjusted)[0] == pytest.approx(by_hand[arm == 1].mean() - by_hand[arm == 0].mean(), abs=1e-9)


@pytest.mark.parametrize("offset", [1e6, 1e8, 1e12])
def test_an_offset_keeps_the_gain(offset: float) -> None:
    y, x, arm = drawn(3, missing=0.05, offset=offset)
    plain, _, _ = drawn(3, missing=0.05)
    shifted, at_zero = sums_of(y, x, arm).adjusted(), sums_of(plain, x - offset, arm).adjusted()
    assert shifted is not None
    assert at_zero is not None
    assert effect(shifted) == pytest.approx(effect(at_zero), rel=1e-3)


def test_equal_arms_differ_as_often_as_they_should_and_a_true_effect_is_held() -> None:
    z = []
    for seed in range(400):
        adjusted = sums_of(*drawn(100 + seed, n=600, missing=0.3)).adjusted()
        assert adjusted is not None
        found, error = effect(adjusted)
        z.append((found - 0.2) / error)
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.05, abs=0.022)
    assert abs(np.mean(z)) < 0.12


def test_a_ratio_is_adjusted_too() -> None:
    rng, n, z, gains = np.random.default_rng(4), 1500, [], []
    for _ in range(200):
        level, arm, is_new = rng.gamma(4, 0.25, n), rng.integers(0, 2, n), rng.random(n) < 0.2
        d = rng.poisson(5, n) + 1.0
        y = d * (level + rng.normal(0, 0.2, n)) * (1 + 0.05 * arm)
        plain = sums_of(y, np.where(is_new, np.nan, level), arm, d=d, kind="ratio")
        adjusted = plain.adjusted()
        assert adjusted is not None
        found, error = effect(adjusted)
        z.append((found - 0.05) / error)
        gains.append(error / effect(plain)[1])
    assert np.mean(gains) < 0.66
    assert np.mean(np.abs(z) > 1.96) <= 0.05 + 0.031


def test_weighted_scores_after_adaptive_allocation_are_adjusted_too() -> None:
    rng, z, gains = np.random.default_rng(5), [], []
    for _ in range(200):
        epoch = np.repeat([0, 1, 2], 500)
        share = np.array([0.5, 0.3, 0.1])[epoch]
        arm = (rng.random(1500) < share).astype(int)
        x = np.where(rng.random(1500) < 0.2, np.nan, rng.normal(0, 2, 1500) + epoch)
        y = np.nan_to_num(x) + rng.normal(0, 1, 1500) + 0.3 * arm
        propensity = np.column_stack([1 - np.array([0.5, 0.3, 0.1]), np.array([0.5, 0.3, 0.1])])
        plain = sums_of(y, x, arm, epoch)
        adjusted = plain.adjusted()
        assert adjusted is not None
        scores, before = adjusted.augmented_scores(propensity), plain.augmented_scores(propensity)
        z.append((scores.contrast[1, 0] - 0.3) / scores.contrast_error[1, 0])
        gains.append(scores.contrast_error[1, 0] / before.contrast_error[1, 0])
    assert np.mean(gains) < 0.7
    assert np.mean(np.abs(z) > 1.96) <= 0.05 + 0.031


@pytest.mark.parametrize("x", [np.full(400, np.nan), np.full(400, 7.0), np.full(400, 1e12)])
def test_a_covariate_that_says_nothing_adjusts_nothing(x: Array) -> None:
    rng = np.random.default_rng(6)
    assert sums_of(rng.normal(0, 1, 400), x, rng.integers(0, 2, 400)).adjusted() is None
