"""Intervals that hold although the weights followed the outcomes: augmented inverse-propensity scores.

After Thompson sampling the plain mean of an arm is biased downwards and its interval covers too rarely. The score of a
unit, m(a) + 1{A = a}(Y − m(a))/e(a), is unbiased for arm a whatever the rule, because its propensity e is known and m
uses only earlier epochs (Hadad et al. 2021; Waudby-Smith et al. 2022). All that is needed are sums per epoch and arm.

Its error is the expected one, by the arms' variances and the propensities. The scores' own spread depends on the few
units that an arm with a small propensity happened to get, and is smallest where these were unlucky: intervals by it
covered 80 % of the differences among ten arms instead of 95 %, and 12 % of four equal arms had a false difference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
POOLED_UNITS = 30.0  # that the variance of all arms together counts for in each arm's
CAUTION = 1.08  # times the expected error, for what is not normal in few units of large weight (simulated)


@dataclass(frozen=True, slots=True)
class Scores:
    """Means of the arms and of their differences, with standard errors.

    Attributes:
        n: units over all arms (…).
        mean: of each arm (…, K); likewise `standard_error`.
        contrast: row minus column (…, K, K); likewise `contrast_error`.
    """

    n: Array
    mean: Array
    standard_error: Array
    contrast: Array
    contrast_error: Array


def augmented_scores(n: Array, y: Array, yy: Array, propensity: Array, variance: Array | None = None) -> Scores:
    """Scores from sums per epoch and arm, each (…, B, K).

    Args:
        n: units; y: sums of their values; yy: sums of squares.
        propensity: probability of each arm in each epoch.
        variance: of each arm's values (…, K), that errors follow from; None: from the scores' own spread, as rule 2 had
            it.
    """
    per_epoch = n.sum(axis=-1)
    total = np.maximum(per_epoch.sum(axis=-1), 1.0)
    m = _earlier_means(n, y)
    e = np.where(propensity > 0, propensity, 1.0)  # where no unit could be assigned, none was
    residual = (y - n * m) / e
    square = (yy - 2 * m * y + n * np.square(m)) / np.square(e)
    arms = per_epoch[..., None]
    mean = (arms * m + residual).sum(axis=-2) / total[..., None]
    second = (arms * np.square(m) + 2 * m * residual + square).sum(axis=-2) / total[..., None]
    gap = m[..., :, None] - m[..., None, :]
    change = residual[..., :, None] - residual[..., None, :]
    both = square[..., :, None] + square[..., None, :]
    pair_second = (arms[..., None] * np.square(gap) + 2 * gap * change + both).sum(axis=-3) / total[..., None, None]
    contrast = mean[..., :, None] - mean[..., None, :]
    if variance is not None:
        error, contrast_error = _expected_errors(n, y, m, propensity, variance)
        return Scores(total, mean, error, contrast, contrast_error)
    return Scores(
        total,
        mean,
        _error(second, mean, total[..., None]),
        contrast,
        _error(pair_second, contrast, total[..., None, None]) * ~np.eye(n.shape[-1], dtype=bool),
    )


def _expected_errors(n: Array, y: Array, m: Array, propensity: Array, variance: Array) -> tuple[Array, Array]:
    """Standard errors of the mean scores (…, K) and of their differences (…, K, K), given all that was drawn before.

    A score's variance in an epoch is σ²/e + (μ − m)²·(1/e − 1), and two arms' covariance −(μ − m)·(μ' − m').
    """
    arms = n.sum(axis=-1)[..., None]
    e = np.where(propensity > 0, propensity, 1.0)
    gap = (y.sum(axis=-2) / np.maximum(n.sum(axis=-2), 1.0))[..., None, :] - m
    own = (arms * (variance[..., None, :] / e + np.square(gap) * (1 / e - 1))).sum(axis=-2)
    shared = np.swapaxes(arms * gap, -1, -2) @ gap
    both = own[..., :, None] + own[..., None, :] + 2 * shared
    total = np.maximum(arms.sum(axis=-2), 1.0)
    errors = np.sqrt(own) / total, np.sqrt(np.maximum(both, 0.0)) / total[..., None]
    return CAUTION * errors[0], CAUTION * errors[1] * ~np.eye(n.shape[-1], dtype=bool)


def pooled_variance(n: Array, y: Array, yy: Array) -> Array:
    """Variance of each arm's values (…, K), drawn towards that of all arms, by sums per epoch and arm (…, B, K)."""
    n, y, yy = (part.sum(axis=-2) for part in (n, y, yy))
    within = np.maximum(yy - np.square(y) / np.maximum(n, 1.0), 0.0)
    shared = within.sum(axis=-1, keepdims=True) / np.maximum(n.sum(axis=-1, keepdims=True) - n.shape[-1], 1.0)
    return np.asarray((within + POOLED_UNITS * shared) / np.maximum(n - 1 + POOLED_UNITS, 1.0), dtype=np.float64)


def augmented_ratio_scores(
    n: Array, y: Array, yy: Array, d: Array, dd: Array, yd: Array, propensity: Array, *, is_expected: bool = True
) -> Scores:
    """The same of ratios of two sums over units, linearized: each unit's score is (y − R·d) over the mean of d.

    Args:
        n: units; y, d: sums of numerators and denominators; yy, dd: of their squares; yd: of their products; (…, B, K).
        propensity: probability of each arm in each epoch.
        is_expected: whether errors follow from the arms' variances; False: from the scores' own spread.
    """
    below = augmented_scores(n, d, dd, propensity).mean
    below = np.where(below > 0, below, 1.0)
    ratio = augmented_scores(n, y, yy, propensity).mean / below
    r, scale = ratio[..., None, :], below[..., None, :]
    squares = (yy - 2 * r * yd + np.square(r) * dd) / np.square(scale)
    residuals = (y - r * d) / scale
    variance = pooled_variance(n, residuals, squares) if is_expected else None
    scores = augmented_scores(n, residuals, squares, propensity, variance)
    return replace(scores, mean=ratio, contrast=ratio[..., :, None] - ratio[..., None, :])


def _earlier_means(n: Array, y: Array) -> Array:
    """Mean of each arm over the epochs before; its first epoch with units, whose weights are fixed, may use its own."""
    before_n, before_y = np.cumsum(n, axis=-2), np.cumsum(y, axis=-2)
    running = before_y / np.maximum(before_n, 1.0)
    is_first = before_n == n
    earlier = np.concatenate([running[..., :1, :], running[..., :-1, :]], axis=-2)
    return np.where(is_first, running, earlier)


def _error(second_moment: Array, mean: Array, total: Array) -> Array:
    return np.sqrt(np.maximum(second_moment - np.square(mean), 0.0) / total)
