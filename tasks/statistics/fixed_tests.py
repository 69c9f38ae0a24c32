"""Tests of two arms that were looked at once, at their planned size, by the names that other tools know them by.

What is right for proportions, for counts of events and for means differs, and a finished experiment's plan names its
own. Exact and contingency tests are SciPy's; all are two-sided.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr

Arm = tuple[float, float, float]  # units, mean, variance
Counts = tuple[float, float]  # successes or events, units or exposure
EXACT_UNITS = 2000  # of both arms: beyond, an exact test takes minutes and says what the score test says


def p_value_of_means(test: str, control: Arm, treatment: Arm) -> float:
    """Of two means by Student's test (pooled variance) or Welch's."""
    (n, mean, variance), (m, other, spread) = control, treatment
    if test == "student":
        freedom, pooled = n + m - 2, ((n - 1) * variance + (m - 1) * spread) / (n + m - 2)
        error = sqrt(pooled * (1 / n + 1 / m))
    else:
        own, others = variance / n, spread / m
        error = sqrt(own + others)
        freedom = (own + others) ** 2 / (own**2 / (n - 1) + others**2 / (m - 1)) if error else 1.0
    return float(2 * stdtr(freedom, -abs(other - mean) / error)) if error > 0 else 1.0


def p_value_of_counts(test: str, control: Counts, treatment: Counts) -> float:
    """Of two proportions (successes of units), or of two rates of events (of exposure)."""
    return float(min(COUNT_TESTS[test](control, treatment), 1.0))


def _table(control: Counts, treatment: Counts) -> NDArray[np.int64]:
    counts = np.array([[control[0], treatment[0]], [control[1] - control[0], treatment[1] - treatment[0]]])
    return np.asarray(np.rint(counts), dtype=np.int64)


def _pooled_z(control: Counts, treatment: Counts) -> float:
    (s, n), (t, m) = control, treatment
    middle = (s + t) / (n + m)
    error = sqrt(middle * (1 - middle) * (1 / n + 1 / m))
    return float(2 * ndtr(-abs(s / n - t / m) / error)) if error > 0 else 1.0


def _pearson_yates(control: Counts, treatment: Counts) -> float:
    return _contingency(control, treatment, has_correction=True, is_likelihood=False)


def _g(control: Counts, treatment: Counts) -> float:
    return _contingency(control, treatment, has_correction=False, is_likelihood=True)


def _g_yates(control: Counts, treatment: Counts) -> float:
    return _contingency(control, treatment, has_correction=True, is_likelihood=True)


def _contingency(control: Counts, treatment: Counts, *, has_correction: bool, is_likelihood: bool) -> float:
    from scipy.stats import chi2_contingency  # scipy.stats takes .8 s to import, and few ask for these tests

    table = _table(control, treatment)
    if not table.sum(axis=1).all():
        return 1.0
    power = 0.0 if is_likelihood else 1.0  # of Cressie and Read's family
    return float(chi2_contingency(table, correction=has_correction, lambda_=power).pvalue)


def _fisher(control: Counts, treatment: Counts) -> float:
    from scipy.stats import fisher_exact

    return float(fisher_exact(_table(control, treatment)).pvalue)


def _barnard(control: Counts, treatment: Counts) -> float:
    from scipy.stats import barnard_exact

    if control[1] + treatment[1] > EXACT_UNITS:
        return _pooled_z(control, treatment)
    return float(barnard_exact(_table(control, treatment), pooled=True).pvalue)


def _boschloo(control: Counts, treatment: Counts) -> float:
    from scipy.stats import boschloo_exact

    if control[1] + treatment[1] > EXACT_UNITS:
        return _fisher(control, treatment)
    return float(boschloo_exact(_table(control, treatment)).pvalue)


def _poisson_wald(control: Counts, treatment: Counts) -> float:
    (s, n), (t, m) = control, treatment
    return _normal(s / n - t / m, s / n**2 + t / m**2)


def _poisson_score(control: Counts, treatment: Counts) -> float:
    (s, n), (t, m) = control, treatment
    return _normal(s / n - t / m, (s + t) / (n + m) * (1 / n + 1 / m))


def _poisson_sqrt(control: Counts, treatment: Counts) -> float:
    """Events under a square root have the same variance whatever their rate (Gu, Ng, Tang & Schucany 2008)."""
    (s, n), (t, m) = control, treatment
    ratio = n / m
    return _normal(2 * (sqrt(s + 0.375) - sqrt(ratio * (t + 0.375))), 1 + ratio)


def _normal(difference: float, variance: float) -> float:
    return float(2 * ndtr(-abs(difference) / sqrt(variance))) if variance > 0 else 1.0


COUNT_TESTS: Final[dict[str, Callable[[Counts, Counts], float]]] = {
    "pooled-z": _pooled_z,
    "pearson-yates": _pearson_yates,
    "g": _g,
    "g-yates": _g_yates,
    "fisher": _fisher,
    "barnard": _barnard,
    "boschloo": _boschloo,
    "poisson-wald": _poisson_wald,
    "poisson-score": _poisson_score,
    "poisson-sqrt": _poisson_sqrt,
}
PROPORTION_TESTS: Final = frozenset(name for name in COUNT_TESTS if not name.startswith("poisson"))
MEAN_TESTS: Final = frozenset({"welch", "student"})
