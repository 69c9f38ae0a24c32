"""Two proportions when counts are small: exact tests, χ², G, and the pooled z; each arm is (successes, n)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Arm = tuple[int, int]
SMALL_EXPECTED_COUNT = 5


def exact_p_value(control: Arm, treatment: Arm, method: Literal["boschloo", "barnard", "fisher"] = "boschloo") -> float:
    """Two-sided exact p-value; Boschloo's test is never less powerful than Fisher's."""
    from scipy import stats

    table = _table(control, treatment)
    if method == "fisher":
        return float(stats.fisher_exact(table).pvalue)
    test = stats.barnard_exact if method == "barnard" else stats.boschloo_exact
    return float(test(table.T, alternative="two-sided").pvalue)


def contingency_p_value(
    control: Arm, treatment: Arm, statistic: Literal["pearson", "log-likelihood"] = "pearson", *, yates: bool = False
) -> float:
    """P-value of Pearson's χ² or of the G test, with Yates' correction on request."""
    from scipy import stats

    found = stats.chi2_contingency(_table(control, treatment), correction=yates, lambda_=statistic)
    return float(found.pvalue)


def pooled_z(control: Arm, treatment: Arm, alpha: float = 0.05) -> tuple[float, tuple[float, float]]:
    """Two-sided p-value and interval of the difference, both with the pooled standard error."""
    (s1, n1), (s2, n2) = control, treatment
    pooled = (s1 + s2) / (n1 + n2)
    error = float(np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2)))
    gap, reach = s2 / n2 - s1 / n1, float(ndtri(1 - alpha / 2)) * error
    return float(2 * ndtr(-abs(gap / error))), (gap - reach, gap + reach)


def is_small(control: Arm, treatment: Arm) -> bool:
    """Whether an expected count is below five, where the normal approximation fails."""
    table = _table(control, treatment)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return bool(expected.min() < SMALL_EXPECTED_COUNT)


def _table(control: Arm, treatment: Arm) -> NDArray[np.int64]:
    return np.array(
        [[treatment[0], treatment[1] - treatment[0]], [control[0], control[1] - control[0]]], dtype=np.int64
    )
