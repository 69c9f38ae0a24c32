"""Intervals that hold although the weights followed the outcomes: augmented inverse-propensity scores.

After Thompson sampling the plain mean of an arm is biased downwards and its interval covers too rarely. The score of a
unit, m(a) + 1{A = a}(Y − m(a))/e(a), is unbiased for arm a whatever the rule, because its propensity e is known and m
uses only earlier epochs (Hadad et al. 2021; Waudby-Smith et al. 2022). All that is needed are sums per epoch and arm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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


def augmented_scores(n: Array, y: Array, yy: Array, propensity: Array) -> Scores:
    """Scores from sums per epoch and arm, each (…, B, K).

    Args:
        n: units; y: sums of their values; yy: sums of squares.
        propensity: probability of each arm in each epoch.
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
    return Scores(
        total,
        mean,
        _error(second, mean, total[..., None]),
        contrast,
        _error(pair_second, contrast, total[..., None, None]) * ~np.eye(n.shape[-1], dtype=bool),
    )


def augmented_ratio_scores(n: Array, y: Array, yy: Array, d: Array, dd: Array, yd: Array, propensity: Array) -> Scores:
    """The same of ratios of two sums over units, linearized: each unit's score is (y − R·d) over the mean of d.

    Args:
        n: units; y, d: sums of numerators and denominators; yy, dd: of their squares; yd: of their products; (…, B, K).
        propensity: probability of each arm in each epoch.
    """
    below = augmented_scores(n, d, dd, propensity).mean
    below = np.where(below > 0, below, 1.0)
    ratio = augmented_scores(n, y, yy, propensity).mean / below
    r, scale = ratio[..., None, :], below[..., None, :]
    squares = (yy - 2 * r * yd + np.square(r) * dd) / np.square(scale)
    scores = augmented_scores(n, (y - r * d) / scale, squares, propensity)
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
