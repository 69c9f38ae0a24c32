"""Difference between the posts that match a rule and the rest of their stratum, for many rules at once.

With f the rule's 0/1 indicator and f̃ what is left of it after stratum means (and, if given, controls) are taken out,
β = Σf̃y / Σf̃² (Frisch–Waugh–Lovell). Posts of one week share their luck, so errors are clustered by week. The
sandwich is CR2 (Bell & McCaffrey 2002), in the form it takes for one regressor: each week's score is divided by
√(1 − its share of Σf̃²). Degrees of freedom count *effective* weeks, (Σh)² / Σh² − 1 with h a week's Σf̃²
(after Carter, Schnepel & Steigerwald 2017): a rule seen in two weeks out of fifty has one degree of freedom, not 49.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from tasks.statistics.group_codes import groups

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
        standard_error: (K,) clustered by week, at least the next: weeks whose luck happens to cancel are no precision;
            and at least the one that is clustered otherwise, where a second clustering is given.
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

    centered: Floats
    comparisons: list[_Comparison]
    strata: Strata
    clusters: tuple[Codes, ...]
    information: Floats
    variation: Floats

    @property
    def share_left(self) -> Floats:
        """(K,) of what each rule varies within strata, the share that the controls leave; 1 without controls."""
        return np.divide(
            self.information, self.variation, out=np.ones_like(self.information), where=self.variation > CONSTANT
        )

    def estimate(self, outcome: Floats) -> Floats:
        """β (K,) alone for an outcome (n,), at a fraction of the cost of its errors."""
        products: Floats = np.einsum("ij,ij->j", self.centered, self._outcome(outcome))
        return np.where(self.information > CONSTANT, products / np.maximum(self.information, CONSTANT), 0.0)

    def contrast(self, outcome: Floats) -> Contrast:
        """β and its errors for an outcome (n,)."""
        return self.contrasts(outcome, np.zeros(len(outcome), dtype=np.int64))[0]

    def contrasts(self, outcome: Floats, part: Codes) -> list[Contrast]:
        """The same for each part of the rows (n,), codes 0…P−1; no stratum and no cluster should lie in two parts."""
        y = self._outcome(outcome)
        squares, products = self.centered**2, self.centered * y
        by_cluster = [(cluster, sum_by(cluster, squares), sum_by(cluster, products)) for cluster in self.clusters]
        first, of_first = by_cluster[0], _parts_of(self.clusters[0], part)
        size = int(part.max(initial=0)) + 1
        information, product = (_sums(of_first, sums, size) for sums in first[1:])
        scale = np.maximum(information, CONSTANT)
        estimate = np.where(information > CONSTANT, product / scale, 0.0)
        left = np.maximum(sum_by(part, y**2) - estimate * product, 0.0)  # Σ(y − βf̃)²
        iid = np.sqrt(left / self._freedom(part) / scale)
        iid = np.where(information > CONSTANT, iid, np.inf)
        error, freedom = iid, np.full_like(iid, np.inf)
        for cluster, of_rule, of_both in by_cluster:
            of_cluster = _parts_of(cluster, part)
            share = np.minimum(of_rule / scale[of_cluster], MAX_CLUSTER_SHARE)
            scores = (of_both - estimate[of_cluster] * of_rule) ** 2 / (1.0 - share)
            error = np.maximum(error, np.sqrt(_sums(of_cluster, scores, size)) / scale)
            effective = 1.0 / np.maximum(_sums(of_cluster, share**2, size), 1e-12)
            freedom = np.minimum(freedom, np.maximum(effective - 1.0, 1.0))
        return [Contrast(*numbers) for numbers in zip(estimate, error, iid, freedom, strict=True)]

    def _outcome(self, outcome: Floats) -> Floats:
        """The outcome (n, 1) or (n, K), centered over each rule's own valid rows, controls taken out there."""
        column = outcome.reshape(-1, 1)
        if len(self.comparisons) == 1:
            return self.comparisons[0].residual(column)
        y = np.empty_like(self.centered)
        for comparison in self.comparisons:
            y[:, comparison.rules] = comparison.residual(column)
        return y

    def _freedom(self, part: Codes) -> Floats:
        """Valid rows less strata less one, in each part (P, K) or (P, 1)."""
        weights = self.strata.weights
        rows = np.bincount(part)[:, None].astype(np.float64) if weights is None else sum_by(part, weights)
        strata = groups(part * len(self.strata.rows) + self.strata.codes).numbers // len(self.strata.rows)
        return np.maximum(rows - np.bincount(strata, minlength=len(rows))[:, None] - 1, 1)


def stratified_design(
    rules: NDArray[np.bool_] | Floats,
    stratum: Codes,
    cluster: Codes,
    second: Codes | None = None,
    *,
    valid: Mask | None = None,
    controls: Floats | None = None,
) -> StratifiedDesign:
    """Prepare K rules for comparison within strata.

    Args:
        rules: (n, K) indicators; any number works, so a dose does too.
        stratum: (n,) codes 0…S−1; only differences inside a stratum count.
        cluster: (n,) codes 0…G−1, usually the week of publication.
        second: (n,) codes of another clustering; errors are the larger and degrees of freedom the fewer of the two.
        valid: (n, K) false where a rule's features are missing: such a row says nothing about that rule.
        controls: (n, C) further columns to take out, by ridge regression with penalty 1 on standardized columns.
    """
    indicators = np.asarray(rules, dtype=np.float64)
    comparisons = list(_comparisons(indicators.shape[1], stratum, valid, controls))
    centered, variation = np.empty_like(indicators), np.empty(indicators.shape[1])
    for comparison in comparisons:
        within = comparison.strata.center(indicators[:, comparison.rules])
        variation[comparison.rules] = np.einsum("ij,ij->j", within, within)
        centered[:, comparison.rules] = comparison.without_controls(within)
    information = np.einsum("ij,ij->j", centered, centered)
    clusters = (cluster,) if second is None else (cluster, second)
    return StratifiedDesign(centered, comparisons, Strata(stratum, valid), clusters, information, variation)


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


def _parts_of(cluster: Codes, part: Codes) -> Codes:
    """The part (G,) that each cluster lies in."""
    parts = np.zeros(int(cluster.max(initial=-1)) + 1, dtype=np.int64)
    parts[cluster] = part
    return parts


def _sums(codes: Codes, values: Floats, groups: int) -> Floats:
    """`sum_by` for few rows, with the number of groups given."""
    sums = np.zeros((groups, values.shape[1]))
    np.add.at(sums, codes, values)
    return sums


def sum_by(codes: Codes, values: Floats) -> Floats:
    """Column sums (G, K) of values (n, K) within each code 0…G−1."""
    groups, size = int(codes.max(initial=-1)) + 1, values.shape[1]
    steps = codes[1:] - codes[:-1]
    if groups and codes[0] == 0 and steps.min(initial=0) >= 0 and steps.max(initial=0) <= 1:  # in order, as weeks are
        return np.add.reduceat(values, np.append(0, np.flatnonzero(steps) + 1), axis=0)
    if size == 1:
        return np.bincount(codes, weights=values[:, 0], minlength=groups)[:, None].astype(np.float64, copy=False)
    members = csc_array((np.ones(len(codes)), codes, np.arange(len(codes) + 1)), shape=(groups, len(codes)))
    sums: Floats = np.asarray(members @ values)  # a fourth of what np.bincount takes over the cells of a table
    return sums


@dataclass(frozen=True)
class Strata:
    """Strata (n,) with codes 0…S−1, and the rows (n, K) or (n, 1) that are valid for each rule; None if all are."""

    codes: Codes
    valid: Mask | None = None

    @cached_property
    def weights(self) -> Floats | None:
        """(n, K) ones for valid rows."""
        return None if self.valid is None else self.valid.astype(np.float64)

    @cached_property
    def rows(self) -> Floats:
        """Valid rows (S, K) or (S, 1) in each stratum."""
        counted = np.bincount(self.codes)[:, None].astype(np.float64)
        return counted if self.weights is None else sum_by(self.codes, self.weights)

    def center(self, values: Floats) -> Floats:
        """Deviations (n, K) from stratum means over valid rows; 0 at the others."""
        kept = values if self.weights is None else values * self.weights
        means: Floats = (sum_by(self.codes, kept) / np.maximum(self.rows, 1.0))[self.codes]
        if self.weights is not None:
            means *= self.weights
        return np.subtract(kept, means, out=means)


@dataclass(frozen=True)
class _Comparison:
    """Rules that are known on the same rows, and what is taken out of them and of their outcome on those rows alone.

    A row of which nothing is known of a rule must not take part in what controls explain either: it would stand for
    'does not match', and where such rows do well for a reason of their own, the controls would carry it over.
    """

    rules: Codes
    strata: Strata
    controls: Floats | None

    def residual(self, values: Floats) -> Floats:
        """Values (n, k) less stratum means and the controls' ridge prediction; 0 where nothing is known."""
        return self.without_controls(self.strata.center(values))

    def without_controls(self, centered: Floats) -> Floats:
        """Centered values (n, k) less the controls' ridge prediction."""
        if self.controls is None:
            return centered
        gram = self.controls.T @ self.controls + RIDGE * np.eye(self.controls.shape[1])
        fitted: Floats = self.controls @ np.linalg.solve(gram, self.controls.T @ centered)
        return centered - fitted


def _comparisons(size: int, stratum: Codes, valid: Mask | None, controls: Floats | None) -> Iterator[_Comparison]:
    """One for each set of rows that some of the rules are known on."""
    columns = controls if controls is not None and controls.shape[1] else None
    for rules, rows in [(np.arange(size), None)] if valid is None else _known_alike(valid):
        strata = Strata(stratum, rows)
        yield _Comparison(rules, strata, None if columns is None else _standardize(strata.center(columns), rows))


def _known_alike(valid: Mask) -> Iterator[tuple[Codes, Mask]]:
    """Rules by the rows (n, 1) that they are valid on."""
    by_rows: dict[bytes, list[int]] = {}
    for rule, packed in enumerate(np.packbits(valid, axis=0).T):
        by_rows.setdefault(packed.tobytes(), []).append(rule)
    for rules in by_rows.values():
        yield np.array(rules), valid[:, rules[:1]]


def _standardize(columns: Floats, rows: Mask | None) -> Floats:
    """Centered columns (n, C) over their spread on those rows."""
    count = len(columns) if rows is None else max(int(rows.sum()), 1)
    spread = np.sqrt((columns**2).sum(axis=0) / count)
    return columns / np.where(spread > 0, spread, 1.0)
