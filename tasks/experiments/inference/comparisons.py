"""Arms compared in pairs, as many as there are at once: the fixed test and the always-valid one side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from tasks.experiments.inference import heavy_tails
from tasks.experiments.inference.arm_statistics import Moments
from tasks.statistics import confidence_sequences
from tasks.statistics.welch import MeanDifference, mean_difference, relative_difference, z_scores

Array = NDArray[np.float64]
Real = float | Array
FARTHEST_QUANTILE = 8.0  # normal quantile beyond which Student's is extrapolated in proportion


@dataclass(frozen=True, slots=True)
class Comparison:
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
        return z_scores(self.estimate, self.standard_error)

    @property
    def normal_z(self) -> Array:
        """The normal quantile that is as improbable as the estimate is by Student's t."""
        z, is_known = self.z, self.standard_error > 0
        tail = stdtr(np.where(is_known, self.degrees_of_freedom, 1.0), -np.abs(z))
        return np.asarray(np.where(is_known, np.sign(z) * -ndtri(tail), 0.0), dtype=np.float64)

    def reach(self, bound: Array) -> Array:
        """How far from zero an estimate must be for its normal quantile to reach a bound."""
        near = np.minimum(bound, FARTHEST_QUANTILE)
        freedom = np.where(self.standard_error > 0, self.degrees_of_freedom, 1.0)
        stretch = np.where(near > 0, -stdtrit(freedom, ndtr(-near)) / np.where(near > 0, near, 1.0), 1.0)
        return np.asarray(bound * stretch * self.standard_error, dtype=np.float64)

    def fixed_half_width(self, alpha: Real) -> Array:
        """Of the interval that is right at one planned look."""
        return np.asarray(stdtrit(self.degrees_of_freedom, 1 - alpha / 2) * self.standard_error, dtype=np.float64)


def compare(control: Moments, treatment: Moments, *, alpha: Real, n_star: Real) -> Comparison:
    """Compare arms from their sufficient statistics.

    Args:
        control: arrays of any shape; likewise `treatment`.
        alpha: level of each always-valid interval.
        n_star: units of both arms where it is narrowest.
    """
    difference, n = difference_of(control, treatment), control.n + treatment.n
    error = difference.standard_error * _quantile_ratio(_plain_difference(control, treatment), difference, alpha)
    return Comparison(
        difference.estimate,
        difference.standard_error,
        difference.degrees_of_freedom,
        difference.two_sided_p_value(),
        confidence_sequences.p_value(z_scores(difference.estimate, error), n, alpha, n_star),
        confidence_sequences.half_width(error, n, alpha, n_star),
    )


def _quantile_ratio(plain: MeanDifference, difference: MeanDifference, alpha: Real) -> Array:
    """Sequences are normal; many units make them so, but not where few of them hold the metric."""
    before, after = (stdtrit(one.degrees_of_freedom, np.asarray(alpha) / 2) for one in (plain, difference))
    return np.asarray(after / before, dtype=np.float64)


def tail_factor(control: Moments, treatment: Moments, alpha: Real) -> Array:
    """How much wider an interval is where few units hold most of a metric; 1 for others, and for proportions."""
    plain, difference = _plain_difference(control, treatment), difference_of(control, treatment)
    if control.is_coin or control.kurtosis is None:
        return np.ones_like(plain.standard_error)
    is_known = plain.standard_error > 0
    wider = difference.standard_error / np.where(is_known, plain.standard_error, 1.0)
    return np.where(is_known, wider * _quantile_ratio(plain, difference, alpha), 1.0)


def compare_relative(control: Moments, treatment: Moments, *, alpha: Real, n_star: Real) -> Comparison:
    """The same of differences relative to the size of the control's mean."""
    arms = ((arm.mean, arm.variance, arm.n) for arm in (treatment, control))
    difference, n = relative_difference(*arms), control.n + treatment.n
    return Comparison(
        difference.estimate,
        difference.standard_error,
        difference.degrees_of_freedom,
        difference.two_sided_p_value(),
        confidence_sequences.p_value(difference.z, n, alpha, n_star),
        confidence_sequences.half_width(difference.standard_error, n, alpha, n_star),
    )


def difference_of(control: Moments, treatment: Moments) -> MeanDifference:
    """Difference of two arms' means, treatment minus control (Welch); wider where a few units hold most of a metric."""
    return heavy_tails.widened(control, treatment, _plain_difference(control, treatment))


def _plain_difference(control: Moments, treatment: Moments) -> MeanDifference:
    return mean_difference(
        (treatment.mean, treatment.variance, treatment.n), (control.mean, control.variance, control.n)
    )


def from_estimates(estimate: Array, error: Array, n: Real, *, alpha: Real, n_star: Real) -> Comparison:
    """The same from estimates that are not differences of means, such as weighted scores."""
    z = z_scores(estimate, error)
    return Comparison(
        estimate,
        error,
        np.full_like(error, np.inf),
        np.asarray(2 * ndtr(-np.abs(z)), dtype=np.float64),
        confidence_sequences.p_value(z, n, alpha, n_star),
        confidence_sequences.half_width(error, n, alpha, n_star),
    )


def lift_is_defined(control: Moments) -> NDArray[np.bool_]:
    """Whether the control's mean is far enough from zero (3 standard errors) for a relative lift to mean anything."""
    return is_far_from_zero(control.mean, control.standard_error)


def is_far_from_zero(mean: Array, standard_error: Array) -> NDArray[np.bool_]:
    """Whether means are more than 3 standard errors away from zero."""
    return np.abs(mean) > 3 * standard_error
