"""What makes posts do better or worse whatever a rule is about, taken out of the outcome before rules are tested.

Posts of which several features are unknown *together*, such as those without a text, are a kind of post of their own;
and a rule that is overwhelmingly strong blurs every other one. What such columns explain is fitted once, jointly and
within strata, and subtracted, so that ranks are those of what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.statistics.contrast import deviations
from tasks.statistics.outcome import AdjustedOutcome

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

TOGETHER = 0.5  # correlation of two features' gaps from which on they are gaps of one kind of post
LEAST_ROWS = 20  # of a kind of post, and beside it
SINGULAR = 1e-6  # columns that say nearly the same share what they explain


@dataclass(frozen=True, eq=False)
class Explained:
    """C columns that explain the outcome of n posts within strata.

    Attributes:
        columns: (n, C) of kinds of posts, then of strong rules from the strongest on.
        acts: of the strong rules, what they are about.
        share: (n, C) what each column explains of log engagement.
    """

    columns: Floats
    acts: tuple[frozenset[str], ...]
    share: Floats

    @property
    def kinds(self) -> int:
        """How many of the columns are kinds of posts."""
        return int(self.columns.shape[1]) - len(self.acts)

    def stronger(self, acts: frozenset[str]) -> tuple[int, ...]:
        """Columns of strong rules that a rule about these acts is tested beside.

        From the first that shares an act on there are none: of two strong rules that come together, the stronger one
        is tested as it is, and the other beside it; both beside each other would leave neither.
        """
        shared = next((i for i, own in enumerate(self.acts) if own & acts), len(self.acts))
        return tuple(range(self.kinds, self.kinds + shared))

    def taken_out(self, outcome: AdjustedOutcome, chosen: Sequence[int]) -> AdjustedOutcome:
        """The outcome without what the chosen columns explain."""
        if not chosen:
            return outcome
        within = outcome.within - self.share[:, list(chosen)].sum(axis=1)
        return AdjustedOutcome(outcome.log_rate, within, outcome.stratum)


def explained_by(columns: Floats, acts: Sequence[frozenset[str]], outcome: AdjustedOutcome) -> Explained:
    """Fit columns (n, C) to the outcome, all at once.

    Args:
        columns: of kinds of posts, then of strong rules.
        acts: of the strong rules.
        outcome: of all posts, within strata.
    """
    centered = deviations(columns, outcome.stratum)
    effect, *_ = np.linalg.lstsq(centered, outcome.residual, rcond=SINGULAR)
    return Explained(columns, tuple(acts), centered * effect)


def kinds_of_posts(known: Sequence[Mask]) -> Floats:
    """Posts (n, K) of which the same two features or more are unknown together.

    Args:
        known: where (n,) each feature is known.
    """
    gaps = [~one for one in known]
    some = [gap for gap in gaps if LEAST_ROWS <= gap.sum() <= len(gap) - LEAST_ROWS]
    rows = len(gaps[0])
    if len(some) < 2:
        return np.empty((rows, 0))
    unknown = np.column_stack(some).astype(np.float32)
    count = unknown.sum(axis=0, dtype=np.float64)
    both = (unknown.T @ unknown).astype(np.float64)
    spread = np.sqrt(count * (rows - count))
    together = (rows * both - np.outer(count, count)) / np.outer(spread, spread) >= TOGETHER
    kinds, left = list[Mask](), np.ones(len(some), dtype=bool)
    for first in range(len(some)):
        members = np.flatnonzero(together[first] & left)
        if left[first] and len(members) > 1:
            left[members] = False
            kind = np.logical_and.reduce([some[i] for i in members])
            if LEAST_ROWS <= kind.sum() <= rows - LEAST_ROWS:
                kinds.append(kind)
    return np.column_stack(kinds).astype(np.float64) if kinds else np.empty((rows, 0))
