"""Features that are part of the outcome: likes do not cause engagement, they are some of it. Pure.

What is learned from such a column is true and useless ("posts with many likes do well"), and it hides everything else.
A mapping says which columns are results; this is the guard behind it, which goes by the numbers alone:

- bounded: a count that never exceeds the outcome, though it often would if the outcomes of a week changed places.
  Parts of a sum are bounded by it; nothing that is known before publication is.
- sums up: counts that add up to the outcome in every row, each of them.
- moves along: a count that rises with an outcome that is a number, rank correlation at least `MOVES_ALONG`.
- determines: any number with a rank correlation of at least `DETERMINES` (`DETERMINES_YES_OR_NO` where the outcome is
  one of two), or a label whose levels hardly overlap.

A budget moves along too, and is no result. Who chooses a number takes one of a few levels with gaps between them (20,
50, 100; 19, 49, 99), which events that are counted do not come in: such numbers are judged as labels are.

Correlations are within weeks (a post is compared with those of its week), their errors clustered by week (jackknife),
and it is the lower bound that counts: few rows refuse nothing. On the posts of 69 Facebook pages (four months of 2016):
of likes, comments and shares together all are refused from 100 posts on; of comments alone 96 % with all of a page's
posts, 81 % with 200, 52 % with 100; of 13 features known before publication none with 200 posts or more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tasks.statistics.group_codes import groups
from tasks.statistics.outcome import mean_ranks

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]

FEWEST_ROWS = 50
FEWEST_VIOLATIONS = 15.0  # expected by chance; e⁻¹⁵ is the chance to see none
MOVES_ALONG = 0.5
DETERMINES = 0.85
DETERMINES_YES_OR_NO = 0.98  # what is known before may well tell most buyers from the rest, but not nearly all
SEPARATES = 0.995  # of pairs of rows with different labels, the share in one order less that in the other
MOST_LEVELS = 20
EXACT = 1e-6  # of a sum, relative
STANDARD_ERRORS = 2.58  # one-sided 99.5 %
FEWEST_VALUES = 6  # distinct; a flag is no count
PERMUTATIONS = 4
FEWEST_LEVELS = 3
NEIGHBORS = 2  # whole numbers on either side of a level that would be about as frequent, were it counted
FEWEST_TIMES = 3.5  # that a level is as frequent as its neighborhood on average; 1 for counts, 5 with nothing around
LARGEST_WHOLE = 2.0**53  # beyond it floats do not count any more
GLANCE_ROWS = 500
WEAK = 0.25

FIX = "is part of the outcome: put it under `results:`"


@dataclass(frozen=True, slots=True)
class _Glances:
    """Ranks within weeks, remembered: one outcome is held against many features, one feature against each outcome.

    Attributes:
        ranks: centered, by values and weeks.
        weeks: their codes and sizes.
    """

    ranks: dict[bytes, Array]
    weeks: dict[bytes, tuple[Codes, Codes]]

    def rule_out(self, rows: int, x: Array, y: Array, week: Codes) -> bool:
        """Whether a glance at some of many rows rules a refusal out: ranking all of them is what takes the time.

        Five standard errors of a correlation among so many rows lie between `WEAK` and the least that is refused.
        """
        if rows < 2 * GLANCE_ROWS:
            return False
        first, second = (self._ranks(values, week) for values in (x, y))
        spread = float((first**2).sum() * (second**2).sum())
        return spread > 0 and abs(float((first * second).sum())) < WEAK * np.sqrt(spread)

    def _ranks(self, values: Array, week: Codes) -> Array:
        weeks = week.tobytes()
        key = values.tobytes() + weeks
        if key not in self.ranks:
            if weeks not in self.weeks:
                grouped = groups(week)
                self.weeks[weeks] = grouped.codes, grouped.rows
            self.ranks[key] = _centered(mean_ranks(values), *self.weeks[weeks])
        return self.ranks[key]


def parts_of_outcome(
    features: Mapping[str, Array | Codes], outcomes: Mapping[str, Array], week: Codes, *, seed: int = 0
) -> dict[str, str]:
    """Features that may not be learned from, each with the reason.

    Args:
        features: by name, (n,) each: numbers as floats (NaN: unknown), labels as integer codes (negative: unknown).
        outcomes: by name, (n,) each, NaN where unknown: the counts, and what is made of them if that differs.
        week: (n,) clusters in time.
        seed: of the outcomes' changing of places.

    Returns:
        Name → reason, such as "never exceeds engagements, so it is part of the outcome: put it under `results:`".
    """
    refused: dict[str, str] = {}
    glances = _Glances({}, {})
    for outcome, numbers in outcomes.items():
        left = {name: values for name, values in features.items() if name not in refused}
        refused |= dict.fromkeys(_addends(left, numbers), f"adds up to {outcome} with others, so it {FIX}")
        for name, values in left.items():
            reason = None if name in refused else _reason(values, numbers, week, outcome, seed, glances)
            if reason is not None:
                refused[name] = reason
    return refused


def _addends(features: Mapping[str, Array | Codes], outcome: Array) -> list[str]:
    """Counts of which the outcome is the sum in every row: the least squares fit is exact and gives them a weight."""
    known = np.isfinite(outcome)
    y = outcome[known]
    if known.sum() < FEWEST_ROWS or not _is_count(y):
        return []
    columns = {
        name: np.nan_to_num(values[known].astype(np.float64), nan=0.0)
        for name, values in features.items()
        if not np.issubdtype(values.dtype, np.integer)
    }
    # Each part is at most the whole, which leaves out nearly all that only happens to be a whole number.
    columns = {name: x for name, x in columns.items() if ((x >= 0) & (x <= y)).all() and _is_whole(x) and x.any()}
    if not columns or len(y) < 2 * len(columns) + FEWEST_ROWS / 2:
        return []
    matrix = np.column_stack(list(columns.values()))
    weights = np.linalg.lstsq(matrix, y, rcond=None)[0]
    if np.abs(matrix @ weights - y).max() > EXACT * max(y.max(), 1.0):
        return []
    return [name for name, weight in zip(columns, weights, strict=True) if weight > EXACT]


def _reason(values: Array | Codes, outcome: Array, week: Codes, name: str, seed: int, glances: _Glances) -> str | None:
    is_label = bool(np.issubdtype(values.dtype, np.integer))
    known = np.isfinite(outcome) & ((values >= 0) if is_label else np.isfinite(values))
    rows = int(np.count_nonzero(known))
    if rows < FEWEST_ROWS:
        return None
    if rows < len(known):
        if not is_label and _is_harmless(values, outcome, week, known, glances):
            return None
        values, outcome, week = values[known], outcome[known], week[known]
    if is_label or _is_chosen(values):
        return f"its levels hardly overlap in {name}, so it {FIX}" if _separates(values, outcome) else None
    return _reason_of_number(values.astype(np.float64, copy=False), outcome, week, name, seed, glances)


def _reason_of_number(x: Array, y: Array, week: Codes, name: str, seed: int, glances: _Glances) -> str | None:
    if (x <= y).all() and _is_count(x) and _is_count(y) and _is_bounded(x, y, groups(week).codes, seed):
        return f"never exceeds {name}, so it {FIX}"
    bound, rises = _correlation_bound(x, y, week, glances)
    if bound < MOVES_ALONG:
        return None
    is_count = _is_count(x)
    is_yes_or_no = len(np.unique(y)) <= 2
    if bound >= (DETERMINES_YES_OR_NO if is_yes_or_no else DETERMINES):
        return f"nearly determines {name} (rank correlation {bound:.2f} or more), so it {FIX}"
    if is_count and rises and bound >= MOVES_ALONG and not is_yes_or_no:
        return f"is a count that moves with {name} (rank correlation {bound:.2f} or more), so it {FIX}"
    return None


def _is_harmless(values: Array | Codes, outcome: Array, week: Codes, known: Mask, glances: _Glances) -> bool:
    """Whether a glance at some known rows settles it, before all of them are moved: no whole numbers, and weak."""
    rows = int(np.count_nonzero(known))
    some = np.flatnonzero(known)[:: max(rows // GLANCE_ROWS, 1)]
    few = values[some].astype(np.float64, copy=False)
    return not _is_whole(few) and glances.rule_out(rows, few, outcome[some], week[some])


def _is_count(values: Array) -> bool:
    if not (values >= 0).all() or not _is_whole(values) or values.max(initial=0.0) < FEWEST_VALUES - 1:
        return False
    some = values[:GLANCE_ROWS]  # settle most
    return len(np.unique(some)) >= FEWEST_VALUES or len(np.unique(values)) >= FEWEST_VALUES


def _is_whole(values: Array | Codes) -> bool:
    some = values[:GLANCE_ROWS]  # settle most
    return bool((some == np.floor(some)).all() and (values == np.floor(values)).all())


def _is_chosen(values: Array | Codes) -> bool:
    """Whether whole numbers come in a few levels with gaps between them, as people choose them."""
    if not _is_whole(values) or np.abs(values).max(initial=0.0) > LARGEST_WHOLE:
        return False
    grouped = groups(values.astype(np.int64))
    levels, counts = grouped.numbers, grouped.rows
    if not FEWEST_LEVELS <= len(levels) <= MOST_LEVELS:
        return False
    near = np.abs(levels[:, None] - levels[None, :]) <= NEIGHBORS
    around = near @ counts / (2 * NEIGHBORS + 1)
    return bool((counts * counts).sum() >= FEWEST_TIMES * (counts * around).sum())


def _is_bounded(x: Array, y: Array, clusters: Codes, seed: int) -> bool:
    """Whether outcomes that change places within a week would often break that x ≤ y, as it is in every row."""
    generator = np.random.default_rng(seed)
    home = np.argsort(clusters, kind="stable")
    exceeded = 0.0
    for _ in range(PERMUTATIONS):
        moved = np.empty_like(y)
        moved[home] = y[np.lexsort((generator.random(len(y)), clusters))]
        exceeded += float((x > moved).sum()) / PERMUTATIONS
    return exceeded >= FEWEST_VIOLATIONS


def _correlation_bound(x: Array, y: Array, week: Codes, glances: _Glances) -> tuple[float, bool]:
    """Lower bound of the absolute rank correlation within weeks, 0 where too little varies; whether it is positive.

    An outcome with ties, such as yes or no, cannot reach 1: the correlation is relative to the largest it allows.
    """
    some = slice(None, None, max(len(x) // GLANCE_ROWS, 1))
    if glances.rule_out(len(x), x[some], y[some], week[some]):
        return 0.0, False
    clusters = groups(week).codes
    size = np.bincount(clusters)
    first, second = (_centered(mean_ranks(values), clusters, size) for values in (x, y))
    xy, xx, yy = (np.bincount(clusters, product) for product in (first * second, first**2, second**2))
    if len(size) < 3 or min(xx.sum(), yy.sum()) <= 0:
        return 0.0, False
    whole = float(xy.sum() / np.sqrt(xx.sum() * yy.sum()))
    without_x, without_y = xx.sum() - xx, yy.sum() - yy
    usable = (without_x > 0) & (without_y > 0)
    if not usable.all():
        return 0.0, False
    left_out = (xy.sum() - xy) / np.sqrt(without_x * without_y)
    m = len(left_out)
    error = float(np.sqrt((m - 1) / m * ((left_out - left_out.mean()) ** 2).sum()))
    return max(abs(whole) - STANDARD_ERRORS * error, 0.0) / _largest_correlation(y), whole > 0


def _largest_correlation(y: Array) -> float:
    """Rank correlation of y with a variable without ties in the same order."""
    ordered = mean_ranks(np.sort(y))
    return float(np.corrcoef(ordered, np.arange(len(y)))[0, 1])


def _centered(ranks: Array, clusters: Codes, size: Codes) -> Array:
    centered: Array = ranks - (np.bincount(clusters, ranks) / size)[clusters]
    return centered


def _separates(labels: NDArray[np.generic], y: Array) -> bool:
    """Whether labels sort the outcome: of pairs with different labels nearly all are in the order of their levels."""
    levels, counts = np.unique(labels, return_counts=True)
    if not 2 <= len(levels) <= MOST_LEVELS or len(y) - counts.max() < FEWEST_ROWS / 2:
        return False
    by_level = sorted((np.sort(y[labels == level]) for level in levels), key=lambda own: float(own.mean()))
    agree = disagree = 0.0
    most = (1.0 - SEPARATES) / 2 * sum(len(lower) * len(higher) for lower, higher in combinations(by_level, 2))
    for lower, higher in combinations(by_level, 2):
        disagree += float((len(lower) - np.searchsorted(lower, higher, side="right")).sum())
        if disagree > most:  # whatever the rest
            return False
        agree += float(np.searchsorted(lower, higher, side="left").sum())
    return agree + disagree > 0 and (agree - disagree) / (agree + disagree) >= SEPARATES
