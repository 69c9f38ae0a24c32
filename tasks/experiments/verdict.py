"""From evidence to a verdict, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.experiments.evidence import Evidence
from tasks.experiments.records import Status


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
    Status.RUNNING: "keep it running; no arm is proven better than every other yet",
    Status.WINNER: "complete the experiment and give all traffic to the winner",
    Status.NO_DIFFERENCE: "complete the experiment: any difference is smaller than the smallest worth having",
    Status.HARMED: "do not ship: the leading arm makes a guardrail metric worse",
}
