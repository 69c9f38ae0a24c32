"""What is proven after some looks: which arm is better than which.

The evidence is a matrix of p-values for 'arm i is better than arm j'. Each may only fall from look to look, so what was
once proven stays proven, and the chance that anything false is ever proven is at most α over all looks. An interval is
the intersection of all looks' intervals, by the same bounds: it excludes zero exactly when its p-value is at most α.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tasks.experiments.inference import alpha_spending, winner_boundary
from tasks.experiments.inference.alpha_spending import OPEN_SHARES, WEIGHTED_SHARE, SpendingRule
from tasks.experiments.inference.comparisons import Comparison
from tasks.experiments.inference.winner_boundary import P_VALUE_LEVELS, SEQUENCE_SHARE, WIDE_SHARE, Mixture

Array = NDArray[np.float64]
ROUNDING = 1e-9  # of a share of information, so that a size that is reached exactly is reached
SURPRISE = 5.0  # standard deviations
LEAST_MOVE = 0.05  # of an estimate's variance that it may always move by, for outcomes that come in late


@dataclass(frozen=True, slots=True)
class SequentialEvidence:
    """What is proven after some looks; arrays (K, K), or (…, K, K) of many experiments that are looked at together.

    Attributes:
        better: p-values that the row's arm is better than the column's, each pair by itself; falls from look to look.
        adjusted: the same, all arms' comparisons with the control together.
        lower: bounds below which row minus column does not lie, all together; rises from look to look.
        estimate: row minus column at the last look that was believed, with its standard `error` and units `n`.
        is_doubtful: whether the last look moved more than its new units can explain, and was not believed.
        tested: which pairs had their one test at the planned size.
        information: share of the planned size at each look until then.
        doubted: estimate, error and units of the last look, where it was not believed.
    """

    better: Array
    adjusted: Array
    lower: Array
    estimate: Array
    error: Array
    tested: NDArray[np.bool_]
    n: float = 0.0
    is_doubtful: NDArray[np.bool_] | bool = False
    information: tuple[float, ...] = field(default=())
    doubted: tuple[Array, Array, float] | None = None

    @classmethod
    def none(cls, *shape: int) -> SequentialEvidence:
        """Before the first look, of (…, K) arms."""
        pairs, one = (*shape, shape[-1]), (shape[-1], shape[-1])
        nothing = np.zeros(pairs)
        return cls(np.ones(pairs), np.ones(pairs), np.full(pairs, -np.inf), nothing, nothing, np.zeros(one, dtype=bool))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> SequentialEvidence:
        """From the warehouse, where an open bound is null; the first rule kept only adjusted p-values."""
        lower = np.array([[-np.inf if bound is None else bound for bound in row] for row in stored["lower"]])
        better, estimate, error = (np.array(stored[name]) for name in ("better", "estimate", "error"))
        adjusted = np.array(stored.get("adjusted", stored["better"]))
        tested = np.array(stored.get("tested", np.full(better.shape, stored["is_final_done"])))
        n, is_doubtful, information = stored["n"], stored["is_doubtful"], tuple(stored["information"])
        last = stored.get("doubted")
        doubted = None if last is None else (np.array(last[0]), np.array(last[1]), last[2])
        return cls(better, adjusted, lower, estimate, error, tested, n, is_doubtful, information, doubted)

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse."""
        lower = [[bound if np.isfinite(bound) else None for bound in row] for row in self.lower.tolist()]
        arrays = {name: getattr(self, name).tolist() for name in ("better", "adjusted", "estimate", "error", "tested")}
        state: dict[str, Any] = {
            "n": self.n,
            "is_doubtful": bool(self.is_doubtful),
            "is_final_done": self.is_final_done,
        }
        if self.doubted is not None:
            state["doubted"] = [self.doubted[0].tolist(), self.doubted[1].tolist(), self.doubted[2]]
        return arrays | {"lower": lower, "information": list(self.information)} | state

    @property
    def is_final_done(self) -> bool:
        """Whether every pair had its test at the planned size."""
        return bool(self.tested.all())

    def leader(self, means: Array) -> int:
        """The arm that is proven better than all others, else the one with the highest mean."""
        proven = self.against_all()
        return int(np.lexsort((-np.arange(len(means)), means, -proven))[-1])

    def against_all(self) -> Array:
        """P-value (…, K) that an arm is better than every other one: the largest of its comparisons."""
        others = np.where(np.eye(self.better.shape[-1], dtype=bool), 0.0, self.better)
        return np.asarray(others.max(axis=-1), dtype=np.float64)

    def contradicts_itself(self, alpha: float) -> bool:
        """Whether both directions of one pair were proven: the effect is not stable in time."""
        is_proven = self.better <= alpha
        return bool(np.any(is_proven & is_proven.swapaxes(-1, -2)))

    def is_exceeded_by(self, comparison: Comparison, n: float) -> NDArray[np.bool_]:
        """Whether an effect moved further since the last believed look than its new units can explain.

        Cumulative means of nested samples move by a known variance; a move of five standard deviations means that
        outcomes of one arm came in without those of another, or that the effect is another now. It is believed once
        the units have doubled and the look before showed the same: what lasts is no gap in the data.
        """
        moved = _has_moved(self.estimate, self.error, self.n, comparison, n)
        if self.doubted is None or n < 2 * self.n:
            return moved
        return np.asarray(moved & (_has_moved(*self.doubted, comparison, n) | ~np.asarray(self.is_doubtful)))


def _has_moved(estimate: Array, error: Array, before: float, comparison: Comparison, n: float) -> NDArray[np.bool_]:
    if not 0 < before <= n:
        return np.zeros(comparison.estimate.shape[:-2], dtype=bool)
    nested = np.square(comparison.standard_error) + np.square(error) * (1 - 2 * before / n)
    allowed = np.maximum(nested, LEAST_MOVE * np.square(comparison.standard_error))
    moved = np.square(comparison.estimate - estimate) > SURPRISE**2 * allowed
    return np.asarray((moved & (comparison.standard_error > 0)).any(axis=(-2, -1)))


def look(
    before: SequentialEvidence, comparison: Comparison, rule: SpendingRule, information: float | Array, n: float
) -> SequentialEvidence:
    """Add one look; one that cannot be believed adds nothing.

    Args:
        comparison: every arm (row) against every other (column), each (…, K, K).
        information: of each pair (K, K) or of all, as a share of the planned one; under rule 1, 0 where none is.
        n: units of all arms.
    """
    doubt = before.is_exceeded_by(comparison, n)
    t = np.broadcast_to(np.asarray(information, dtype=np.float64), (rule.arms, rule.arms))
    after = _with_look(before, comparison, rule, t)
    keep = doubt[..., None, None]
    return SequentialEvidence(
        np.where(keep, before.better, after.better),
        np.where(keep, before.adjusted, after.adjusted),
        np.where(keep, before.lower, after.lower),
        np.where(keep, before.estimate, comparison.estimate),
        np.where(keep, before.error, comparison.standard_error),
        before.tested if doubt.all() else after.tested,
        before.n if doubt.all() else n,
        doubt,
        before.information if doubt.all() else after.information,
        (comparison.estimate, comparison.standard_error, n) if doubt.any() else None,
    )


def _with_look(before: SequentialEvidence, comparison: Comparison, rule: SpendingRule, t: Array) -> SequentialEvidence:
    if rule.is_scheduled:
        return _scheduled(before, comparison, rule, float(t.min()))
    if rule.version == 1:
        return _first_rule(before, comparison, rule, float(t.min()))
    if rule.is_weighted:
        return _weighted(before, comparison, rule)
    return (_planned if rule.is_hybrid else _open_ended)(before, comparison, rule, t)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What one look's z is judged by: its level (…, K, K), and the z (K, K) at each pair's level and at all pairs'."""

    level: Array
    alone: Array
    together: Array


def _planned(before: SequentialEvidence, comparison: Comparison, rule: SpendingRule, t: Array) -> SequentialEvidence:
    """The line until the planned size, the test at it, a sequence at all times; each pair by its own information."""
    z, is_now = comparison.normal_z, (t >= 1 - ROUNDING) & ~before.tested
    bounds = _chosen(before.tested, _Bounds(np.ones_like(z), t * 0 + np.inf, t * 0 + np.inf), _of_line(z, rule, t))
    if is_now.any():
        bounds = _chosen(is_now, _at_planned_size(z, rule, t, before.information), bounds)
    bounds = _either(bounds, _of_mixture(z, rule, t, Mixture.wide(), SEQUENCE_SHARE))
    tested = before.tested | is_now
    looks = before.information if tested.all() else (*before.information, float(t.max()))
    return replace(_judged(before, comparison, rule, bounds), tested=tested, information=looks)


def _open_ended(before: SequentialEvidence, comparison: Comparison, rule: SpendingRule, t: Array) -> SequentialEvidence:
    """Two sequences: one that finds the planned effect soon, and one that finds any."""
    z, narrow = comparison.normal_z, Mixture.tuned_to(rule.alpha * OPEN_SHARES[0])
    planned = _of_mixture(z, rule, t, narrow, 1 - WIDE_SHARE)
    return _judged(before, comparison, rule, _either(planned, _of_mixture(z, rule, t, Mixture.wide(), WIDE_SHARE)))


def _of_line(z: Array, rule: SpendingRule, t: Array) -> _Bounds:
    slope, levels, shares = winner_boundary.slope_for(rule.alpha), rule.levels(), rule.interim_shares()
    alone = winner_boundary.interim_bound(levels, t, slope, shares)
    together = winner_boundary.interim_bound(levels / (rule.arms - 1), t, slope, shares)
    return _Bounds(winner_boundary.interim_p_value(z, t, slope, shares), alone, together)


def _of_mixture(z: Array, rule: SpendingRule, t: Array, mixture: Mixture, share: float) -> _Bounds:
    """By a mixture of drifts, with a share of each level."""
    levels = rule.levels() * share
    alone, together = (mixture.bound(level, t) for level in (levels, levels / (rule.arms - 1)))
    return _Bounds(mixture.p_value(z, t) / share, alone, together)


def _at_planned_size(z: Array, rule: SpendingRule, t: Array, looks: tuple[float, ...]) -> _Bounds:
    shares = rule.interim_shares()
    first, *others = np.unique(shares).tolist()
    bounds = _with_what_is_left(z, rule, t, looks, first)
    for share in others:
        bounds = _chosen(shares == share, _with_what_is_left(z, rule, t, looks, share), bounds)
    return bounds


def _with_what_is_left(z: Array, rule: SpendingRule, t: Array, looks: tuple[float, ...], share: float) -> _Bounds:
    """After looks that had a share of each pair's level."""
    slope, levels = winner_boundary.slope_for(rule.alpha), rule.levels()
    together = levels / (rule.arms - 1)
    every = np.unique(np.concatenate([levels.ravel(), together.ravel(), P_VALUE_LEVELS]))[::-1]
    times, column = np.unique(np.maximum(t, 1.0), return_inverse=True)
    bounds = winner_boundary.final_bounds(every, looks, times, slope, share)[:, column.ravel()]
    level = winner_boundary.final_p_value(z.reshape(*z.shape[:-2], -1), bounds, every).reshape(z.shape)
    rows = (len(every) - 1 - np.searchsorted(every[::-1], wanted.ravel()) for wanted in (levels, together))
    alone, both = (bounds[row, np.arange(t.size)].reshape(t.shape) for row in rows)
    return _Bounds(level, alone, both)


def _chosen(where: NDArray[np.bool_], one: _Bounds, other: _Bounds) -> _Bounds:
    return _Bounds(
        np.where(where, one.level, other.level),
        np.where(where, one.alone, other.alone),
        np.where(where, one.together, other.together),
    )


def _either(one: _Bounds, other: _Bounds) -> _Bounds:
    """Whichever is reached: their levels are shares of one."""
    return _Bounds(
        np.minimum(one.level, other.level),
        np.minimum(one.alone, other.alone),
        np.minimum(one.together, other.together),
    )


def _judged(
    before: SequentialEvidence, comparison: Comparison, rule: SpendingRule, bounds: _Bounds
) -> SequentialEvidence:
    """Levels as p-values on the scale of α, which are at most α exactly where the estimate is beyond its bound."""
    share = rule.levels() / rule.alpha
    better = _settled(bounds.level / share, comparison.estimate >= comparison.reach(bounds.alone), rule.alpha)
    reach = comparison.reach(bounds.together)
    adjusted = _settled(bounds.level / share * (rule.arms - 1), comparison.estimate >= reach, rule.alpha)
    return _with(before, comparison, better, adjusted, reach)


def _settled(p: Array, is_beyond: NDArray[np.bool_], alpha: float) -> Array:
    return np.where(is_beyond, np.minimum(p, alpha), np.maximum(p, np.nextafter(alpha, 1)))


def _weighted(before: SequentialEvidence, comparison: Comparison, rule: SpendingRule) -> SequentialEvidence:
    """A sequence of weighted scores."""
    p = comparison.always_valid_p_value / WEIGHTED_SHARE
    return _with(before, comparison, p, p * (rule.arms - 1), comparison.half_width)


def _first_rule(
    before: SequentialEvidence, comparison: Comparison, rule: SpendingRule, information: float
) -> SequentialEvidence:
    """A sequence, and in a hybrid one fixed test at the first look at or past the planned size, always adjusted."""
    p, reach = comparison.always_valid_p_value * rule.alpha / rule.running_alpha, comparison.half_width
    is_final = rule.is_hybrid and information >= 1 and not before.is_final_done
    if is_final:
        levels = rule.final_alphas()
        p = np.minimum(p, comparison.p_value * rule.alpha / levels)
        reach = np.minimum(reach, comparison.fixed_half_width(levels))
    return replace(_with(before, comparison, p, p, reach), tested=before.tested | is_final)


def _scheduled(
    before: SequentialEvidence, comparison: Comparison, rule: SpendingRule, information: float
) -> SequentialEvidence:
    """Held above α until the look's bound is crossed; the plan's end is the last look that counts."""
    if before.is_final_done or information <= (before.information or (0.0,))[-1]:
        return before
    t = (*before.information, min(information, 1.0))
    together = _scheduled_bound(t, rule.alpha / (rule.arms - 1), rule.version)
    alone = together if rule.version == 1 else _scheduled_bound(t, rule.alpha, rule.version)
    p, z = 2 * ndtr(-np.abs(comparison.z)), np.abs(comparison.z)
    adjusted = _settled(p * (rule.arms - 1), z >= together, rule.alpha)
    better = adjusted if rule.version == 1 else _settled(p, z >= alone, rule.alpha)
    after = _with(before, comparison, better, adjusted, together * comparison.standard_error)
    return replace(after, tested=before.tested | (information >= 1), information=t)


def _scheduled_bound(t: tuple[float, ...], alpha: float, version: int) -> float:
    spent = alpha_spending.two_sided_spending(np.array(t), alpha, version)
    return float(alpha_spending.two_sided_bounds(np.array(t), spent)[-1])


def _with(
    before: SequentialEvidence, comparison: Comparison, better: Array, adjusted: Array, reach: Array
) -> SequentialEvidence:
    is_ahead = (comparison.standard_error > 0) & (comparison.estimate > 0)
    better, adjusted = (np.where(is_ahead, np.minimum(p, 1.0), 1.0) for p in (better, adjusted))
    lower = np.where(comparison.standard_error > 0, comparison.estimate - reach, -np.inf)
    return replace(
        before,
        better=np.minimum(before.better, better),
        adjusted=np.minimum(before.adjusted, adjusted),
        lower=np.maximum(before.lower, lower),
    )
