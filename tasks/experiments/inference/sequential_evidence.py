"""What is proven after some looks: which arm is better than which.

The evidence is a matrix of adjusted p-values for 'arm i is better than arm j'. Each may only fall from look to look, so
what was once proven stays proven, and the chance that anything false is ever proven is at most α over all looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tasks.experiments.inference import alpha_spending
from tasks.experiments.inference.alpha_spending import SpendingRule
from tasks.experiments.inference.comparisons import Comparison

Array = NDArray[np.float64]
SURPRISE = 5.0  # standard deviations
LEAST_MOVE = 0.05  # of an estimate's variance that it may always move by, for outcomes that come in late


@dataclass(frozen=True, slots=True)
class SequentialEvidence:
    """What is proven after some looks; arrays (K, K), or (…, K, K) of many experiments that are looked at together.

    Attributes:
        better: adjusted p-values that the row's arm is better than the column's; falls from look to look.
        lower: bounds below which row minus column does not lie; rises from look to look.
        estimate: row minus column at the last look that was believed, with its standard `error` and units `n`.
        is_doubtful: whether the last look moved more than its new units can explain, and was not believed.
        is_final_done: whether the one test at the planned size has been made.
        information: share of the planned size at each look of a scheduled experiment.
    """

    better: Array
    lower: Array
    estimate: Array
    error: Array
    n: float = 0.0
    is_doubtful: NDArray[np.bool_] | bool = False
    is_final_done: bool = False
    information: tuple[float, ...] = field(default=())

    @classmethod
    def none(cls, *shape: int) -> SequentialEvidence:
        """Before the first look, of (…, K) arms."""
        pairs = (*shape, shape[-1])
        return cls(np.ones(pairs), np.full(pairs, -np.inf), np.zeros(pairs), np.zeros(pairs))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> SequentialEvidence:
        """From the warehouse, where an open bound is null."""
        lower = np.array([[-np.inf if bound is None else bound for bound in row] for row in stored["lower"]])
        better, estimate, error = (np.array(stored[name]) for name in ("better", "estimate", "error"))
        n, is_doubtful, is_final_done = (stored[name] for name in ("n", "is_doubtful", "is_final_done"))
        return cls(better, lower, estimate, error, n, is_doubtful, is_final_done, tuple(stored["information"]))

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse."""
        lower = [[bound if np.isfinite(bound) else None for bound in row] for row in self.lower.tolist()]
        arrays = {name: getattr(self, name).tolist() for name in ("better", "estimate", "error")}
        state = {"n": self.n, "is_doubtful": bool(self.is_doubtful), "is_final_done": self.is_final_done}
        return arrays | {"lower": lower, "information": list(self.information)} | state

    def leader(self, means: Array) -> int:
        """The arm that is proven better than all others, else the one with the highest mean."""
        proven = self.against_all()
        return int(np.lexsort((-np.arange(len(means)), means, -proven))[-1])

    def against_all(self) -> Array:
        """Adjusted p-value (…, K) that an arm is better than every other one."""
        others = np.where(np.eye(self.better.shape[-1], dtype=bool), 0.0, self.better)
        return np.asarray(others.max(axis=-1), dtype=np.float64)

    def contradicts_itself(self, alpha: float) -> bool:
        """Whether both directions of one pair were proven: the effect is not stable in time."""
        is_proven = self.better <= alpha
        return bool(np.any(is_proven & is_proven.swapaxes(-1, -2)))

    def is_exceeded_by(self, comparison: Comparison, n: float) -> NDArray[np.bool_]:
        """Whether an effect moved further since the last believed look than its new units can explain.

        Cumulative means of nested samples move by a known variance; a move of five standard deviations means that
        outcomes of one arm came in without those of another. After the units have doubled, what is new is believed.
        """
        if not 0 < self.n <= n < 2 * self.n:
            return np.zeros(comparison.estimate.shape[:-2], dtype=bool)
        nested = np.square(comparison.standard_error) + np.square(self.error) * (1 - 2 * self.n / n)
        allowed = np.maximum(nested, LEAST_MOVE * np.square(comparison.standard_error))
        moved = np.square(comparison.estimate - self.estimate) > SURPRISE**2 * allowed
        return np.asarray((moved & (comparison.standard_error > 0)).any(axis=(-2, -1)))


def look(
    before: SequentialEvidence, comparison: Comparison, rule: SpendingRule, information: float, n: float
) -> SequentialEvidence:
    """Add one look; one that cannot be believed adds nothing.

    Args:
        comparison: every arm (row) against every other (column), each (…, K, K).
        information: units of the smallest arm over the planned ones; 0 where nothing is planned.
        n: units of all arms.
    """
    doubt = before.is_exceeded_by(comparison, n)
    after = (
        _scheduled(before, comparison, rule, information)
        if rule.is_scheduled
        else _running(before, comparison, rule, information)
    )
    keep = doubt[..., None, None]
    return SequentialEvidence(
        np.where(keep, before.better, after.better),
        np.where(keep, before.lower, after.lower),
        np.where(keep, before.estimate, comparison.estimate),
        np.where(keep, before.error, comparison.standard_error),
        before.n if doubt.all() else n,
        doubt,
        before.is_final_done if doubt.all() else after.is_final_done,
        before.information if doubt.all() else after.information,
    )


def _running(
    before: SequentialEvidence, comparison: Comparison, rule: SpendingRule, information: float
) -> SequentialEvidence:
    """A sequence, and in a hybrid one fixed test at the first look at or past the planned size."""
    p, reach = comparison.always_valid_p_value * rule.alpha / rule.running_alpha, comparison.half_width
    is_final = rule.is_hybrid and information >= 1 and not before.is_final_done
    if is_final:
        levels = rule.final_alphas()
        p = np.minimum(p, comparison.p_value * rule.alpha / levels)
        reach = np.minimum(reach, comparison.fixed_half_width(levels))
    return replace(_with(before, comparison, p, reach), is_final_done=before.is_final_done or is_final)


def _scheduled(
    before: SequentialEvidence, comparison: Comparison, rule: SpendingRule, information: float
) -> SequentialEvidence:
    """Held above α until the look's bound is crossed; the plan's end is the last look that counts."""
    if before.is_final_done or information <= (before.information or (0.0,))[-1]:
        return before
    t = (*before.information, min(information, 1.0))
    spent = alpha_spending.obrien_fleming_spending(np.array(t), rule.alpha / (rule.arms - 1))
    bound = alpha_spending.two_sided_bounds(np.array(t), spent)[-1]
    p = 2 * ndtr(-np.abs(comparison.z)) * (rule.arms - 1)
    p = np.where(np.abs(comparison.z) >= bound, np.minimum(p, rule.alpha), np.maximum(p, np.nextafter(rule.alpha, 1)))
    after = _with(before, comparison, p, bound * comparison.standard_error)
    return replace(after, is_final_done=information >= 1, information=t)


def _with(before: SequentialEvidence, comparison: Comparison, p: Array, reach: Array) -> SequentialEvidence:
    known = comparison.standard_error > 0
    better = np.where(known & (comparison.estimate > 0), np.minimum(p, 1.0), 1.0)
    lower = np.where(known, comparison.estimate - reach, -np.inf)
    return replace(before, better=np.minimum(before.better, better), lower=np.maximum(before.lower, lower))
