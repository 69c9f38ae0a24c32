"""Arms compared in pairs, as many as there are at once: the fixed test and the always-valid one side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from tasks.experiments.fixed_tests import difference
from tasks.experiments.moments import Moments
from tasks.statistics import confidence_sequences

Array = NDArray[np.float64]
Real = float | Array


@dataclass(frozen=True, slots=True)
class Compared:
    """Treatment minus control, arrays of any one shape.

    Attributes:
        p_value: of the fixed test, right at one planned look.
        always_valid_p_value: right at every look.
        half_width: of the always-valid interval.
    """

    estimate: Array
    standard_error: Array
    degrees_of_freedom: Array
    p_value: Array
    always_valid_p_value: Array
    half_width: Array

    @property
    def z(self) -> Array:
        """Estimate over standard error; zero where there is no variance to judge by."""
        return _z(self.estimate, self.standard_error)

    def fixed_half_width(self, alpha: Real) -> Array:
        """Of the interval that is right at one planned look."""
        return np.asarray(stdtrit(self.degrees_of_freedom, 1 - alpha / 2) * self.standard_error, dtype=np.float64)


def compare(control: Moments, treatment: Moments, *, alpha: Real, n_star: Real) -> Compared:
    """Compare arms from their sufficient statistics.

    Args:
        control: arrays of any shape; likewise `treatment`.
        alpha: level of each always-valid interval.
        n_star: units of both arms where it is narrowest.
    """
    found = difference(control, treatment)
    n = control.n + treatment.n
    return Compared(
        found.estimate,
        found.standard_error,
        found.degrees_of_freedom,
        found.two_sided_p_value(),
        confidence_sequences.p_value(found.z, n, alpha, n_star),
        confidence_sequences.half_width(found.standard_error, n, alpha, n_star),
    )


def from_estimates(estimate: Array, error: Array, n: Real, *, alpha: Real, n_star: Real) -> Compared:
    """The same from estimates that are not differences of means, such as weighted scores."""
    z = _z(estimate, error)
    return Compared(
        estimate,
        error,
        np.full_like(error, np.inf),
        np.asarray(2 * ndtr(-np.abs(z)), dtype=np.float64),
        confidence_sequences.p_value(z, n, alpha, n_star),
        confidence_sequences.half_width(error, n, alpha, n_star),
    )


def _z(estimate: Array, error: Array) -> Array:
    known = error > 0
    return np.where(known, estimate / np.where(known, error, 1.0), 0.0)
