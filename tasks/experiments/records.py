"""What the engine returns; every record answers both `record["key"]` and `record.key`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any


class ExperimentType(StrEnum):
    """How an experiment is run and judged."""

    AB_TEST = "ab_test"
    MULTIVARIATE = "multivariate"
    MULTI_ARMED_BANDIT = "multi_armed_bandit"
    SEQUENTIAL = "sequential"
    CONTEXTUAL = "contextual"


class VariantAllocation(StrEnum):
    """How new units are divided among the arms.

    `equal`: as designed · `thompson`, `ucb`: weights follow the outcomes · `staged`: whoever rolls something out
    changes the weights by `set_weights`, stage by stage.
    """

    EQUAL = "equal"
    THOMPSON = "thompson"
    UCB = "ucb"
    STAGED = "staged"


class MetricKind(StrEnum):
    """How a unit's value behaves.

    A rate such as 0.15 never goes into a Beta posterior: its variance is a fiftieth of a coin's, so it would ask for
    fifty times the units.
    """

    BINARY = "binary"
    RATE = "rate"
    CONTINUOUS = "continuous"
    COUNT = "count"
    RATIO = "ratio"


class ExperimentStatus(StrEnum):
    """What an analysis came to.

    `running`: no answer yet · `insufficient_data`: too few units to judge by · `winner` · `no_difference`: whatever
    difference there is, is smaller than the smallest worth having · `invalid`: units did not arrive, or report, in the
    promised shares · `contradicted`: the effect changed while it ran, so that it has no one value · `harmed`: whatever
    leads, or every arm but the control, hurts a guardrail · `inconclusive`: of those that ran elsewhere, ended and
    proven nothing by its one test · `policy`: no one arm is best for everybody, and giving each unit the arm that suits
    its context beats what was served.
    """

    INSUFFICIENT_DATA = "insufficient_data"
    RUNNING = "running"
    WINNER = "winner"
    NO_DIFFERENCE = "no_difference"
    INVALID = "invalid"
    CONTRADICTED = "contradicted"
    HARMED = "harmed"
    INCONCLUSIVE = "inconclusive"
    POLICY = "policy"


class MappingRecord(Mapping[str, Any]):
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
class ExperimentRecord(MappingRecord):
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
class Plan(MappingRecord):
    """What an experiment of a size can do, known before its start.

    Attributes:
        units_per_arm: of the smallest arm, which the others exceed by their weights.
        minimum_detectable_effect: relative to the control's mean, found with the wanted power at this size.
        power: probability, under the rule that will be used, that the right winner is named by this size, if one arm is
            better by the smallest effect worth finding and every other as good as the control.
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

    __slots__ = ("epoch", "propensity", "unit_id")

    unit_id: str
    propensity: float
    epoch: int

    def __new__(cls, variant_id: str, unit_id: str, propensity: float, epoch: int) -> Assignment:
        """From the arm's id and the stored row."""
        assignment = super().__new__(cls, variant_id)
        assignment.unit_id, assignment.propensity, assignment.epoch = unit_id, propensity, epoch
        return assignment

    @property
    def variant_id(self) -> str:
        """The arm's id as a plain string."""
        return str.__str__(self)

    def __getnewargs__(self) -> tuple[str, str, float, int]:  # type: ignore[override]
        """Survive pickling: workers are processes."""
        return self.variant_id, self.unit_id, self.propensity, self.epoch


@dataclass(frozen=True)
class Recorded(MappingRecord):
    """What became of a batch of outcomes.

    Attributes:
        refused: rows that were left out while the rest was kept, each with its unit and the reason; shown where any.
    """

    recorded: int
    unchanged: int
    amended: int
    refused: tuple[dict[str, Any], ...] = ()

    def _names(self) -> list[str]:
        return [name for name in super()._names() if name != "refused" or self.refused]


@dataclass(frozen=True)
class ArmReport(MappingRecord):
    """One arm: units, mean with a credible interval, and what probability says of it, which decides nothing.

    Attributes:
        reporting_rate: share of its assigned units that have an outcome of the primary metric.
        weight: share of the units to come; zero where it was switched off.
    """

    variant_id: str
    is_control: bool
    assigned: int
    n: int
    mean: float | None
    credible_interval: tuple[float, float] | None
    probability_best: float | None
    expected_loss: float | None
    weight: float
    reporting_rate: float | None = None


@dataclass(frozen=True)
class EffectReport(MappingRecord):
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
class SampleRatio(MappingRecord):
    """Whether units arrived in the promised shares, or report as often in one arm as in another; always valid."""

    p_value: float
    is_alarm: bool
    counts: dict[str, int]
    expected: dict[str, float]


@dataclass(frozen=True)
class Forecast(MappingRecord):
    """When the answer comes, at this pace.

    Attributes:
        units_per_day: of all arms together, over the last week.
        by: instant by which half of the paths had their answer; between `earliest` and `latest` lie eight of ten.
        planned_end: when the planned size is reached.
        winner_probability: that an arm is proven to win by then, from today on; the power that is left.
    """

    units_per_day: float
    earliest: datetime
    by: datetime
    latest: datetime
    planned_end: datetime
    winner_probability: float


@dataclass(frozen=True)
class ExperimentResult(MappingRecord):
    """What is known of an experiment at one look.

    Attributes:
        confidence: 1 − p-value of 'the leader beats every other arm'; reaches the experiment's level exactly
            when a winner may be declared, and is 0 while something forbids a verdict.
        method: in words, how intervals and verdict were reached.
        direction: increase or decrease, whichever of the metric is better; all effects are positive for the better.
        contrasts: main effects and interactions of a multivariate experiment.
        next_step: what to do now.
        missing_days: days still to come before a full cycle is covered and anything may be declared.
        left_out: what was left out of ingested exposure and outcome logs, in words.
        secondary: effects on secondary metrics, their discoveries at a false discovery rate of α.
        forecast: when the answer comes at this pace; None where nothing can be said.
        reporting: whether the units with an outcome are as many of the assigned ones in every arm.
        better_than_control: arms that are proven better than the control, whether or not one of them wins.
        days: effect of each arm by whole days since a unit's exposure, where outcomes say when they occurred.
        policy: of a contextual experiment, what following the context is worth; None of any other.
    """

    experiment_id: str
    name: str
    workspace_id: str
    metric_name: str
    metric_kind: str | None
    direction: str
    status: ExperimentStatus
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
    missing_days: float = 0.0
    left_out: tuple[str, ...] = ()
    forecast: Forecast | None = None
    secondary: list[dict[str, Any]] = field(default_factory=list)
    reporting: SampleRatio | None = None
    better_than_control: tuple[str, ...] = ()
    days: tuple[dict[str, Any], ...] = ()
    policy: dict[str, Any] | None = None

    @property
    def is_answered(self) -> bool:
        """Whether its question has an answer, so that it may end."""
        return self.status in (ExperimentStatus.WINNER, ExperimentStatus.NO_DIFFERENCE, ExperimentStatus.POLICY)


def _plain(value: Any) -> Any:
    if isinstance(value, MappingRecord):
        return value.as_dict()
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return dict(value) if isinstance(value, Mapping) else value
