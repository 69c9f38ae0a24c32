"""What one look found, as records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.experiments.records import Answers, Status


@dataclass(frozen=True)
class ArmReport(Answers):
    """One arm: units, mean with a credible interval, and what probability says of it, which decides nothing."""

    variant_id: str
    is_control: bool
    assigned: int
    n: int
    mean: float | None
    credible_interval: tuple[float, float] | None
    probability_best: float | None
    expected_loss: float | None
    weight: float


@dataclass(frozen=True)
class EffectReport(Answers):
    """One arm against the control.

    Attributes:
        effect: difference of means, in the metric's unit; positive is better, whatever the metric's direction.
        interval: valid at every look with the experiment's confidence, all arms together.
        p_value: always valid, adjusted for the number of arms.
        probability_better: that the arm is better than the control, flat prior; shown, it decides nothing.
        relative_lift: effect over the control's mean; None where that mean is too near zero.
    """

    variant_id: str
    effect: float
    interval: tuple[float, float]
    p_value: float
    relative_lift: float | None
    probability_better: float
    is_significant: bool


@dataclass(frozen=True)
class SampleRatio(Answers):
    """Whether units arrived in the promised shares."""

    p_value: float
    is_alarm: bool
    counts: dict[str, int]
    expected: dict[str, float]


@dataclass(frozen=True)
class Analysis(Answers):
    """What is known of an experiment at one look.

    Attributes:
        confidence: 1 − adjusted p-value of 'the leader beats every other arm'; reaches the experiment's level exactly
            when a winner may be declared, and is 0 while something forbids a verdict.
        method: in words, how intervals and verdict were reached.
        direction: increase or decrease, whichever of the metric is better; all effects are positive for the better.
        contrasts: main effects and interactions of a multivariate experiment.
        next_step: what to do now.
    """

    experiment_id: str
    name: str
    workspace_id: str
    metric_name: str
    metric_kind: str | None
    direction: str
    status: Status
    is_significant: bool
    winner: str | None
    leader: str | None
    confidence: float
    p_value: float
    confidence_level: float
    variants: list[ArmReport]
    effects: list[EffectReport]
    sample_ratio: SampleRatio | None
    guardrails: list[dict[str, Any]]
    segments: list[dict[str, Any]]
    contrasts: list[dict[str, Any]]
    n: int
    planned_units_per_arm: int | None
    looks: int
    hypothesis: str | None
    method: str
    next_step: str
    warnings: list[str]

    @property
    def is_answered(self) -> bool:
        """Whether its question has an answer, so that it may end."""
        return self.status in (Status.WINNER, Status.NO_DIFFERENCE)
