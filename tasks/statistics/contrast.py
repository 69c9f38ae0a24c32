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
BLOCK_RULES = 16  # whose columns go through all steps before the next ones are looked at
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

    size: int
    blocks: list[_Block]
    clusters: tuple[_Grouping, ...]

    @property
    def share_left(self) -> Floats:
        """(K,) of what each rule varies within strata, the share that the controls leave; 1 without controls."""
        shares = np.ones(self.size)
        for block in self.blocks:
            within = np.maximum(block.variation, CONSTANT)
            shares[block.rules] = np.where(block.variation > CONSTANT, block.information / within, 1.0)
        return shares

    def estimate(self, outcome: Floats) -> Floats:
        """β (K,) alone for an outcome (n,), at a fraction of the cost of its errors."""
        estimate = np.empty(self.size)
        for block, y in self._with_outcome(outcome):
            products: Floats = y[:, 0] @ block.centered
            known = products / np.maximum(block.information, CONSTANT)
            estimate[block.rules] = np.where(block.information > CONSTANT, known, 0.0)
        return estimate

    def contrast(self, outcome: Floats) -> Contrast:
        """β and its errors for an outcome (n,)."""
        return self.contrasts(outcome, np.zeros(len(outcome), dtype=np.int64))[0]

    def contrasts(self, outcome: Floats, part: Codes) -> list[Contrast]:
        """The same for each part of the rows (n,), codes 0…P−1; no stratum and no cluster should lie in two parts."""
        parts, size = _Grouping(part), int(part.max(initial=0)) + 1
        total, free = np.empty((size, self.size)), np.empty((size, self.size))
        by_cluster = [np.empty((2, cluster.count, self.size)) for cluster in self.clusters]
        strata = _strata_in(self.blocks, parts, size)
        for block, y in self._with_outcome(outcome):
            squares, products = block.centered**2, block.centered * y
            for cluster, sums in zip(self.clusters, by_cluster, strict=True):
                sums[0][:, block.rules], sums[1][:, block.rules] = cluster.sums(squares), cluster.sums(products)
            total[:, block.rules], free[:, block.rules] = parts.sums(y**2), block.comparison.freedom(parts, strata)
        of_first = _parts_of(self.clusters[0].codes, part)
        information, product = (_sums(of_first, sums, size) for sums in by_cluster[0])
        scale = np.maximum(information, CONSTANT)
        estimate = np.where(information > CONSTANT, product / scale, 0.0)
        left = np.maximum(total - estimate * product, 0.0)  # Σ(y − βf̃)²
        iid = np.where(information > CONSTANT, np.sqrt(left / free / scale), np.inf)
        error, freedom = iid, np.full_like(iid, np.inf)
        for cluster, (of_rule, of_both) in zip(self.clusters, by_cluster, strict=True):
            of_cluster = _parts_of(cluster.codes, part)
            share = np.minimum(of_rule / scale[of_cluster], MAX_CLUSTER_SHARE)
            scores = (of_both - estimate[of_cluster] * of_rule) ** 2 / (1.0 - share)
            error = np.maximum(error, np.sqrt(_sums(of_cluster, scores, size)) / scale)
            effective = 1.0 / np.maximum(_sums(of_cluster, share**2, size), 1e-12)
            freedom = np.minimum(freedom, np.maximum(effective - 1.0, 1.0))
        return [Contrast(*numbers) for numbers in zip(estimate, error, iid, freedom, strict=True)]

    def _with_outcome(self, outcome: Floats) -> Iterator[tuple[_Block, Floats]]:
        """Each block with the outcome (n, 1), centered over its own valid rows, controls taken out there."""
        comparison, y = None, outcome.reshape(-1, 1)
        for block in self.blocks:
            if block.comparison is not comparison:
                comparison, y = block.comparison, block.comparison.residual(outcome.reshape(-1, 1))
            yield block, y


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
    blocks = [
        comparison.block(members[i : i + BLOCK_RULES], rules)
        for members, comparison in _comparisons(rules.shape[1], _Grouping(stratum), valid, controls)
        for i in range(0, len(members), BLOCK_RULES)
    ]
    clusters = (cluster,) if second is None else (cluster, second)
    return StratifiedDesign(rules.shape[1], blocks, tuple(map(_Grouping, clusters)))


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


def deviations(values: Floats, stratum: Codes) -> Floats:
    """Values (n, k) less their means in each stratum (n,), codes 0…S−1."""
    return _Comparison(_Grouping(stratum), None, None).residual(values)


def _parts_of(cluster: Codes, part: Codes) -> Codes:
    """The part (G,) that each cluster lies in."""
    parts = np.zeros(int(cluster.max(initial=-1)) + 1, dtype=np.int64)
    parts[cluster] = part
    return parts


def _strata_in(blocks: list[_Block], parts: _Grouping, size: int) -> Codes:
    """Strata (P, 1) that have rows in each part, known or not: the same for all rules of a design."""
    if not blocks:
        return np.zeros((size, 1), dtype=np.int64)
    strata = blocks[0].comparison.strata
    there = groups(parts.codes * strata.count + strata.codes).numbers // max(strata.count, 1)
    counted: Codes = np.bincount(there, minlength=size)[:, None]
    return counted


def _sums(codes: Codes, values: Floats, groups: int) -> Floats:
    """`sum_by` for few rows, with the number of groups given."""
    sums = np.zeros((groups, values.shape[1]))
    np.add.at(sums, codes, values)
    return sums


@dataclass(frozen=True)
class _Grouping:
    """Groups of rows by codes (n,) 0…G−1, made ready to sum many columns by."""

    codes: Codes

    @cached_property
    def count(self) -> int:
        """G."""
        return int(self.codes.max(initial=-1)) + 1

    def sums(self, values: Floats) -> Floats:
        """Column sums (G, K) of values (n, K) within each group."""
        if self._starts is not None:
            return np.add.reduceat(values, self._starts, axis=0)
        if values.shape[1] == 1:
            sums = np.bincount(self.codes, weights=values[:, 0], minlength=self.count)
            return sums[:, None].astype(np.float64, copy=False)
        return np.asarray(self._members @ values)  # a fourth of what np.bincount takes over the cells of a table

    @cached_property
    def _starts(self) -> Codes | None:
        """Where groups begin, if they lie one behind the other, as weeks do."""
        steps = self.codes[1:] - self.codes[:-1]
        in_order = self.count and self.codes[0] == 0 and steps.min(initial=0) >= 0 and steps.max(initial=0) <= 1
        return np.append(0, np.flatnonzero(steps) + 1) if in_order else None

    @cached_property
    def _members(self) -> csc_array:
        n = len(self.codes)
        return csc_array((np.ones(n), self.codes, np.arange(n + 1)), shape=(self.count, n))


@dataclass(frozen=True, eq=False)
class _Comparison:
    """What is taken out of rules, and of their outcome, on the rows that those rules are known on, and there alone.

    A row of which nothing is known of a rule must not take part in what controls explain either: it would stand for
    'does not match', and where such rows do well for a reason of their own, the controls would carry it over.

    Attributes:
        strata: of all rows.
        weights: (n, 1) ones for the rows that are known; None if all are.
        columns: (n, C) controls; None for none.
    """

    strata: _Grouping
    weights: Floats | None
    columns: Floats | None

    def block(self, members: Codes, rules: NDArray[np.bool_] | Floats) -> _Block:
        """Some of the rules (n, K) that are known on these rows."""
        within = self._center(np.ascontiguousarray(rules[:, members], dtype=np.float64))
        left = self._without_controls(within)
        variation, information = (np.einsum("ij,ij->j", one, one) for one in (within, left))
        return _Block(self, members, left, information, variation)

    def residual(self, values: Floats) -> Floats:
        """Values (n, k) less stratum means and the controls' ridge prediction; 0 where nothing is known."""
        return self._without_controls(self._center(values))

    def freedom(self, parts: _Grouping, strata: Codes) -> Floats:
        """Known rows less strata (P, 1) less one, in each part (P, 1)."""
        ones = np.ones((len(parts.codes), 1)) if self.weights is None else self.weights
        return np.maximum(parts.sums(ones) - strata - 1, 1)

    @cached_property
    def _rows(self) -> Floats:
        """Known rows (S, 1) in each stratum."""
        return self.strata.sums(np.ones((len(self.strata.codes), 1)) if self.weights is None else self.weights)

    def _center(self, values: Floats) -> Floats:
        """Deviations (n, k) from stratum means over known rows; 0 at the others."""
        kept = values if self.weights is None else values * self.weights
        means: Floats = (self.strata.sums(kept) / np.maximum(self._rows, 1.0))[self.strata.codes]
        if self.weights is not None:
            means *= self.weights
        return np.subtract(kept, means, out=means)

    @cached_property
    def _controls(self) -> tuple[Floats, Floats] | None:
        """The columns (n, C), centered and over their spread on the known rows, and their ridge's matrix (C, C)."""
        if self.columns is None:
            return None
        centered = self._center(self.columns)
        count = len(centered) if self.weights is None else max(int(self.weights.sum()), 1)
        spread = np.sqrt((centered**2).sum(axis=0) / count)
        controls = centered / np.where(spread > 0, spread, 1.0)
        return controls, controls.T @ controls + RIDGE * np.eye(controls.shape[1])

    def _without_controls(self, centered: Floats) -> Floats:
        """Centered values (n, k) less the controls' ridge prediction."""
        if self._controls is None:
            return centered
        controls, gram = self._controls
        fitted: Floats = controls @ np.linalg.solve(gram, controls.T @ centered)
        return centered - fitted


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """A few of K rules that are known on the same rows, so few that their columns stay in the processor's cache.

    Attributes:
        comparison: what was taken out of them.
        rules: (k,) which they are.
        centered: (n, k) f̃.
        information: (k,) Σf̃².
        variation: (k,) the same before controls.
    """

    comparison: _Comparison
    rules: Codes
    centered: Floats
    information: Floats
    variation: Floats


def _comparisons(
    size: int, strata: _Grouping, valid: Mask | None, controls: Floats | None
) -> Iterator[tuple[Codes, _Comparison]]:
    """One for each set of rows that some of the rules are known on, with these rules."""
    columns = controls if controls is not None and controls.shape[1] else None
    if valid is None:
        yield np.arange(size), _Comparison(strata, None, columns)
        return
    for rules, rows in _known_alike(valid):
        yield rules, _Comparison(strata, None if rows.all() else rows.astype(np.float64), columns)


def _known_alike(valid: Mask) -> Iterator[tuple[Codes, Mask]]:
    """Rules by the rows (n, 1) that they are valid on."""
    by_rows: dict[bytes, list[int]] = {}
    for rule, packed in enumerate(np.packbits(valid.T, axis=1)):
        by_rows.setdefault(packed.tobytes(), []).append(rule)
    for rules in by_rows.values():
        yield np.array(rules), valid[:, rules[:1]]
