"""Tests that are right at one look, planned beforehand: Welch's, pooled Student's, two rates of rare events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtr, stdtrit

from tasks.experiments.moments import Moments

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Treatment against control: estimate, standard error, degrees of freedom; arrays of any one shape."""

    estimate: Array
    standard_error: Array
    degrees_of_freedom: Array

    def two_sided_p_value(self) -> Array:
        """Against 'no difference'."""
        return np.asarray(2 * stdtr(self.degrees_of_freedom, -np.abs(self.z)), dtype=np.float64)

    def greater_p_value(self) -> Array:
        """Against 'treatment is not greater'."""
        return np.asarray(stdtr(self.degrees_of_freedom, -self.z), dtype=np.float64)

    def half_width(self, alpha: ArrayLike, *, sides: int = 2) -> Array:
        """Of the interval with confidence 1 − α."""
        quantile = stdtrit(self.degrees_of_freedom, 1 - np.asarray(alpha) / sides)
        return np.asarray(quantile * self.standard_error, dtype=np.float64)

    @property
    def z(self) -> Array:
        """Estimate over standard error; zero where there is no variance to judge by."""
        known = self.standard_error > 0
        return np.where(known, self.estimate / np.where(known, self.standard_error, 1.0), 0.0)


def difference(control: Moments, treatment: Moments) -> Comparison:
    """Difference of means (Welch 1947)."""
    parts = _variances(control, treatment)
    return Comparison(treatment.mean - control.mean, np.sqrt(parts[0] + parts[1]), _welch(control, treatment, *parts))


def relative_lift(control: Moments, treatment: Moments) -> Comparison:
    """Difference over the control's mean, by the delta method; degrees of freedom of the difference."""
    parts = _variances(control, treatment)
    base = np.abs(control.mean)
    variance = parts[1] / np.square(base) + parts[0] * np.square(treatment.mean) / base**4
    lift = (treatment.mean - control.mean) / base
    return Comparison(lift, np.sqrt(variance), _welch(control, treatment, *parts))


def lift_is_defined(control: Moments) -> NDArray[np.bool_]:
    """Whether the control's mean is far enough from zero (3 standard errors) for a relative lift to mean anything."""
    return np.abs(control.mean) > 3 * control.standard_error


def pooled_difference(control: Moments, treatment: Moments) -> Comparison:
    """Difference of means under one common variance (Student)."""
    freedom = control.n + treatment.n - 2
    pooled = ((control.n - 1) * control.variance + (treatment.n - 1) * treatment.variance) / np.maximum(freedom, 1)
    error = np.sqrt(pooled * (1 / control.n + 1 / treatment.n))
    return Comparison(treatment.mean - control.mean, error, freedom)


def event_rates(events: tuple[float, float], exposure: tuple[float, float]) -> dict[str, tuple[float, float]]:
    """Two rates of rare events: statistic and two-sided p of the Wald, score and square-root tests (Gu et al. 2008)."""
    (c1, c2), (n1, n2) = events, exposure
    gap, pooled, share = c1 / n1 - c2 / n2, (c1 + c2) / (n1 + n2), n1 / n2
    z = {
        "wald": gap / np.sqrt(c1 / n1**2 + c2 / n2**2),
        "score": gap / np.sqrt(pooled * (1 / n1 + 1 / n2)),
        "sqrt": 2 * (np.sqrt(c1 + 0.375) - np.sqrt(share * (c2 + 0.375))) / np.sqrt(1 + share),
    }
    return {name: (float(value), float(2 * ndtr(-abs(value)))) for name, value in z.items()}


def _variances(control: Moments, treatment: Moments) -> tuple[Array, Array]:
    return control.variance / np.maximum(control.n, 1), treatment.variance / np.maximum(treatment.n, 1)


def _welch(control: Moments, treatment: Moments, of_control: Array, of_treatment: Array) -> Array:
    spread = np.square(of_control) / np.maximum(control.n - 1, 1)
    spread = spread + np.square(of_treatment) / np.maximum(treatment.n - 1, 1)
    known = spread > 0
    freedom = np.square(of_control + of_treatment) / np.where(known, spread, 1.0)
    return np.where(known, freedom, np.maximum(control.n + treatment.n - 2, 1))
