"""Difference between the posts that match a rule and the rest of their stratum, for many rules at once.

With f the rule's 0/1 indicator and f̃ what is left of it after stratum means (and, if given, controls) are taken out,
β = Σf̃y / Σf̃² (Frisch–Waugh–Lovell). Posts of one week share their luck, so errors are clustered by week. The
sandwich is CR2 (Bell & McCaffrey 2002), in the form it takes for one regressor: each week's score is divided by
√(1 − its share of Σf̃²). Degrees of freedom count *effective* weeks, (Σh)² / Σh² − 1 with h a week's Σf̃²
(after Carter, Schnepel & Steigerwald 2017): a rule seen in two weeks out of fifty has one degree of freedom, not 49.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

RIDGE = 1.0  # keeps near-duplicate controls from fighting each other
MAX_CLUSTER_SHARE = 0.99
CONSTANT = 1e-9  # Σf̃² beneath this: the rule does not vary within any stratum


@dataclass(frozen=True, slots=True)
class Contrast:
    """Estimates for K rules; a rule that never varies within a stratum has estimate 0 and infinite errors.

    Attributes:
        estimate: (K,) β, in the outcome's unit.
        standard_error: (K,) clustered by week, at least the next: weeks whose luck happens to cancel are no precision.
        iid_standard_error: (K,) as if posts were independent; compare to see the design effect.
        degrees_of_freedom: (K,) effective weeks − 1, at least 1.
    """

    estimate: Floats
    standard_error: Floats
    iid_standard_error: Floats
    degrees_of_freedom: Floats


@dataclass(frozen=True, slots=True)
class StratifiedDesign:
    """K rules made ready to be compared on any outcome; see `stratified_design`."""

    centred: Floats
    valid: Mask | None
    controls: Floats | None
    stratum: Codes
    cluster: Codes
    information: Floats

    def contrast(self, outcome: Floats) -> Contrast:
        """β and its errors for an outcome (n,)."""
        scale = np.maximum(self.information, CONSTANT)
        y = self._outcome(outcome)
        estimate = np.einsum("ij,ij->j", self.centred, y) / scale
        residual = y - estimate * self.centred
        return self._with_errors(estimate, self.centred * residual, residual, scale)

    def _outcome(self, outcome: Floats) -> Floats:
        """The outcome (n, 1) or (n, K), centred over each rule's own valid rows."""
        y = _take_out(outcome.reshape(-1, 1), self.controls, self.stratum)
        return _centre(y, self.stratum) if self.valid is None else _centre(y, self.stratum, self.valid)

    def _with_errors(self, estimate: Floats, scores: Floats, residual: Floats, scale: Floats) -> Contrast:
        weight = sum_by(self.cluster, self.centred**2)
        share = np.minimum(weight / scale, MAX_CLUSTER_SHARE)
        meat = (sum_by(self.cluster, scores) ** 2 / (1.0 - share)).sum(axis=0)
        rows = len(residual) if self.valid is None else self.valid.sum(axis=0)
        freedom = np.maximum(rows - self.stratum.max(initial=0) - 2, 1)
        iid = np.sqrt((residual**2).sum(axis=0) / freedom / scale)
        effective = 1.0 / np.maximum((share**2).sum(axis=0), 1e-12)
        varies = self.information > CONSTANT
        return Contrast(
            estimate=np.where(varies, estimate, 0.0),
            standard_error=np.where(varies, np.maximum(np.sqrt(meat) / scale, iid), np.inf),
            iid_standard_error=np.where(varies, iid, np.inf),
            degrees_of_freedom=np.maximum(effective - 1.0, 1.0),
        )


def stratified_design(
    rules: NDArray[np.bool_] | Floats,
    stratum: Codes,
    cluster: Codes,
    *,
    valid: Mask | None = None,
    controls: Floats | None = None,
) -> StratifiedDesign:
    """Prepare K rules for comparison within strata.

    Args:
        rules: (n, K) indicators; any number works, so a dose does too.
        stratum: (n,) codes 0…S−1; only differences inside a stratum count.
        cluster: (n,) codes 0…G−1, usually the week of publication.
        valid: (n, K) false where a rule's features are missing: such a row says nothing about that rule.
        controls: (n, C) further columns to take out, by ridge regression with penalty 1 on standardised columns.
    """
    ready = _standardise(_centre(controls, stratum)) if controls is not None and controls.shape[1] else None
    remaining = _take_out(np.asarray(rules, dtype=np.float64), ready, stratum)
    centred = _centre(remaining, stratum, valid)
    return StratifiedDesign(centred, valid, ready, stratum, cluster, (centred**2).sum(axis=0))


def stratified_contrast(
    rules: NDArray[np.bool_] | Floats,
    outcome: Floats,
    stratum: Codes,
    cluster: Codes,
    *,
    valid: Mask | None = None,
    controls: Floats | None = None,
) -> Contrast:
    """Contrast of K rules on one outcome (n,); arguments as in `stratified_design`."""
    return stratified_design(rules, stratum, cluster, valid=valid, controls=controls).contrast(outcome)


def sum_by(codes: Codes, values: Floats) -> Floats:
    """Column sums (G, K) of values (n, K) within each code 0…G−1."""
    groups = int(codes.max(initial=-1)) + 1
    columns = [np.bincount(codes, weights=column, minlength=groups) for column in values.T]
    return np.stack(columns, axis=1) if columns else np.zeros((groups, 0))


def _centre(values: Floats, stratum: Codes, valid: Mask | None = None) -> Floats:
    """Deviations (n, K) from stratum means over valid rows; 0 at the others."""
    if valid is None:
        means = sum_by(stratum, values) / np.maximum(np.bincount(stratum), 1)[:, None]
        return values - means[stratum]
    weights = valid.astype(np.float64)
    kept = values * weights
    means = sum_by(stratum, kept) / np.maximum(sum_by(stratum, weights), 1.0)
    return kept - means[stratum] * weights


def _take_out(values: Floats, controls: Floats | None, stratum: Codes) -> Floats:
    """Values (n, K) minus their ridge prediction from the controls (n, C), both within strata."""
    if controls is None:
        return values
    gram = controls.T @ controls + RIDGE * np.eye(controls.shape[1])
    fitted: Floats = controls @ np.linalg.solve(gram, controls.T @ _centre(values, stratum))
    return values - fitted


def _standardise(columns: Floats) -> Floats:
    spread = columns.std(axis=0)
    return columns / np.where(spread > 0, spread, 1.0)
