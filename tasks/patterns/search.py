"""All rules of one or two conditions on all rows, by matrix products over the bit matrix.

For conditions i and j, MᵀM holds how many rows match both, Mᵀ(M·z) the sum of their scores and Mᵀ(M·z²) its square:
every pair's Welch z at once. A row on which a feature is missing is on neither side, so the columns that say where each
feature is known go through the same products. Rows go through in blocks that stay in cache.

The search only proposes: every rule that it could have proposed is paid for when the proposals are tested.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

BLOCK_ROWS = 2048
MIN_ROWS = 20
MIN_PAIR_SCORE = 3.0
PARSIMONY = 1.0  # a second condition must earn its place: the pair's z beats the better single one's by this,
MIN_INTERACTION = 1.5  # and is more than the two effects side by side: z of the interaction, in the pair's direction
MAX_JACCARD = 0.5
MAX_OPPOSITION = -0.7  # 'has emojis' and 'has none' are one finding
MAX_PAIRS = 60


@dataclass(frozen=True, slots=True)
class RuleCandidate:
    """A rule worth testing.

    Attributes:
        members: indices of its one or two conditions, ascending.
        score: Welch z before anything but channel and season is adjusted for.
        rows: matching rows.
    """

    members: tuple[int, ...]
    score: float
    rows: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the search proposes, and what it chose from.

    Attributes:
        singles: every single condition with rows enough on both sides.
        pairs: pairs that stand out, strongest first, at most `MAX_PAIRS`.
        pairs_searched: pairs with rows enough on both sides, whether they stand out or not.
    """

    singles: list[RuleCandidate]
    pairs: list[RuleCandidate]
    pairs_searched: int


def rule_matches(matches: Mask, members: tuple[int, ...]) -> Mask:
    """Rows (n,) on which all of a rule's conditions hold."""
    first = matches[:, members[0]]
    return first if len(members) == 1 else first & matches[:, members[1]]


@dataclass(frozen=True, slots=True)
class PairSums:
    """Rows, sums and sums of squares of the outcome (S, S) for every pair of conditions; singles on the diagonal.

    Attributes:
        count, total, square: of rows that match both.
        known_count, known_total, known_square: of rows on which both are known; or (1, 1) where all are.
        first_count, first_total: of rows that match the first and on which the second is known.
        variance: of the outcome.
    """

    count: Floats
    total: Floats
    square: Floats
    known_count: Floats
    known_total: Floats
    known_square: Floats
    first_count: Floats
    first_total: Floats
    variance: float

    def usable(self, least: int = MIN_ROWS) -> Mask:
        """Pairs (S, S) with so many rows that match, and so many that are known not to."""
        enough: Mask = (self.count >= least) & (self.known_count - self.count >= least)
        return enough

    def welch(self, least: int = MIN_ROWS) -> Floats:
        """z (S, S) of matching rows against those known not to match; 0 where either side is too small."""
        rest = self.known_count - self.count
        inside, outside = np.maximum(self.count, 2), np.maximum(rest, 2)
        mean, other = self.total / inside, (self.known_total - self.total) / outside
        spread = np.maximum(self.square / inside - mean**2, 0.0) / (inside - 1)
        other_spread = np.maximum((self.known_square - self.square) / outside - other**2, 0.0) / (outside - 1)
        error = np.sqrt(spread + other_spread)
        scores: Floats = np.divide(
            mean - other, error, out=np.zeros_like(error), where=self.usable(least) & (error > 1e-12)
        )
        return scores

    def interaction(self, first: Codes, second: Codes) -> Floats:
        """z (P,) of the interaction in the 2 × 2 tables of P pairs, under the outcome's overall variance."""
        count, total = self.count[first, second], self.total[first, second]
        counts = (count, self.first_count[first, second] - count, self.first_count[second, first] - count)
        totals = (total, self.first_total[first, second] - total, self.first_total[second, first] - total)
        both, left, right = (t / np.maximum(n, 1) for t, n in zip(totals, counts, strict=True))
        shape = self.count.shape
        neither_rows = np.broadcast_to(self.known_count, shape)[first, second] - sum(counts)
        neither = np.broadcast_to(self.known_total, shape)[first, second] - sum(totals)
        error = np.sqrt(self.variance * sum(1.0 / np.maximum(n, 0.5) for n in (*counts, neither_rows)))
        return (both - left - right + neither / np.maximum(neither_rows, 1)) / np.maximum(error, 1e-12)


def pair_sums(
    matches: Mask,
    outcome: Floats,
    known: Mask | None = None,
    known_as: Codes | None = None,
    made_of: tuple[Codes, Floats] | None = None,
) -> PairSums:
    """The sums for S conditions (n, S) and an outcome (n,).

    Args:
        matches: which rows match each condition.
        outcome: scores.
        known: (n, G) the sets of rows that conditions are known on; None where all are.
        known_as: (S,) the set of each condition.
        made_of: (B,) conditions whose products are computed, and of how many of each of them and of each of the G sets
            a condition's rows are made (S, B + G), which spares the products of the others; None: all are computed.
    """
    size = matches.shape[1]
    if known is None or known_as is None:
        known, known_as = np.ones((len(outcome), 1), dtype=bool), np.zeros(size, dtype=np.int64)
    basis, parts = (np.arange(size), None) if made_of is None else made_of
    columns = np.hstack([matches.T[basis].T, known])
    count, total, square = (np.zeros((columns.shape[1],) * 2) for _ in range(3))
    for start in range(0, len(outcome), BLOCK_ROWS):
        block = columns[start : start + BLOCK_ROWS].astype(np.float32)
        weighted = block * outcome[start : start + BLOCK_ROWS, None].astype(np.float32)
        count += block.T @ block
        total += block.T @ weighted
        square += weighted.T @ weighted
    if parts is not None:
        parts = np.vstack([parts, np.eye(len(count))[len(basis) :]])
        count, total, square = (parts @ one @ parts.T for one in (count, total, square))
    both = np.ix_(known_as, known_as) if known.shape[1] > 1 else np.ix_([0], [0])
    conditions, sets = slice(None, size), slice(size, None)
    return PairSums(
        count=count[conditions, conditions],
        total=total[conditions, conditions],
        square=square[conditions, conditions],
        known_count=count[sets, sets][both],
        known_total=total[sets, sets][both],
        known_square=square[sets, sets][both],
        first_count=count[conditions, sets][:, known_as],
        first_total=total[conditions, sets][:, known_as],
        variance=float(np.var(outcome)),
    )


def search(sums: PairSums, act: Codes, alone: Mask, min_rows: int = MIN_ROWS) -> Candidates:
    """Every usable single condition, and the pairs that say something new.

    Args:
        sums: of the S conditions and the scores within channel × period.
        act: (S,) code of what each condition is about; a pair never joins two that measure the same act.
        alone: (S,) conditions that may be a rule by themselves.
        min_rows: fewest rows that match, and fewest that are known not to.
    """
    usable, score = sums.usable(min_rows), sums.welch(min_rows)
    strength = np.abs(score)
    single = np.diagonal(strength)
    parent = np.maximum(single[:, None], single[None, :])
    searched = np.triu(usable & (act[:, None] != act[None, :]))
    first, second = np.nonzero(searched & (strength >= np.maximum(parent + PARSIMONY, MIN_PAIR_SCORE)))
    adds = np.sign(score[first, second]) * sums.interaction(first, second) >= MIN_INTERACTION
    pairs = [(int(i), int(j)) for i, j in zip(first[adds], second[adds], strict=True)]
    singles = [(int(i),) for i in np.flatnonzero(alone & np.diagonal(usable))]
    return Candidates(
        singles=[_candidate(members, score, sums.count) for members in singles],
        pairs=strongest_first([_candidate(members, score, sums.count) for members in pairs])[:MAX_PAIRS],
        pairs_searched=int(np.count_nonzero(searched)),
    )


def _candidate(members: tuple[int, ...], score: Floats, count: Floats) -> RuleCandidate:
    at = (members[0], members[-1])
    return RuleCandidate(members, float(score[at]), int(count[at]))


def strongest_first(candidates: list[RuleCandidate]) -> list[RuleCandidate]:
    """By |z| to three digits, ties by the order of conditions: rounding errors choose no rule."""
    return sorted(candidates, key=lambda candidate: (-round(abs(candidate.score), 3), candidate.members))


def distinct(candidates: list[RuleCandidate], matches: Mask) -> list[RuleCandidate]:
    """Greedy choice, in the given order, of rules that neither overlap by more than half nor merely negate each other.

    Args:
        candidates: best first.
        matches: (n, S) conditions.
    """
    chosen: list[RuleCandidate] = []
    columns = np.empty((len(candidates), len(matches)), dtype=np.float32)
    for candidate in candidates:
        column = rule_matches(matches, candidate.members).astype(np.float32)
        if not _repeats(column, columns[: len(chosen)], [other.rows for other in chosen]):
            columns[len(chosen)] = column
            chosen.append(candidate)
    return chosen


def _repeats(column: NDArray[np.float32], others: NDArray[np.float32], rows: list[int]) -> bool:
    """Whether matches (n,) repeat one of the others (k, n), which have so many rows each."""
    n, size, sizes = len(column), float(column.sum()), np.array(rows, dtype=np.float64)
    both = others @ column
    jaccard = both / np.maximum(size + sizes - both, 1)
    spread = np.sqrt(np.maximum(size * (n - size) * sizes * (n - sizes), 1e-9))
    correlation = (n * both - size * sizes) / spread
    return bool((jaccard > MAX_JACCARD).any() or (correlation < MAX_OPPOSITION).any())
