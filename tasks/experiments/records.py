"""What the engine returns; every record answers both `record["key"]` and `record.key`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any


class ExperimentType(StrEnum):
    """How an experiment is run and judged."""

    AB_TEST = "ab_test"
    MULTIVARIATE = "multivariate"
    MULTI_ARMED_BANDIT = "multi_armed_bandit"
    SEQUENTIAL = "sequential"


class VariantAllocation(StrEnum):
    """How new units are divided among the arms.

    `equal`: as designed · `thompson`, `ucb`: weights follow the outcomes · `staged`: whoever rolls something out
    changes the weights by `set_weights`, stage by stage.
    """

    EQUAL = "equal"
    THOMPSON = "thompson"
    UCB = "ucb"
    STAGED = "staged"


class Status(StrEnum):
    """What an analysis came to.

    `running`: no answer yet · `insufficient_data`: too few units to judge by · `winner` · `no_difference`: whatever
    difference there is, is smaller than the smallest worth having · `invalid`: units did not arrive in the promised
    shares · `harmed`: the leader wins on the metric and hurts a guardrail.
    """

    INSUFFICIENT_DATA = "insufficient_data"
    RUNNING = "running"
    WINNER = "winner"
    NO_DIFFERENCE = "no_difference"
    INVALID = "invalid"
    HARMED = "harmed"


class Answers(Mapping[str, Any]):
    """A record that also reads as a mapping."""

    def __getitem__(self, key: str) -> Any:
        if key not in self._names():
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionaries and lists all the way down, ready for JSON but for its instants."""
        return {name: _plain(value) for name, value in self.items()}

    def _names(self) -> list[str]:
        return [field.name for field in fields(self)]  # type: ignore[arg-type]


@dataclass(frozen=True)
class ExperimentRecord(Answers):
    """One experiment as it stands.

    Attributes:
        planned_units_per_arm: for the wanted power; None until the first outcomes tell the metric's spread.
        expected_days: until then, at the daily traffic given; None where none was.
    """

    experiment_id: str
    workspace_id: str
    name: str
    hypothesis: str | None
    experiment_type: ExperimentType
    allocation_strategy: VariantAllocation
    metric_name: str
    metric_kind: str | None
    variants: list[dict[str, Any]]
    status: str
    conclusion: str | None
    winner: str | None
    planned_units_per_arm: int | None
    expected_days: int | None
    warnings: list[str]
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True)
class Plan(Answers):
    """What an experiment of a size can do, known before its start.

    Attributes:
        minimum_detectable_effect: relative to the control's mean, found with the wanted power at this size.
        power: to find the smallest effect worth finding at this size.
        expected_days: until every arm has its units; None without daily traffic.
    """

    units_per_arm: int
    minimum_detectable_effect: float
    power: float
    expected_days: int | None


class Assignment(str):
    """The id of the arm a unit got, which is the arm's name, with the record of the assignment on it.

    Attributes:
        unit_id: the unit; made up where none was given.
        propensity: the probability with which it got this arm.
    """

    unit_id: str
    propensity: float
    epoch: int

    def __new__(cls, variant_id: str, unit_id: str, propensity: float, epoch: int) -> Assignment:
        """From the arm's id and the stored row."""
        made = super().__new__(cls, variant_id)
        made.unit_id, made.propensity, made.epoch = unit_id, propensity, epoch
        return made

    @property
    def variant_id(self) -> str:
        """The arm's id as a plain string."""
        return str.__str__(self)

    def __getnewargs__(self) -> tuple[str, str, float, int]:  # type: ignore[override]
        """Survive pickling: workers are processes."""
        return self.variant_id, self.unit_id, self.propensity, self.epoch


@dataclass(frozen=True)
class Recorded(Answers):
    """What became of a batch of outcomes."""

    recorded: int
    unchanged: int
    amended: int


def _plain(value: Any) -> Any:
    if isinstance(value, Answers):
        return value.as_dict()
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return dict(value) if isinstance(value, Mapping) else value
