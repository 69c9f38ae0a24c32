"""Difference between the posts that match a rule and the rest of their stratum, for many rules at once.

With f the rule's 0/1 indicator and f̃ what is left of it after stratum means (and, if given, controls) are taken out,
β = Σf̃y / Σf̃² (Frisch–Waugh–Lovell). Posts of one week share their luck, so errors are clustered by week. The
sandwich is CR2 (Bell & McCaffrey 2002), in the form it takes for one regressor: each week's score is divided by
√(1 − its share of Σf̃²). Degrees of freedom count *effective* weeks, (Σh)² / Σh² − 1 with h a week's Σf̃²
(after Carter, Schnepel & Steigerwald 2017): a rule seen in two weeks out of fifty has one degree of freedom, not 49.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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


@dataclass(frozen=True)
class StratifiedDesign:
    """K rules made ready to be compared on any outcome; see `stratified_design`."""

    centred: Floats
    controls: Floats | None
    strata: Strata
    cluster: Codes
    information: Floats

    def estimate(self, outcome: Floats) -> Floats:
        """β (K,) alone for an outcome (n,), at a fraction of the cost of its errors."""
        return self._estimate(self._outcome(outcome))

    def contrast(self, outcome: Floats) -> Contrast:
        """β and its errors for an outcome (n,)."""
        y = self._outcome(outcome)
        estimate = self._estimate(y)
        residual = y - estimate * self.centred
        return self._with_errors(estimate, self.centred * residual, residual)

    def _estimate(self, y: Floats) -> Floats:
        found: Floats = np.einsum("ij,ij->j", self.centred, y) / self._scale
        return np.where(self.information > CONSTANT, found, 0.0)

    @cached_property
    def _scale(self) -> Floats:
        return np.maximum(self.information, CONSTANT)

    @cached_property
    def _share(self) -> Floats:
        """Each week's part (G, K) of what there is to know about a rule."""
        return np.minimum(sum_by(self.cluster, self.centred**2) / self._scale, MAX_CLUSTER_SHARE)

    def _outcome(self, outcome: Floats) -> Floats:
        """The outcome (n, 1) or (n, K), centred over each rule's own valid rows."""
        y = _take_out(outcome.reshape(-1, 1), self.controls, self.strata.everywhere)
        return self.strata.centre(y)

    def _with_errors(self, estimate: Floats, scores: Floats, residual: Floats) -> Contrast:
        scale = self._scale
        share = self._share
        meat = (sum_by(self.cluster, scores) ** 2 / (1.0 - share)).sum(axis=0)
        freedom = np.maximum(self.strata.rows.sum(axis=0) - len(self.strata.rows) - 1, 1)
        iid = np.sqrt((residual**2).sum(axis=0) / freedom / scale)
        effective = 1.0 / np.maximum((share**2).sum(axis=0), 1e-12)
        varies = self.information > CONSTANT
        return Contrast(
            estimate=estimate,
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
    strata = Strata(stratum, valid)
    wanted = controls is not None and controls.shape[1] > 0
    ready = _standardise(strata.everywhere.centre(controls)) if wanted and controls is not None else None
    centred = strata.centre(_take_out(np.asarray(rules, dtype=np.float64), ready, strata.everywhere))
    return StratifiedDesign(centred, ready, strata, cluster, (centred**2).sum(axis=0))


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
    groups, size = int(codes.max(initial=-1)) + 1, values.shape[1]
    steps = codes[1:] - codes[:-1]
    if groups and codes[0] == 0 and steps.min(initial=0) >= 0 and steps.max(initial=0) <= 1:  # in order, as weeks are
        return np.add.reduceat(values, np.append(0, np.flatnonzero(steps) + 1), axis=0)
    cells = codes[:, None] * size + np.arange(size)
    sums = np.bincount(cells.ravel(), weights=np.asarray(values, dtype=np.float64).ravel(), minlength=groups * size)
    found: Floats = sums.reshape(groups, size).astype(np.float64, copy=False)
    return found


@dataclass(frozen=True)
class Strata:
    """Strata (n,) with codes 0…S−1, and the rows (n, K) that are valid for each of K rules; None if all are."""

    codes: Codes
    valid: Mask | None = None

    @cached_property
    def everywhere(self) -> Strata:
        """The same strata, all rows of them."""
        return self if self.valid is None else Strata(self.codes)

    @cached_property
    def weights(self) -> Floats | None:
        """(n, K) ones for valid rows."""
        return None if self.valid is None else self.valid.astype(np.float64)

    @cached_property
    def rows(self) -> Floats:
        """Valid rows (S, K) or (S, 1) in each stratum."""
        counted = np.bincount(self.codes)[:, None].astype(np.float64)
        return counted if self.weights is None else sum_by(self.codes, self.weights)

    def centre(self, values: Floats) -> Floats:
        """Deviations (n, K) from stratum means over valid rows; 0 at the others."""
        kept = values if self.weights is None else values * self.weights
        means = (sum_by(self.codes, kept) / np.maximum(self.rows, 1.0))[self.codes]
        return kept - (means if self.weights is None else means * self.weights)


def _take_out(values: Floats, controls: Floats | None, strata: Strata) -> Floats:
    """Values (n, K) minus their ridge prediction from the controls (n, C), both within strata."""
    if controls is None:
        return values
    gram = controls.T @ controls + RIDGE * np.eye(controls.shape[1])
    fitted: Floats = controls @ np.linalg.solve(gram, controls.T @ strata.centre(values))
    return values - fitted


def _standardise(columns: Floats) -> Floats:
    spread = columns.std(axis=0)
    return columns / np.where(spread > 0, spread, 1.0)
