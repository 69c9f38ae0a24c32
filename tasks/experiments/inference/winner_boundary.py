"""When an arm has won: a boundary while the experiment runs, one test at its planned size, a sequence at all times.

Time t is the share of the planned information, so that the score S(t) = z·√t of two equal arms is a Brownian motion and
an effect is its drift. All is one-sided, at a level a of its own, and holds whenever one looks:

- While it runs, S must cross a straight line. The chance that it ever does before t = 1 is exact for every pattern of
  looks (Bachelier and Lévy), .6·a (.2·a between two treatments), and never depends on how often one looks.
- At the planned size the test spends what the looks that were really made have left of .98·a: the recursion of
  Armitage, McPherson & Rowe (1969) over their times. With 20 looks its bound is z = 1.999, a single test's 1.960.
- The rest of a belongs to a sequence that never ends, a mixture of drifts (Robbins 1970): a line finds an effect ten
  times the planned one late, the sequence at once; and after the planned size it alone goes on.

The slope and both shares were chosen on exact figures (`tests/tasks/experiments/test_winner_boundary.py`): a flatter
line or a smaller share of it finds more at the planned size and stops later, a steeper line the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]
SLOPE = 0.38  # of the line, in critical values of the single test at the planned size
INTERIM_SHARE = 0.6  # of a level: the line's, while the experiment runs
ARMS_INTERIM_SHARE = 0.2  # the same between two arms of which none is the control: a winner must beat them all at once,
# which seldom happens early, and the test at the planned size finds the best of twelve in .698 instead of .679
SEQUENCE_SHARE = 0.02  # of a level: the sequence's, before, at and after the planned size
WIDE_SHARE = 0.05  # of a level: the wide mixture's, where the narrow one has the rest
TILT, SPREAD = 0.87, 0.24  # mean and deviation of the narrow mixture, in the drift that is found soonest at t = 1
WIDE_VARIANCE = 200.0  # of the wide mixture's drifts: five times the planned effect is seen at a hundredth of the size
NODES = 128
CLOSEST_LOOKS = 0.01  # of the time so far: nearer ones count as if one had looked all the time between them
FARTHEST_SCORE = 6.0  # standard deviations, beyond which no path is or comes back from
BISECTIONS = 60
P_VALUE_LEVELS = (0.2, 1e-4, 1e-9)  # levels besides an experiment's own that its last p-value is interpolated by


def slope_for(alpha: float) -> float:
    """The line's slope for an experiment with this two-sided level."""
    return float(SLOPE * ndtri(1 - alpha / 2))


def line_crossing(start: ArrayLike, slope: float) -> Array:
    """Chance that a Brownian motion ever reaches start + slope·t for a t up to 1."""
    b = np.maximum(np.asarray(start, dtype=np.float64), 0.0)
    return np.asarray(ndtr(-b - slope) + np.exp(-2 * b * slope) * ndtr(slope - b), dtype=np.float64)


def line_start(level: ArrayLike, slope: float) -> Array:
    """Where the line with this chance starts."""
    wanted = np.asarray(level, dtype=np.float64)
    return _bisected(lambda start: line_crossing(start, slope) > wanted, np.zeros_like(wanted), wanted * 0 + 40.0)


def interim_bound(level: ArrayLike, t: ArrayLike, slope: float, share: float | Array = INTERIM_SHARE) -> Array:
    """The z that a look before the planned size must reach; the line has a share of each level."""
    levels, place = np.unique(np.asarray(level) * share, return_inverse=True)
    starts = np.array([_known_start(float(one), slope) for one in levels])[place].reshape(np.shape(level))
    root = np.sqrt(t)
    return np.asarray(starts / root + slope * root, dtype=np.float64)


@lru_cache(maxsize=256)
def _known_start(level: float, slope: float) -> float:
    return float(line_start(level, slope))


def interim_p_value(z: Array, t: ArrayLike, slope: float, share: float | Array = INTERIM_SHARE) -> Array:
    """The lowest level whose bound a look's z reaches; valid over all looks together."""
    root = np.sqrt(t)
    return np.asarray(np.minimum(line_crossing(z * root - slope * root**2, slope) / share, 1.0))


@dataclass(frozen=True, slots=True)
class Mixture:
    """Drifts with a normal distribution, over which the evidence of a sequence is averaged.

    Attributes:
        tilt: their mean; likewise `variance`.
    """

    tilt: float
    variance: float

    @classmethod
    def tuned_to(cls, level: float) -> Mixture:
        """The one that finds most at t = 1 at a level, and still finds much smaller effects later."""
        soonest = float(np.sqrt(-2 * np.log(level)))
        return cls(TILT * soonest, (SPREAD * soonest) ** 2)

    @classmethod
    def wide(cls) -> Mixture:
        """The one that finds something of any size."""
        return cls(0.0, WIDE_VARIANCE)

    def p_value(self, z: Array, t: ArrayLike) -> Array:
        """One over the evidence against no drift; it ever falls below a level with at most that chance."""
        time = np.asarray(t, dtype=np.float64)
        score, scale = z * np.sqrt(time), 1 + self.variance * time
        exponent = self.variance * np.square(score) + 2 * self.tilt * score - self.tilt**2 * time
        log_evidence = exponent / (2 * scale) - np.log(scale) / 2
        return np.asarray(np.where(z > 0, np.exp(-np.maximum(log_evidence, 0.0)), 1.0))

    def bound(self, level: ArrayLike, t: ArrayLike) -> Array:
        """The z at which the p-value is the level."""
        time = np.asarray(t, dtype=np.float64)
        scale = 1 + self.variance * time
        needed = 2 * scale * (np.log(scale) / 2 - np.log(level)) + self.tilt**2 * time
        root = np.sqrt(self.tilt**2 + self.variance * needed)
        return np.asarray((root - self.tilt) / (self.variance * np.sqrt(time)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Surviving:
    """Scores that have crossed nothing up to a time, one row for each of several boundaries.

    Attributes:
        position: scores (L, nodes); `mass`: the probability of each.
    """

    time: float
    position: Array
    mass: Array

    @classmethod
    def begun(cls, boundaries: int) -> Surviving:
        """At time 0."""
        return cls(0.0, np.zeros((boundaries, 1)), np.ones((boundaries, 1)))

    def beyond(self, edge: Array, time: float | Array, drift: float = 0.0) -> Array:
        """Probability (L, P) of being at or beyond edges (L, P) at a later time, or one for each column."""
        step = (np.asarray(time, dtype=np.float64) - self.time)[..., None]
        gap = (self.position[:, None, :] + drift * step - edge[:, :, None]) / np.sqrt(step)
        return np.asarray((self.mass[:, None, :] * ndtr(gap)).sum(axis=-1), dtype=np.float64)

    def beyond_or_crossed(self, edge: Array, time: float | Array, start: Array, slope: float) -> Array:
        """The same, or of having been beyond the line start + slope·t at any instant on the way."""
        now = np.asarray(time, dtype=np.float64)
        edge, step = np.minimum(edge, start[:, None] + slope * now), (now - self.time)[..., None]
        room = (start[:, None] + slope * self.time - self.position)[:, None, :]
        gap = (edge[:, :, None] - self.position[:, None, :] - 2 * room) / np.sqrt(step)
        crossed_and_below = np.exp(-2 * slope * room) * ndtr(gap)
        mirrored = (self.mass[:, None, :] * crossed_and_below).sum(axis=-1)
        return np.asarray(self.beyond(edge, time) + mirrored, dtype=np.float64)

    def after(self, edge: Array, time: float, drift: float = 0.0, line: tuple[Array, float] | None = None) -> Surviving:
        """Those below an edge (L,) at a later time, and below the line on all of the way where one is given."""
        step = time - self.time
        unit, weight = _legendre()
        reach = FARTHEST_SCORE * np.sqrt(time)
        lowest = min(drift * time, 0.0) - reach
        half = (np.clip(edge, lowest + np.sqrt(step), max(drift * time, 0.0) + reach) - lowest)[:, None] / 2
        position = lowest + half * (1 + unit)
        gap = position[:, :, None] - self.position[:, None, :] - drift * step
        density = np.exp(-np.square(gap) / (2 * step)) / np.sqrt(2 * np.pi * step)
        if line is not None:
            start, slope = line
            before = (start[:, None] + slope * self.time - self.position)[:, None, :]
            now = (start[:, None] + slope * time - position)[:, :, None]
            density = density * -np.expm1(-2 * before * now / step)
        return Surviving(time, position, half * weight * (density @ self.mass[:, :, None])[:, :, 0])


@lru_cache(maxsize=1)
def _legendre() -> tuple[Array, Array]:
    unit, weight = leggauss(NODES)
    return unit, weight


def final_bounds(
    level: Array, looks: Sequence[float], planned: Array, slope: float, share: float = INTERIM_SHARE
) -> Array:
    """The z (L, P) of the test at the planned size, after looks that left the rest of the levels (L,).

    Args:
        looks: information at each look before, in order.
        planned: information at the test (P,), 1 or a little more.
        share: of each level, the line's.
    """
    start = line_start(share * level, slope)
    state, spent = Surviving.begun(len(level)), np.zeros((len(level), 1))
    relevant = [look for look in looks if float(start.min()) < FARTHEST_SCORE * np.sqrt(look)]
    for time, has_looks_between in _far_apart(relevant, float(planned.min())):
        edge = (start + slope * time)[:, None]
        crossed = state.beyond_or_crossed(edge, time, start, slope) if has_looks_between else state.beyond(edge, time)
        line = (start, slope) if has_looks_between else None
        spent, state = spent + crossed, state.after(edge[:, 0], time, line=line)
    is_watched = bool(looks) and state.time < max(looks)
    left = (1 - SEQUENCE_SHARE) * level[:, None] - spent

    def is_too_low(edge: Array) -> NDArray[np.bool_]:
        reached = state.beyond_or_crossed(edge, planned, start, slope) if is_watched else state.beyond(edge, planned)
        return np.asarray(reached > left)

    shape = (len(level), len(planned))
    edge = _bisected(is_too_low, np.full(shape, -FARTHEST_SCORE), np.broadcast_to(10.0 * np.sqrt(planned), shape))
    return np.asarray(edge / np.sqrt(planned), dtype=np.float64)


def _far_apart(looks: Sequence[float], planned: float) -> list[tuple[float, bool]]:
    """Looks that the recursion steps on, and whether there were others between one and the one before it."""
    kept: list[tuple[float, bool]] = []
    has_between = False
    for look in sorted({look for look in looks if 0 < look <= planned * (1 - CLOSEST_LOOKS)}):
        if kept and look - kept[-1][0] < CLOSEST_LOOKS * look:
            has_between = True
            continue
        kept.append((look, has_between))
        has_between = False
    return kept


def final_p_value(z: Array, bounds: Array, levels: Array) -> Array:
    """The level (…, P) whose bound a z (…, P) reaches at the planned size, by the bounds (L, P) of falling levels (L,).

    The looks raise the bound of a single test by an amount that hardly depends on the level, so that is interpolated.
    """
    raised = bounds + ndtri((1 - SEQUENCE_SHARE) * levels)[:, None]
    columns = [z[..., k] - np.interp(z[..., k], bounds[:, k], raised[:, k]) for k in range(bounds.shape[1])]
    return np.asarray(np.minimum(ndtr(-np.stack(columns, axis=-1)) / (1 - SEQUENCE_SHARE), 1.0), dtype=np.float64)


def _bisected(is_too_low: Callable[[Array], NDArray[np.bool_]], low: Array, high: Array) -> Array:
    """Where a condition that holds below and not above changes, in arrays of any one shape."""
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = is_too_low(middle)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
