"""What experiments say of conditions that their arms meet or do not: the only comparison here that was randomized.

Arms are compared within their experiment alone. Two arms that differ in one condition mostly differ in others too, so
that one experiment says little of any of them; how much arms differ beyond chance (σ²) is learned from all of them, and
is part of the error. Of arms that declare what was changed less is to be expected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Spread of log click rates between headlines of one story under one picture in the archive of Upworthy, and a guess
# of it where arms say what was changed: one change helps one text more than another.
PRIOR_SPREAD_OF_TEXTS, PRIOR_SPREAD_OF_CHANGES = 0.3, 0.1
PRIOR_WEIGHT = 5.0  # comparisons that the prior spread counts for
ENOUGH_CLUSTERS = 20  # from which on errors by experiment are worth looking at


@dataclass(frozen=True, slots=True)
class ComparedArms:
    """n arms of experiments.

    Attributes:
        experiment: (n,) codes.
        log_mean: (n,) log of the mean outcome, turned over where less is better.
        variance: (n,) its sampling variance.
        declared: (n,) whether the experiment says in what its arms differ.
    """

    experiment: Codes
    log_mean: Floats
    variance: Floats
    declared: Mask


@dataclass(frozen=True, slots=True)
class WithinExperiments:
    """Effects of K conditions: log ratios (K,), standard errors (K,), infinite where no experiment compares, and how
    many do (K,)."""

    effect: Floats
    standard_error: Floats
    experiments: Codes


def within_experiments(arms: ComparedArms, meets: Mask, known: Mask) -> WithinExperiments:
    """Effects of K conditions.

    Args:
        arms: n of them.
        meets: (n, K) which arms meet which condition.
        known: (n, K) of which arms that can be said; the others take no part.
    """
    total = arms.variance + _spread_squared(arms)
    one_each = [_effect(arms, total, meets[:, k], known[:, k]) for k in range(meets.shape[1])]
    return WithinExperiments(
        np.array([one[0] for one in one_each]),
        np.array([one[1] for one in one_each]),
        np.array([one[2] for one in one_each], dtype=np.int64),
    )


def _spread_squared(arms: ComparedArms) -> Floats:
    """σ² (n,) of arms of one experiment beyond chance, by DerSimonian and Laird (1986), drawn to the prior's."""
    spread = np.zeros(len(arms.log_mean))
    for declared, prior in ((False, PRIOR_SPREAD_OF_TEXTS), (True, PRIOR_SPREAD_OF_CHANGES)):
        chosen = arms.declared == declared
        if not chosen.any():
            continue
        weight, codes = 1.0 / arms.variance[chosen], arms.experiment[chosen]
        total = np.bincount(codes, weight)
        off = arms.log_mean[chosen] - _mean_within(arms.log_mean[chosen], weight, codes)
        freedom = chosen.sum() - np.count_nonzero(total)
        squares = np.bincount(codes, weight**2, minlength=len(total))
        scale = float((total - np.divide(squares, total, out=np.zeros_like(total), where=total > 0)).sum())
        learned = max((float((weight * off**2).sum()) - freedom) / scale, 0.0) if scale > 0.0 else 0.0
        spread[chosen] = (freedom * learned + PRIOR_WEIGHT * prior**2) / (freedom + PRIOR_WEIGHT)
    return spread


def _effect(arms: ComparedArms, variance: Floats, meets: Mask, known: Mask) -> tuple[float, float, int]:
    """Weighted difference within experiments, its error (the larger of the model's and that of whole experiments)."""
    rows = np.flatnonzero(known)
    codes = arms.experiment[rows]
    met = np.bincount(codes, meets[rows])
    compares = (met > 0) & (met < np.bincount(codes))
    rows = rows[compares[codes]]
    if not len(rows):
        return 0.0, np.inf, 0
    codes, weight = arms.experiment[rows], 1.0 / variance[rows]
    x = meets[rows] - _mean_within(meets[rows].astype(np.float64), weight, codes)
    y = arms.log_mean[rows] - _mean_within(arms.log_mean[rows], weight, codes)
    information = float((weight * x**2).sum())
    effect = float((weight * x * y).sum()) / information
    error = information**-0.5
    if compares.sum() >= ENOUGH_CLUSTERS:
        scores = np.bincount(codes, weight * x * (y - effect * x))
        error = max(error, float(np.sqrt((scores**2).sum())) / information)
    return effect, error, int(compares.sum())


def _mean_within(values: Floats, weight: Floats, codes: Codes) -> Floats:
    """The weighted mean (n,) of each value's experiment."""
    total = np.bincount(codes, weight)
    mean: Floats = (np.bincount(codes, weight * values) / np.where(total > 0.0, total, 1.0))[codes]
    return mean
