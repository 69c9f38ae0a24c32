"""All rules of one or two conditions on the discovery half, by three matrix products over the bit matrix.

For conditions i and j, MᵀM holds how many rows match both, Mᵀ(M·z) the sum of their scores and Mᵀ(M·z²) its square:
every pair's Welch z at once. Rows go through in blocks that stay in cache.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

BLOCK_ROWS = 2048
MIN_SCORE = 2.5
MIN_PAIR_SCORE = 3.3  # of ten thousand pairs that mean nothing a hundred reach 2.5, ten reach this
MIN_ROWS = 20
PARSIMONY = 1.0  # a second condition must earn its place: the pair's z beats the better single one's by this,
MIN_INTERACTION = 1.5  # and is more than the two effects side by side: z of the interaction, in the pair's direction
MAX_JACCARD = 0.5
MAX_OPPOSITION = -0.7  # 'has emojis' and 'has none' are one finding
MAX_CANDIDATES = 15
SHORTLIST = 200


@dataclass(frozen=True, slots=True)
class RuleCandidate:
    """A rule worth testing on the other half.

    Attributes:
        members: indices of its one or two conditions, ascending.
        score: Welch z on the discovery half; its sign is the direction to confirm.
        rows: matching discovery rows.
    """

    members: tuple[int, ...]
    score: float
    rows: int


def rule_matches(matches: Mask, members: tuple[int, ...]) -> Mask:
    """Rows (n,) on which all of a rule's conditions hold."""
    first = matches[:, members[0]]
    return first if len(members) == 1 else first & matches[:, members[1]]


@dataclass(frozen=True, slots=True)
class PairSums:
    """Matching rows, sum and sum of squares of the outcome (S, S) for every pair; singles on the diagonal."""

    count: Floats
    total: Floats
    square: Floats
    rows: int
    outcome_total: float
    outcome_square: float

    def welch(self) -> Floats:
        """z (S, S) of matching rows against the rest; 0 where either side is too small."""
        rest = self.rows - self.count
        usable = (self.count >= MIN_ROWS) & (rest >= MIN_ROWS)
        inside, outside = np.maximum(self.count, 2), np.maximum(rest, 2)
        mean, other = self.total / inside, (self.outcome_total - self.total) / outside
        spread = np.maximum(self.square / inside - mean**2, 0.0) / (inside - 1)
        other_spread = np.maximum((self.outcome_square - self.square) / outside - other**2, 0.0) / (outside - 1)
        error = np.sqrt(spread + other_spread)
        scores: Floats = np.divide(mean - other, error, out=np.zeros_like(error), where=usable & (error > 1e-12))
        return scores

    def interaction(self, first: Codes, second: Codes) -> Floats:
        """z (P,) of the interaction in the 2 × 2 tables of P pairs, under the outcome's overall variance."""
        alone, sums = np.diagonal(self.count), np.diagonal(self.total)
        count, total = self.count[first, second], self.total[first, second]
        counts = (count, alone[first] - count, alone[second] - count)
        totals = (total, sums[first] - total, sums[second] - total)
        both, left, right = (t / np.maximum(n, 1) for t, n in zip(totals, counts, strict=True))
        neither_rows = self.rows - sum(counts)
        neither = (self.outcome_total - sum(totals)) / np.maximum(neither_rows, 1)
        variance = self.outcome_square / self.rows - (self.outcome_total / self.rows) ** 2
        error = np.sqrt(variance * sum(1.0 / np.maximum(n, 0.5) for n in (*counts, neither_rows)))
        return (both - left - right + neither) / np.maximum(error, 1e-12)


def pair_sums(matches: Mask, outcome: Floats) -> PairSums:
    """The sums for S conditions (n, S) and an outcome (n,)."""
    size = matches.shape[1]
    count, total, square = (np.zeros((size, size)) for _ in range(3))
    for start in range(0, len(outcome), BLOCK_ROWS):
        block = matches[start : start + BLOCK_ROWS].astype(np.float32)
        weighted = block * outcome[start : start + BLOCK_ROWS, None].astype(np.float32)
        count += block.T @ block
        total += block.T @ weighted
        square += weighted.T @ weighted
    return PairSums(count, total, square, len(outcome), float(outcome.sum()), float((outcome**2).sum()))


def search(matches: Mask, outcome: Floats, owner: Codes, alone: Mask) -> list[RuleCandidate]:
    """The strongest rules that say something new, at most `SHORTLIST`, strongest first.

    Args:
        matches: (n, S) conditions on the discovery half.
        outcome: (n,) scores within channel × period.
        owner: (S,) index of each condition's feature; a pair never joins two conditions of one feature.
        alone: (S,) conditions that may be a rule by themselves.
    """
    sums = pair_sums(matches, outcome)
    score = sums.welch()
    strength = np.abs(score)
    single = np.diagonal(strength)
    parent = np.maximum(single[:, None], single[None, :])
    stands_out = (owner[:, None] < owner[None, :]) & (strength >= np.maximum(parent + PARSIMONY, MIN_PAIR_SCORE))
    first, second = np.nonzero(stands_out)
    adds = np.sign(score[first, second]) * sums.interaction(first, second) >= MIN_INTERACTION
    members: list[tuple[int, ...]] = [(int(i),) for i in np.flatnonzero(alone & (single >= MIN_SCORE))]
    members += [(int(i), int(j)) for i, j in zip(first[adds], second[adds], strict=True)]
    candidates = [RuleCandidate(m, float(score[m[0], m[-1]]), int(sums.count[m[0], m[-1]])) for m in members]
    return strongest_first(candidates)[:SHORTLIST]


def strongest_first(candidates: list[RuleCandidate]) -> list[RuleCandidate]:
    """By |z| to three digits, ties by the order of conditions: rounding errors choose no rule."""
    return sorted(candidates, key=lambda candidate: (-round(abs(candidate.score), 3), candidate.members))


def distinct(candidates: list[RuleCandidate], matches: Mask, limit: int = MAX_CANDIDATES) -> list[RuleCandidate]:
    """Greedy choice, strongest first, of rules that neither overlap by more than half nor merely negate each other."""
    chosen: list[RuleCandidate] = []
    columns = np.empty((limit, len(matches)), dtype=np.float32)
    for candidate in candidates:
        column = rule_matches(matches, candidate.members).astype(np.float32)
        if not _repeats(column, columns[: len(chosen)], [other.rows for other in chosen]):
            columns[len(chosen)] = column
            chosen.append(candidate)
        if len(chosen) == limit:
            break
    return chosen


def _repeats(column: NDArray[np.float32], others: NDArray[np.float32], rows: list[int]) -> bool:
    """Whether matches (n,) repeat one of the others (k, n), which have so many rows each."""
    n, size, sizes = len(column), float(column.sum()), np.array(rows, dtype=np.float64)
    both = others @ column
    jaccard = both / np.maximum(size + sizes - both, 1)
    spread = np.sqrt(np.maximum(size * (n - size) * sizes * (n - sizes), 1e-9))
    correlation = (n * both - size * sizes) / spread
    return bool((jaccard > MAX_JACCARD).any() or (correlation < MAX_OPPOSITION).any())
