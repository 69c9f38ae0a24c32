"""How probably a rule names the right winner by its planned size: what a plan promises.

One arm is better than the control by a given effect, all others are as good as the control. Of one comparison the
probability of crossing the boundary at one of evenly spread looks is exact, by recursion. Several share the best arm:
given its mean they are independent, each with the critical value of a single test that crosses as probably.
That says 1 % too little for twelve arms (simulated).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from tasks.experiments.inference import alpha_spending, winner_boundary
from tasks.experiments.inference.alpha_spending import OPEN_SHARES, WEIGHTED_SHARE, SpendingRule
from tasks.experiments.inference.winner_boundary import INTERIM_SHARE, SEQUENCE_SHARE, WIDE_SHARE, Mixture, Surviving
from tasks.statistics import confidence_sequences

Array = NDArray[np.float64]
BEST_ARM_NODES = 40
TUNED_SHARE = 0.25  # of the planned size, where a confidence sequence is narrowest
WEIGHTED_TUNED_SHARE = 0.02  # the same of weighted scores: who runs a bandit ends it long before a size that finds 5 %,
# and intervals tuned to that were 2.7 times too wide by then; tuned so early they lose a tenth at that size
LARGEST_DRIFT = 30.0


def probability(rule: SpendingRule, drift: float, weights: Sequence[float], looks: int) -> float:
    """That the best arm is proven better than every other one.

    Args:
        drift: expected z of the smallest treatment against the control at the planned size.
        weights: of the arms; the smallest treatment is the best arm, which is the hardest to find.
    """
    share, best = np.array(weights), _smallest_treatment(rule, weights)
    spread = np.delete(1 / share, best) + 1 / share[best]
    drifts = drift * np.sqrt((1 / share[best] + 1 / share[rule.control]) / spread)
    levels, shares = (np.delete(part[best], best) for part in (rule.levels(), rule.interim_shares()))
    pairs = list(zip(levels, drifts, shares, strict=True))
    crossing = {
        (level, drift, share): crossing_probability(rule, level, drift, looks, share)
        for level, drift, share in set(pairs)
    }
    lead = np.array([ndtri(crossing[pair]) for pair in pairs])
    unit, weight = hermegauss(BEST_ARM_NODES)
    own = np.sqrt(1 / share[best] / spread)
    given = ndtr((lead + own * unit[:, None]) / np.sqrt(1 - np.square(own)))
    return float(weight @ given.prod(axis=1) / weight.sum())


def crossing_probability(
    rule: SpendingRule, level: float, drift: float, looks: int, share: float = INTERIM_SHARE
) -> float:
    """That one comparison crosses its boundary at one of these looks, for normal means: exact."""
    times, bounds = np.arange(1, looks + 1) / looks, _bounds(rule, level, looks, share)
    state, crossed = Surviving.begun(1), 0.0
    for time, bound in zip(times.tolist(), bounds, strict=True):
        edge = np.array([[bound * np.sqrt(time)]])
        crossed += float(state.beyond(edge, time, drift)[0, 0])
        state = state.after(edge[:, 0], time, drift)
    return min(max(crossed, 1e-15), 1 - 1e-15)


@lru_cache(maxsize=256)
def needed_drift(rule: SpendingRule, weights: tuple[float, ...], power: float, looks: int) -> float:
    """The drift at which the right winner is named with a probability."""
    from scipy.optimize import brentq  # takes .4 s, and assigning and recording never need it

    return float(brentq(_missing, 0.1, LARGEST_DRIFT, (rule, weights, power, looks), xtol=1e-6))


def _missing(drift: float, rule: SpendingRule, weights: tuple[float, ...], power: float, looks: int) -> float:
    return probability(rule, drift, weights, looks) - power


def tuned_share(*, is_weighted: bool, version: int) -> float:
    """Share of the planned size where a sequence is narrowest."""
    return WEIGHTED_TUNED_SHARE if is_weighted and version > 2 else TUNED_SHARE


def later_bound(rule: SpendingRule, t: float) -> float:
    """The z that an arm must reach against the control once only a sequence goes on."""
    level = rule.levels()[rule.control - 1, rule.control]
    if rule.is_hybrid:
        return float(Mixture.wide().bound(level * SEQUENCE_SHARE, t))
    return float(_narrow(rule).bound(level * (1 - WIDE_SHARE), t))


def _narrow(rule: SpendingRule) -> Mixture:
    return Mixture.tuned_to(rule.alpha * OPEN_SHARES[0])


@lru_cache(maxsize=256)
def _bounds(rule: SpendingRule, level: float, looks: int, share: float) -> tuple[float, ...]:
    """On the z of each of evenly spread looks, for one comparison at its one-sided level."""
    times = np.arange(1, looks + 1) / looks
    if rule.is_scheduled:
        spent = alpha_spending.two_sided_spending(times, rule.alpha)
        return tuple(alpha_spending.two_sided_bounds(times, spent).tolist())
    if rule.is_weighted:
        tuned = tuned_share(is_weighted=True, version=rule.version)
        wide = confidence_sequences.half_width(1.0, times, rule.alpha * WEIGHTED_SHARE, tuned)
        return tuple(wide.tolist())
    if not rule.is_hybrid:
        return tuple(_narrow(rule).bound(level * (1 - WIDE_SHARE), times).tolist())
    slope = winner_boundary.slope_for(rule.alpha)
    running = winner_boundary.interim_bound(level, times[:-1], slope, share).tolist()
    final = winner_boundary.final_bounds(np.array([level]), times[:-1].tolist(), np.ones(1), slope, share)
    return (*running, float(final[0, 0]))


def _smallest_treatment(rule: SpendingRule, weights: Sequence[float]) -> int:
    treatments = [k for k in range(len(weights)) if k != rule.control]
    return min(treatments, key=weights.__getitem__)
