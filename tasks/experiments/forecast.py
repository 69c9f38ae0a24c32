"""When a running experiment will have its answer: its rule, simulated from today's numbers on, at its present pace.

Each path draws the arms' true means from what is known of them (normal, flat prior), lets further units come in and
looks at evenly spread sizes up to the planned one. It ends where an arm is proven better than every other one, or at
the planned size, where the experiment is complete either way. The same numbers give the same forecast: the seed is
fixed. With 2,000 paths a probability of one half is known to 1.1 % (standard error).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.experiments.analysis import AnalysisInput, InterimResult
from tasks.experiments.inference import winner_boundary
from tasks.experiments.records import Forecast

Array = NDArray[np.float64]
PATHS = 2000
LOOKS_AHEAD = 12
SEED = 17
MIDDLE = (0.1, 0.5, 0.9)  # quantiles: from, by, to
RECENT = timedelta(days=7)  # a pace is that of the last week, all weekdays alike
LEAST_TIME = timedelta(hours=1)  # within the first hour a pace says nothing
FURTHEST = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Pace:
    """Units of all arms that come in, a day, with the standard error of that number."""

    units_per_day: float
    standard_error: float

    @classmethod
    def of(cls, counts: Sequence[tuple[datetime, int]], now: datetime) -> Pace | None:
        """From how many units there were at some instants, in order; None while too little is known.

        The error is that of the days' differing counts, and never less than that of a Poisson count.
        """
        before = [one for one in counts if one[0] <= now - RECENT] or list(counts[:1])
        since = [before[-1], *(one for one in counts if one[0] > before[-1][0])] if before else []
        if len(since) < 2 or since[-1][0] - since[0][0] < LEAST_TIME or since[-1][1] <= since[0][1]:
            return None
        days, units = (since[-1][0] - since[0][0]) / timedelta(days=1), since[-1][1] - since[0][1]
        pace = units / days
        daily = np.diff(np.interp(np.arange(int(days) + 1), *_over_time(since)))
        uneven = float(np.std(daily, ddof=1)) / sqrt(len(daily)) if len(daily) > 1 else 0.0
        return cls(pace, max(uneven, pace / sqrt(units)))


def _over_time(counts: Sequence[tuple[datetime, int]]) -> tuple[list[float], list[int]]:
    """Days since the first of some instants, and the counts at them."""
    first = counts[0][0]
    return [(at - first) / timedelta(days=1) for at, _ in counts], [n for _, n in counts]


def pace_of(experiment: Mapping[str, Any], looks: Sequence[Mapping[str, Any]], n: int, now: datetime) -> Pace | None:
    """From the looks so far, the start and this one."""
    started = experiment["started_at"]
    if started is None:
        return None
    counts = [(started, 0), *((look["looked_at"], look["n"]) for look in looks if started < look["looked_at"] < now)]
    return Pace.of([*counts, (now, n)], now)


def forecast(
    known: AnalysisInput, seen: InterimResult, pace: Pace | None, now: datetime, not_before: datetime
) -> Forecast | None:
    """When the answer comes; None without a plan or a pace, at its end, or where weights follow the outcomes.

    Args:
        not_before: when a full cycle is covered, before which nothing is declared.
    """
    n = seen.moments.n
    is_open = seen.rule.is_hybrid and seen.rule.version > 1 and not seen.evidence.is_final_done
    if pace is None or not is_open or not seen.planned or n.min() < 2 or not (seen.moments.variance > 0).all():
        return None
    wanted = np.array(known.split.weights) * seen.planned / min(known.split.weights)
    missing = np.maximum(wanted - n, 0.0)
    if missing.max() <= 0:
        return None
    rng = np.random.default_rng(SEED)
    share, is_won = _first_crossing(known, seen, wanted, rng)
    days = float((missing / (pace.units_per_day * np.array(known.split.weights))).max())
    speed = pace.units_per_day / np.maximum(rng.normal(pace.units_per_day, pace.standard_error, PATHS), 1e-9)
    slowness = np.clip(speed, 0.1, 10.0)
    earliest, by, latest = (_later(now, float(one)) for one in np.quantile(share * days * slowness, MIDDLE))
    earliest, by, latest = (max(one, not_before) for one in (earliest, by, latest))
    return Forecast(pace.units_per_day, earliest, by, latest, _later(now, days), float(is_won.mean()))


def _later(now: datetime, days: float) -> datetime:
    return now + min(timedelta(days=min(days, 1e5)), FURTHEST)


def _first_crossing(
    known: AnalysisInput, seen: InterimResult, wanted: Array, rng: np.random.Generator
) -> tuple[Array, NDArray[np.bool_]]:
    """Share of the way to the planned size at which each path ends, and whether it ends with a winner."""
    n, error = seen.moments.n, seen.moments.standard_error
    sign = -1.0 if known.metrics[0]["direction"] == "decrease" else 1.0
    mean, deviation = sign * seen.means, np.sqrt(seen.moments.variance)
    truth = mean + error * rng.standard_normal((PATHS, len(n)))
    crossed = np.broadcast_to(seen.evidence.better <= known.design.alpha, (PATHS, len(n), len(n))).copy()
    crossed |= np.eye(len(n), dtype=bool)
    end, is_won = np.ones(PATHS), np.zeros(PATHS, dtype=bool)
    total, units = np.broadcast_to(mean * n, (PATHS, len(n))).copy(), n.copy()
    steps = np.arange(1, LOOKS_AHEAD + 1) / LOOKS_AHEAD
    for step, bound in zip(steps, _bounds(known, seen, wanted, steps), strict=True):
        more = np.maximum(n + step * np.maximum(wanted - n, 0.0) - units, 0.0)
        total += truth * more + deviation * np.sqrt(more) * rng.standard_normal(total.shape)
        units = units + more
        spread = np.square(deviation) / units
        z = (total / units)[:, :, None] - (total / units)[:, None, :]
        crossed |= z >= bound * np.sqrt(spread[:, None] + spread)
        now_won = np.logical_or.reduce(np.logical_and.reduce(crossed, axis=2), axis=1) & ~is_won
        end[now_won], is_won = step, is_won | now_won
    return end, is_won


def _bounds(known: AnalysisInput, seen: InterimResult, wanted: Array, steps: Array) -> list[Array]:
    """The z (K, K) that each pair must reach at each look to come, the planned size last."""
    n, levels, slope = seen.moments.n, seen.rule.levels(), winner_boundary.slope_for(seen.rule.alpha)
    sizes = [n + step * np.maximum(wanted - n, 0.0) for step in steps]
    times = [np.minimum(known.split.information(size, float(seen.planned or 1)), 1.0) for size in sizes]
    running = [winner_boundary.interim_bound(levels, time, slope) for time in times[:-1]]
    past = [*seen.evidence.information, *(float(time.max()) for time in times[:-1])]
    every, place = np.unique(levels, return_inverse=True)
    last = winner_boundary.final_bounds(every, [one for one in past if one < 1], np.ones(1), slope)[:, 0]
    return [*running, last[place].reshape(levels.shape)]
