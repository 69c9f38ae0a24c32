"""Whether a version still does what it did, asked after every outcome: bounds that hold at all looks of a year. Pure.

Three tests share the level, each from the sums of days alone, whose number a look costs:

- all that the version lost as served, beside its held-out loss at registration. That loss is another fit's, on fewer
  rows, so only a rise beyond a tenth counts (`MARGIN`);
- what it lost since each day, beside what it lost before that day. As served on both sides, so any rise counts;
- what it predicts since each day, beside before, which needs no outcome and is a warning at most.

A day's bound is a one-sided confidence sequence of a difference of means: of the two samples the earlier has ended, and
`n·m/(n + m)` is the information that grows. Each of a year's days pays for its own, so that at most 1 in 20 years
without drift sees an alarm, whoever looks how often. Of the two variances the larger counts: losses are skewed, and
where few rows have been seen the smaller one has not met the large losses yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.models.drift.monitor import DriftThresholds
from tasks.models.drift.sketch import UNIT, Sketch
from tasks.models.records import CRITICAL, INSUFFICIENT_DATA, NO_DRIFT, WARNING
from tasks.statistics.confidence_sequences import half_width, lower_half_width

LEVEL = 0.05  # of a year
TESTS, DAYS_A_YEAR = 3, 366
NARROWEST_AT = 200.0  # rows since the change; what is found sooner is larger
MARGIN = 0.1  # of the loss at registration
SHIFT_OF_FULL_SCORE = 2.0  # standard deviations, as `monitor.input_score` has it
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StreamMoments:
    """Numbers, means and variances; arrays broadcast."""

    n: Floats
    mean: Floats
    variance: Floats

    @classmethod
    def of_sums(cls, n: Any, total: Any, squares: Any) -> StreamMoments:
        """From counts and sums; where nothing was counted the mean is 0."""
        n, total, squares = (np.asarray(one, dtype=np.float64) for one in (n, total, squares))
        mean = total / np.maximum(n, 1.0)
        variance = np.maximum(squares - n * mean * mean, 0.0) / np.maximum(n - 1.0, 1.0)
        return cls(n, mean, variance)


def least_rise(before: StreamMoments, after: StreamMoments, level: float) -> Floats:
    """How much higher the later mean is at least, at every number of later rows at once."""
    error, information = _error(before, after)
    rise = after.mean - before.mean
    return np.asarray(rise - lower_half_width(error, information, level, NARROWEST_AT), dtype=np.float64)


def least_move(before: StreamMoments, after: StreamMoments, level: float) -> Floats:
    """How far apart the means are at least, whichever is higher; below 0 where they may be equal."""
    error, information = _error(before, after)
    distance = np.abs(after.mean - before.mean)
    return np.asarray(distance - half_width(error, information, level, NARROWEST_AT), dtype=np.float64)


def _error(before: StreamMoments, after: StreamMoments) -> tuple[Floats, Floats]:
    information = before.n * after.n / (before.n + after.n)
    return np.sqrt(np.maximum(before.variance, after.variance) / information), information


@dataclass(frozen=True, slots=True)
class StreamFinding:
    """A test that found something.

    Attributes:
        since: the day with which it began; None for all that the version served.
        score: 0–1, as a drift check's.
        reason: in a sentence.
    """

    since: datetime | None
    score: float
    reason: str
    is_labeled: bool


@dataclass(frozen=True, slots=True)
class Stream:
    """What a version did day by day, and what follows from it now.

    Attributes:
        days: (d,) beginnings of the days on which it did anything, ascending.
        outcomes: losses of each day; `predictions` likewise scores.
        status: as a drift check's.
        findings: the strongest first.
    """

    days: tuple[datetime, ...]
    outcomes: StreamMoments
    predictions: StreamMoments
    status: str
    findings: tuple[StreamFinding, ...]

    @property
    def n_outcomes(self) -> int:
        """How many outcomes there are."""
        return int(self.outcomes.n.sum())

    @property
    def n_predictions(self) -> int:
        """How many predictions there are."""
        return int(self.predictions.n.sum())

    def running(self, start: int = 0) -> tuple[Floats, Floats]:
        """Mean loss of all outcomes since a day, at each day's end, and half the width of its band.

        The band holds at all looks at once; infinite while fewer than two outcomes are known.
        """
        since = _cumulated(self.outcomes, start)
        with np.errstate(divide="ignore", invalid="ignore"):
            width = half_width(np.sqrt(since.variance / since.n), since.n, LEVEL, NARROWEST_AT)
        return since.mean, np.where(since.n >= 2, width, np.inf)


def stream_of(
    sketches: Sequence[tuple[datetime, Sketch]],
    registered: Mapping[str, Any] | None,
    thresholds: DriftThresholds,
) -> Stream:
    """What the days of a version say.

    Args:
        sketches: by day, ascending.
        registered: the evaluation at registration, with `loss`, `loss_variance` and `n`; None where there is none.
        thresholds: when to warn and to alarm, and how many rows are enough.
    """
    days = tuple(day for day, _ in sketches)
    columns = [[getattr(one, name) for _, one in sketches] for name in Sketch.__slots__]
    predictions, outcomes = (
        StreamMoments.of_sums(n, *(np.asarray(sums, dtype=np.float64) / UNIT for sums in rest))
        for n, *rest in (columns[:3], columns[3:])
    )
    findings = [
        *_beside_registration(outcomes, registered, thresholds),
        *_beside_before(days, outcomes, thresholds),
        *_moved(days, predictions, thresholds),
    ]
    findings.sort(key=_strongest_first)
    return Stream(days, outcomes, predictions, _status(findings, outcomes, thresholds), tuple(findings))


def _strongest_first(finding: StreamFinding) -> tuple[bool, float]:
    return not finding.is_labeled, -finding.score


def _status(findings: Sequence[StreamFinding], outcomes: StreamMoments, thresholds: DriftThresholds) -> str:
    if any(one.is_labeled and one.score >= thresholds.critical for one in findings):
        return CRITICAL
    if findings:
        return WARNING
    return NO_DRIFT if outcomes.n.sum() >= thresholds.min_samples else INSUFFICIENT_DATA


def _beside_registration(
    outcomes: StreamMoments, registered: Mapping[str, Any] | None, thresholds: DriftThresholds
) -> list[StreamFinding]:
    if registered is None or outcomes.n.sum() < thresholds.min_samples or not registered.get("n", 0) > 1:
        return []
    n, mean, variance = (float(registered[name]) for name in ("n", "loss", "loss_variance"))
    tenth = 1.0 + MARGIN
    allowed = StreamMoments(np.float64(n), np.float64(mean * tenth), np.float64(variance * tenth**2))  # type: ignore[arg-type]
    all_of_it = _pooled(outcomes, 0, len(outcomes.n))
    if not (least_rise(allowed, all_of_it, LEVEL / TESTS) > 0 and mean > 0):
        return []
    share = float(all_of_it.mean) / mean - 1.0
    how = f"the mean loss of all {int(all_of_it.n):,} outcomes is {share:.0%} above the one at registration"
    return [StreamFinding(None, min(share, 1.0), how, True)]


def _beside_before(
    days: Sequence[datetime], outcomes: StreamMoments, thresholds: DriftThresholds
) -> list[StreamFinding]:
    """The day since when the loss rose most, where it did."""
    starts, before, after = _splits(outcomes, thresholds.min_samples)
    if not len(starts):
        return []
    least = least_rise(before, after, LEVEL / TESTS / DAYS_A_YEAR)
    share = after.mean / np.maximum(before.mean, 1 / UNIT) - 1.0
    shown = np.flatnonzero((least > 0) & (share >= thresholds.warning))
    if not len(shown):
        return []
    best = _clearest(before, after, shown)
    day = days[starts[best]]
    how = (
        f"since {day:%Y-%m-%d} the mean loss is {share[best]:.0%} above the one before "
        f"({int(after.n[best]):,} outcomes beside {int(before.n[best]):,})"
    )
    return [StreamFinding(day, float(min(share[best], 1.0)), how, True)]


def _moved(days: Sequence[datetime], predictions: StreamMoments, thresholds: DriftThresholds) -> list[StreamFinding]:
    """The day since when other things are predicted, where they are."""
    starts, before, after = _splits(predictions, thresholds.min_samples)
    if not len(starts):
        return []
    least = least_move(before, after, LEVEL / TESTS / DAYS_A_YEAR)
    spread = np.sqrt(np.maximum(before.variance, after.variance))
    shift = np.abs(after.mean - before.mean) / np.maximum(spread, 1 / UNIT)
    score = np.minimum(shift / SHIFT_OF_FULL_SCORE, 1.0)
    shown = np.flatnonzero((least > 0) & (score >= thresholds.warning))
    if not len(shown):
        return []
    best = _clearest(before, after, shown)
    day = days[starts[best]]
    how = f"since {day:%Y-%m-%d} what it predicts lies {shift[best]:.1f} standard deviations from before"
    return [StreamFinding(day, float(score[best]), how, False)]


def _clearest(before: StreamMoments, after: StreamMoments, shown: NDArray[np.intp]) -> int:
    """Of the days that show a change the one at which both sides differ most for their errors: where it began."""
    error, _ = _error(before, after)
    distance = np.abs(after.mean - before.mean) / error
    return int(shown[np.argmax(distance[shown])])


def _splits(values: StreamMoments, least: int) -> tuple[NDArray[np.intp], StreamMoments, StreamMoments]:
    """Days before which and since which there is enough, with all before and all since each."""
    n_before = np.concatenate([[0.0], np.cumsum(values.n)[:-1]]) if len(values.n) else np.empty(0)
    starts = np.flatnonzero((n_before >= least) & (values.n.sum() - n_before >= least))
    n, total, squares = _sums_to(values)
    before = StreamMoments.of_sums(n[starts], total[starts], squares[starts])
    after = StreamMoments.of_sums(n[-1] - n[starts], total[-1] - total[starts], squares[-1] - squares[starts])
    return starts, before, after


def _pooled(values: StreamMoments, start: int, stop: int) -> StreamMoments:
    return StreamMoments.of_sums(*(one[stop] - one[start] for one in _sums_to(values)))


def _cumulated(values: StreamMoments, start: int) -> StreamMoments:
    """All since a day, at the end of each day from then on."""
    return StreamMoments.of_sums(*(one[start + 1 :] - one[start] for one in _sums_to(values)))


def _sums_to(values: StreamMoments) -> tuple[Floats, Floats, Floats]:
    """(d + 1,) each: numbers, sums and sums of squares of all days before the k-th."""
    squares = values.variance * np.maximum(values.n - 1.0, 0.0) + values.n * values.mean**2
    parts = (values.n, values.n * values.mean, squares)
    n, total, squared = (np.concatenate([[0.0], np.cumsum(one)]) for one in parts)
    return n, total, squared
