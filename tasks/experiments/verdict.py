"""From evidence to a verdict: which arm is proven better than which, at any look so far.

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

from tasks.experiments import alpha_spending
from tasks.experiments.comparisons import Compared
from tasks.experiments.records import Status

Array = NDArray[np.float64]
RUNNING_SHARE = 0.2  # of α for the looks while an A/B test runs; the rest for its one test at the planned size


@dataclass(frozen=True, slots=True)
class Rule:
    """How α is spent.

    Attributes:
        arms: number of arms; each comparison gets α/(arms − 1).
        is_hybrid: a sequence with a fifth of α while running, one fixed test with the rest at the planned size.
        is_scheduled: spends α by O'Brien and Fleming's plan over the planned size; else a sequence with all of α.
    """

    alpha: float
    arms: int
    is_hybrid: bool = False
    is_scheduled: bool = False

    @property
    def running_alpha(self) -> float:
        """Level of one comparison's sequence."""
        return self.alpha * (RUNNING_SHARE if self.is_hybrid else 1.0) / (self.arms - 1)

    @property
    def final_alpha(self) -> float:
        """Level of one comparison's fixed test at the planned size."""
        return self.alpha * (1 - RUNNING_SHARE) / (self.arms - 1)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is proven after some looks.

    Attributes:
        better: adjusted p-values (K, K) that the row's arm is better than the column's; falls from look to look.
        lower: bounds (K, K) below which row minus column does not lie; rises from look to look.
        is_final_done: whether the one test at the planned size has been made.
        information: share of the planned size at each look of a scheduled experiment.
    """

    better: Array
    lower: Array
    is_final_done: bool = False
    information: tuple[float, ...] = field(default=())

    @classmethod
    def none(cls, arms: int) -> Evidence:
        """Before the first look."""
        return cls(np.ones((arms, arms)), np.full((arms, arms), -np.inf))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Evidence:
        """From the warehouse, where an open bound is null."""
        lower = np.array([[-np.inf if bound is None else bound for bound in row] for row in stored["lower"]])
        return cls(np.array(stored["better"]), lower, stored["is_final_done"], tuple(stored["information"]))

    def as_json(self) -> dict[str, Any]:
        """For the warehouse."""
        lower = [[bound if np.isfinite(bound) else None for bound in row] for row in self.lower.tolist()]
        done = {"is_final_done": self.is_final_done, "information": list(self.information)}
        return {"better": self.better.tolist(), "lower": lower} | done

    def leader(self, means: Array) -> int:
        """The arm that is proven better than all others, else the one with the highest mean."""
        proven = self.against_all()
        return int(np.lexsort((-np.arange(len(means)), means, -proven))[-1])

    def against_all(self) -> Array:
        """Adjusted p-value (K,) that an arm is better than every other one."""
        others = np.where(np.eye(len(self.better), dtype=bool), 0.0, self.better)
        return np.asarray(others.max(axis=1), dtype=np.float64)

    def contradicts_itself(self, alpha: float) -> bool:
        """Whether both directions of one pair were proven: the effect is not stable in time."""
        is_proven = self.better <= alpha
        return bool(np.any(is_proven & is_proven.T))


def look(before: Evidence, found: Compared, rule: Rule, information: float) -> Evidence:
    """Add one look.

    Args:
        found: every arm (row) against every other (column), each (K, K).
        information: units of the smallest arm over the planned ones; 0 where nothing is planned.
    """
    if rule.is_scheduled:
        return _scheduled_look(before, found, rule, information)
    p, reach = found.always_valid_p_value * rule.alpha / rule.running_alpha, found.half_width
    is_final = rule.is_hybrid and information >= 1 and not before.is_final_done
    if is_final:
        p = np.minimum(p, found.p_value * rule.alpha / rule.final_alpha)
        reach = np.minimum(reach, found.fixed_half_width(rule.final_alpha))
    return _with(before, found, p, reach, is_final_done=before.is_final_done or is_final)


def _scheduled_look(before: Evidence, found: Compared, rule: Rule, information: float) -> Evidence:
    """Held above α until the look's bound is crossed; the plan's end is the last look that counts."""
    if before.is_final_done or information <= (before.information or (0.0,))[-1]:
        return before
    t = (*before.information, min(information, 1.0))
    spent = alpha_spending.obrien_fleming_spending(np.array(t), rule.alpha / (rule.arms - 1))
    bound = alpha_spending.two_sided_bounds(np.array(t), spent)[-1]
    p = 2 * ndtr(-np.abs(found.z)) * (rule.arms - 1)
    p = np.where(np.abs(found.z) >= bound, np.minimum(p, rule.alpha), np.maximum(p, np.nextafter(rule.alpha, 1)))
    reach = bound * found.standard_error
    return replace(_with(before, found, p, reach, is_final_done=information >= 1), information=t)


def _with(before: Evidence, found: Compared, p: Array, reach: Array, *, is_final_done: bool) -> Evidence:
    known = found.standard_error > 0
    better = np.where(known & (found.estimate > 0), np.minimum(p, 1.0), 1.0)
    lower = np.where(known, found.estimate - reach, -np.inf)
    return Evidence(
        np.minimum(before.better, better), np.maximum(before.lower, lower), is_final_done, before.information
    )


@dataclass(frozen=True, slots=True)
class Gates:
    """What must hold besides the evidence."""

    smallest_arm: int
    min_sample_size: int
    is_sample_ratio_broken: bool
    is_leader_harmful: bool
    is_difference_negligible: bool


def conclude(evidence: Evidence, alpha: float, gates: Gates) -> Status:
    """The verdict."""
    if gates.is_sample_ratio_broken:
        return Status.INVALID
    if gates.smallest_arm < gates.min_sample_size:
        return Status.INSUFFICIENT_DATA
    if evidence.contradicts_itself(alpha):
        return Status.RUNNING
    if np.min(evidence.against_all()) <= alpha:
        return Status.HARMED if gates.is_leader_harmful else Status.WINNER
    return Status.NO_DIFFERENCE if gates.is_difference_negligible else Status.RUNNING


NEXT_STEPS: dict[Status, str] = {
    Status.INVALID: "stop and find out why units did not arrive in the promised shares; no comparison can be trusted",
    Status.INSUFFICIENT_DATA: "keep it running",
    Status.RUNNING: "keep it running; nothing is proven yet",
    Status.WINNER: "complete the experiment and give all traffic to the winner",
    Status.NO_DIFFERENCE: "complete the experiment: any difference is smaller than the smallest worth having",
    Status.HARMED: "do not ship: the leading arm makes a guardrail metric worse",
}
