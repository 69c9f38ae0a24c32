"""All rules of one or two selectors on the discovery half, by three matrix products over the bit matrix.

For selectors i and j, MᵀM holds how many rows match both, Mᵀ(M·z) the sum of their scores and Mᵀ(M·z²) its square:
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
MIN_ROWS = 20
PARSIMONY = 1.0  # a second condition must earn its place
MAX_JACCARD = 0.5
MAX_OPPOSITION = -0.7  # 'has emojis' and 'has none' are one finding
MAX_CANDIDATES = 15
SHORTLIST = 200


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rule worth testing on the other half.

    Attributes:
        members: indices of its one or two selectors, ascending.
        score: Welch z on the discovery half; its sign is the direction to confirm.
        rows: matching discovery rows.
    """

    members: tuple[int, ...]
    score: float
    rows: int


def rule_matches(matches: Mask, members: tuple[int, ...]) -> Mask:
    """Rows (n,) on which all of a rule's selectors hold."""
    found = matches[:, members[0]]
    return found if len(members) == 1 else found & matches[:, members[1]]


def pair_scores(matches: Mask, outcome: Floats) -> tuple[Floats, Floats]:
    """Welch z (S, S) and matching rows (S, S) of every pair of selectors; the diagonal holds single selectors."""
    size = matches.shape[1]
    count, total, square = (np.zeros((size, size)) for _ in range(3))
    for start in range(0, len(outcome), BLOCK_ROWS):
        block = matches[start : start + BLOCK_ROWS].astype(np.float32)
        weighted = block * outcome[start : start + BLOCK_ROWS, None].astype(np.float32)
        count += block.T @ block
        total += block.T @ weighted
        square += weighted.T @ weighted
    return _welch(count, total, square, outcome), count


def _welch(count: Floats, total: Floats, square: Floats, outcome: Floats) -> Floats:
    """z of matching rows against the rest; 0 where either side is too small."""
    rest = len(outcome) - count
    usable = (count >= MIN_ROWS) & (rest >= MIN_ROWS)
    inside, outside = np.maximum(count, 2), np.maximum(rest, 2)
    mean, other = total / inside, (outcome.sum() - total) / outside
    spread = np.maximum(square / inside - mean**2, 0.0) / (inside - 1)
    other_spread = np.maximum(((outcome**2).sum() - square) / outside - other**2, 0.0) / (outside - 1)
    error = np.sqrt(spread + other_spread)
    scores: Floats = np.divide(mean - other, error, out=np.zeros_like(error), where=usable & (error > 1e-12))
    return scores


def search(matches: Mask, outcome: Floats, owner: Codes, alone: Mask) -> list[Candidate]:
    """The strongest rules that say something new, at most `SHORTLIST`, strongest first.

    Args:
        matches: (n, S) selectors on the discovery half.
        outcome: (n,) scores within channel × period.
        owner: (S,) index of each selector's feature; a pair never joins two selectors of one feature.
        alone: (S,) selectors that may be a rule by themselves.
    """
    score, count = pair_scores(matches, outcome)
    strength = np.abs(score)
    single = np.diagonal(strength)
    parent = np.maximum(single[:, None], single[None, :])
    allowed = (owner[:, None] < owner[None, :]) & (strength >= np.maximum(parent + PARSIMONY, MIN_SCORE))
    members: list[tuple[int, ...]] = [(int(i),) for i in np.flatnonzero(alone & (single >= MIN_SCORE))]
    members += [(int(i), int(j)) for i, j in zip(*np.nonzero(allowed), strict=True)]
    found = [Candidate(m, float(score[m[0], m[-1]]), int(count[m[0], m[-1]])) for m in members]
    return strongest_first(found)[:SHORTLIST]


def strongest_first(candidates: list[Candidate]) -> list[Candidate]:
    """By |z|, ties by the order of selectors."""
    return sorted(candidates, key=lambda candidate: (-abs(candidate.score), candidate.members))


def distinct(candidates: list[Candidate], matches: Mask, limit: int = MAX_CANDIDATES) -> list[Candidate]:
    """Greedy choice, strongest first, of rules that neither overlap by more than half nor merely negate each other."""
    chosen: list[Candidate] = []
    columns = np.zeros((len(matches), 0), dtype=np.float32)
    for candidate in candidates:
        column = rule_matches(matches, candidate.members).astype(np.float32)
        if not _repeats(column, columns):
            chosen.append(candidate)
            columns = np.column_stack([columns, column])
        if len(chosen) == limit:
            break
    return chosen


def _repeats(column: NDArray[np.float32], columns: NDArray[np.float32]) -> bool:
    if not columns.shape[1]:
        return False
    n, size, sizes = len(column), float(column.sum()), columns.sum(axis=0)
    both = column @ columns
    jaccard = both / np.maximum(size + sizes - both, 1)
    spread = np.sqrt(np.maximum(size * (n - size) * sizes * (n - sizes), 1e-9))
    correlation = (n * both - size * sizes) / spread
    return bool((jaccard > MAX_JACCARD).any() or (correlation < MAX_OPPOSITION).any())
