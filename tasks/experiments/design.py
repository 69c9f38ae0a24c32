"""How an experiment is to be run, checked before anything is written, and frozen when it starts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import tzinfo
from decimal import Decimal
from math import isclose, isfinite
from numbers import Real
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from tasks.errors import OutOfRangeError, require_between, require_whole
from tasks.experiments.errors import DamagedExperimentError, InvalidDesignError, UnstorableTextError
from tasks.experiments.hashing import HASHES
from tasks.experiments.records import ExperimentType, MetricKind, VariantAllocation

Direction = Literal["increase", "decrease"]
FLOOR = 0.05  # rule 1's, and below which a floor that stays is warned of
FIRST_OUTCOMES = 100
FLOOR_POWER = 0.75  # regret of ten arms after 20,000 outcomes is 129; at .7 it is 140, at .85 113 (simulated), where
# intervals of rare outcomes cover 93 % after KL-UCB
EARLIER_FLOOR_POWER = 0.45  # rule 2's, whose errors were the scores' own: lower floors broke its intervals
CURRENT_RULE = 3  # how an experiment is decided; one that was created under an earlier rule keeps it
WEIGHT_TOLERANCE = 1e-9
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
LARGEST = 1e70  # of a number: its fourth power, which errors of variances are made of, is still one
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
LONGEST_DAYS = 3650.0
MOST_UNITS = 10**12
MOST_COLUMNS = 20  # of a context
CYCLE_DAYS = 7.0  # people's days differ by the week


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing measured.

    Attributes:
        role: `primary` decides, `secondary` explains, `guardrail` may forbid.
        margin: by how much a guardrail may get worse, relative to the control's mean.
        version: of the workspace's definition that it was taken from; None: defined by the experiment itself.
        quantile: p50, p90 or p99, where arms are compared by it; None: by their means.
        window_days: how long after its exposure a unit's outcomes count; None: the experiment's.
        winsorise_at: quantile at which values are capped; None: the experiment's for its primary metric, else none.
    """

    name: str
    role: Literal["primary", "secondary", "guardrail"] = "primary"
    kind: MetricKind | None = None
    direction: Direction = "increase"
    lower: float | None = None
    upper: float | None = None
    margin: float = 0.0
    version: int | None = None
    quantile: str | None = None
    window_days: float | None = None
    winsorise_at: float | None = None

    def __post_init__(self) -> None:
        require_text("metric name", self.name, 64)
        if self.direction not in ("increase", "decrease"):
            raise InvalidDesignError(f"direction is 'increase' or 'decrease', not {self.direction!r}")
        if self.lower is not None and self.upper is not None and not self.lower < self.upper:
            raise InvalidDesignError(f"metric bounds must rise, not ({self.lower}, {self.upper})")
        require_between("margin", self.margin, 0.0, 1.0)
        if self.window_days is not None:
            require_positive("window_days", self.window_days)
            require_between("window_days", self.window_days, 0.0, 3650.0)
        if self.winsorise_at is not None:
            require_between("winsorise_at", self.winsorise_at, 0.5, 1.0)
        self._require_quantile()

    def _require_quantile(self) -> None:
        if self.quantile is None:
            return
        if self.quantile not in QUANTILES:
            known = ", ".join(QUANTILES)
            raise InvalidDesignError(f"quantile of metric '{self.name}' is one of {known}, not {self.quantile!r}")
        if self.kind not in (None, MetricKind.CONTINUOUS, MetricKind.COUNT):
            raise InvalidDesignError(
                f"metric '{self.name}' is {self.kind}: {self.quantile} is of a continuous metric or a count"
            )


@dataclass(frozen=True, slots=True)
class Variant:
    """One arm."""

    variant_id: str
    description: str | None
    weight: float
    is_control: bool
    levels: dict[str, str] = field(default_factory=dict)
    title: str | None = None
    body: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Design:
    """All numbers of an experiment; those not given have the defaults of a cautious analyst.

    Attributes:
        min_effect_size: smallest effect worth finding, relative to the control's mean.
        min_sample_size: units each arm needs before anything is declared.
        allocation_floor: least share of an arm under adaptive allocation; None: one that falls as outcomes come. Below
            5 % from the start no interval holds (simulated).
        goal: `reward` earns most while it runs, `winner` finds the best arm soonest (top-two).
        traffic_share: share of the units that take part; raising it later reassigns none.
        holdout_share: share kept out of every experiment of the workspace, always the same units.
        scheduled_looks: number of looks of a sequential experiment that spends its error by plan; None: look any time.
        winsorise_at: quantile of all arms together at which values are capped; costs a pass over the outcomes.
        late_days: how long after completion outcomes are still taken.
        missing_outcomes: what units that were assigned and never reported are: `exclude` compares those that did,
            `zero` counts all others as zeros (intention to treat), for metrics that count or add up.
        cycle_days: days that must be covered before anything is declared; None: 7 where outcomes say when they
            occurred (`occurred_at`), else none.
        conversion_window_days: how long after its exposure a unit's outcomes count; None: as long as any are taken.
        time_zone: where its days begin, and of instants that come without a zone (IANA name); None: UTC, and such
            instants are refused.
        assigned_elsewhere: whether units come with their arms, from ingested exposures; nobody is assigned here then.
        layer: experiments in one layer of a workspace share no unit; None: units may be in others, too.
        layer_share: share of the layer's units that it holds from its start to its end.
        ramp: shares of the traffic, rising, that it goes through (.01, .1, .5, 1) unless a guardrail is harmed.
        ramp_days: least days of each stage.
        is_holdout: whether it compares the workspace's holdout group with everybody else.
        context: of a contextual experiment, columns that are known of a unit before it gets an arm.
        decision_rule: which rule declares a winner; an experiment keeps the one it was created under.
    """

    experiment_type: ExperimentType = ExperimentType.AB_TEST
    allocation_strategy: VariantAllocation = VariantAllocation.EQUAL
    confidence_level: float = 0.95
    min_effect_size: float = 0.05
    power: float = 0.8
    min_sample_size: int = 100
    planned_units_per_arm: int | None = None
    daily_units: float | None = None
    allocation_floor: float | None = None
    goal: Literal["reward", "winner"] = "reward"
    traffic_share: float = 1.0
    holdout_share: float = 0.0
    scheduled_looks: int | None = None
    winsorise_at: float | None = None
    late_days: float = 0.0
    missing_outcomes: Literal["exclude", "zero"] = "exclude"
    cycle_days: float | None = None
    conversion_window_days: float | None = None
    time_zone: str | None = None
    auto_complete: bool = False
    bucketing: str = "blake2b"
    assigned_elsewhere: bool = False
    layer: str | None = None
    layer_share: float = 1.0
    ramp: list[float] | None = None
    ramp_days: float = 1.0
    is_holdout: bool = False
    context: list[str] | None = None
    decision_rule: int = CURRENT_RULE

    def __post_init__(self) -> None:
        require_between("confidence_level", self.confidence_level, 0.5, 0.9999)
        require_between("power", self.power, 0.5, 0.9999)
        require_positive("min_effect_size", self.min_effect_size)
        require_whole("min_sample_size", self.min_sample_size, 2, MOST_UNITS)
        require_between("traffic_share", self.traffic_share, 0.0, 1.0)
        require_between("holdout_share", self.holdout_share, 0.0, 1.0)
        require_between("late_days", self.late_days, 0.0, LONGEST_DAYS)
        for name, least in (("planned_units_per_arm", 2), ("scheduled_looks", 1)):
            if getattr(self, name) is not None:
                require_whole(name, getattr(self, name), least, MOST_UNITS)
        for name, low, high in (("winsorise_at", 0.5, 1.0), ("allocation_floor", 0.0, 0.5)):
            if getattr(self, name) is not None:
                require_between(name, getattr(self, name), low, high)
        if self.daily_units is not None:
            require_positive("daily_units", self.daily_units)
        self._require_times()
        self._require_missing_outcomes()
        self._require_traffic()
        self._require_context()
        if self.bucketing not in HASHES:
            raise InvalidDesignError(f"bucketing is one of {', '.join(HASHES)}, not {self.bucketing!r}")
        require_between("decision_rule", self.decision_rule, 1, CURRENT_RULE)
        if self.goal not in ("reward", "winner"):
            raise InvalidDesignError(f"goal is 'reward' or 'winner', not {self.goal!r}")

    def _require_traffic(self) -> None:
        """Who takes part: by layer, by ramp, or from elsewhere."""
        for name in ("auto_complete", "assigned_elsewhere", "is_holdout"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidDesignError(f"{name} is true or false, not {getattr(self, name)!r}")
        if self.layer is not None:
            require_text("layer", self.layer, 64)
        require_between("layer_share", self.layer_share, 1e-6, 1.0)
        require_positive("ramp_days", self.ramp_days)
        require_between("ramp_days", self.ramp_days, 0.0, LONGEST_DAYS)
        if self.ramp is not None:
            _require_ramp(self.ramp)
        if self.assigned_elsewhere and (self.layer or self.ramp or self.reweights_itself or self.traffic_share < 1):
            raise InvalidDesignError(
                "units that are assigned elsewhere have no layer, ramp, traffic_share or adaptive weights here"
            )

    def _require_context(self) -> None:
        is_contextual = self.experiment_type == ExperimentType.CONTEXTUAL
        if is_contextual != (self.context is not None):
            raise InvalidDesignError(
                "a contextual experiment names the columns of its context, such as context=['device', 'hour'], and no "
                "other type has any"
            )
        if not is_contextual:
            return
        require_columns(self.context)
        if self.allocation_strategy != VariantAllocation.THOMPSON:
            raise InvalidDesignError(
                f"a contextual experiment allocates by thompson, not {self.allocation_strategy.value}: leave it out"
            )
        for name in ("assigned_elsewhere", "ramp", "winsorise_at", "allocation_floor", "scheduled_looks"):
            if getattr(self, name):
                raise InvalidDesignError(f"a contextual experiment has no {name}; leave it out")

    def _require_times(self) -> None:
        if self.conversion_window_days is not None:
            require_positive("conversion_window_days", self.conversion_window_days)
            require_between("conversion_window_days", self.conversion_window_days, 0.0, LONGEST_DAYS)
        if self.cycle_days is not None:
            require_between("cycle_days", self.cycle_days, 0.0, LONGEST_DAYS)
        require_time_zone(self.time_zone)

    def _require_missing_outcomes(self) -> None:
        if self.missing_outcomes not in ("exclude", "zero"):
            raise InvalidDesignError(f"missing_outcomes is 'exclude' or 'zero', not {self.missing_outcomes!r}")
        if self.missing_outcomes == "zero" and self.reweights_itself:
            raise InvalidDesignError(
                "missing_outcomes='zero' needs weights that do not follow outcomes: units that have not answered yet "
                "would count against the arms that just got them; use 'exclude' and record a 0 for who did not convert"
            )

    @property
    def alpha(self) -> float:
        """Error allowed over all looks and all arms."""
        return 1 - self.confidence_level

    @property
    def is_adaptive(self) -> bool:
        """Whether weights change while it runs, knowing outcomes: by themselves or in stages."""
        return self.allocation_strategy != VariantAllocation.EQUAL

    @property
    def reweights_itself(self) -> bool:
        """Whether weights follow the outcomes by themselves."""
        return self.is_adaptive and self.allocation_strategy != VariantAllocation.STAGED

    def floor(self, arms: int, outcomes: float = 0.0) -> float:
        """Least share of an arm in the epoch after so many outcomes.

        A share that is given as `allocation_floor` stays, half of the traffic at most. Else it is an equal one that
        falls as outcomes come; rule 1 kept 5 % for every arm, with ten arms half of the traffic for ever.
        """
        if self.allocation_floor is not None:
            return min(self.allocation_floor, 0.5 / arms)
        if self.decision_rule == 1:
            return min(FLOOR, 0.5 / arms)
        power = EARLIER_FLOOR_POWER if self.decision_rule == 2 else FLOOR_POWER
        return float(max(outcomes / FIRST_OUTCOMES, 1.0) ** -power / arms)

    def as_dict(self) -> dict[str, Any]:
        """For the warehouse."""
        return asdict(self)

    @classmethod
    def of(cls, experiment: Mapping[str, Any]) -> Design:
        """The design of a stored experiment.

        Raises:
            DamagedExperimentError: if what is stored is none.
        """
        try:
            return cls.from_dict(experiment["design"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DamagedExperimentError(experiment["name"], experiment["experiment_id"], error) from error

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Design:
        """From the warehouse; what was stored before rules had numbers is under the first."""
        stored = {"decision_rule": 1, **stored}
        kinds = {"experiment_type": ExperimentType(stored["experiment_type"])}
        strategy = VariantAllocation(stored["allocation_strategy"])
        return cls(**{**stored, **kinds, "allocation_strategy": strategy})


def require_columns(names: object) -> list[str]:
    """Names of a context's columns.

    Raises:
        InvalidDesignError: unless they are one to twenty different texts.
    """
    if not isinstance(names, list | tuple) or not 1 <= len(names) <= MOST_COLUMNS:
        raise InvalidDesignError(
            f"context names 1 to {MOST_COLUMNS} columns that are known before an arm is given, such as "
            f"['device', 'hour'], not {names!r}"
        )
    columns = [require_text("a column of the context", name, 64) for name in names]
    if len(set(columns)) < len(columns):
        raise InvalidDesignError(f"columns of the context must differ: {', '.join(columns)}")
    return columns


def _require_ramp(shares: object) -> None:
    stages = shares if isinstance(shares, list) else []
    numbers = [one for one in stages if isinstance(one, int | float) and not isinstance(one, bool) and 0 < one <= 1]
    if not stages or len(numbers) < len(stages) or sorted(set(numbers)) != numbers:
        raise InvalidDesignError(
            f"ramp is a list of rising shares of the traffic, such as [0.01, 0.1, 0.5, 1], not {shares}"
        )


def make_variants(given: Sequence[Mapping[str, Any]]) -> list[Variant]:
    """Arms from dictionaries with `name` and, if wanted, `description`, `weight`, `is_control`, `levels`, and what they
    show: `title`, `body`, and `changes`, the features of content that they set, by name.

    Raises:
        InvalidDesignError: for fewer than two, blank or repeated names, several controls, weights off 1, or changes
            that are the same in all arms.
    """
    _require_described(given)
    names = [str(one.get("name", "")).strip() for one in given]
    if len(names) < 2:
        raise InvalidDesignError(f"an experiment compares at least two variants, not {len(names)}")
    for name in names:
        require_text("variant name", name, 128)
    if len(set(names)) < len(names):
        raise InvalidDesignError(f"variant names must differ: {', '.join(sorted(names))}")
    controls = [name for name, one in zip(names, given, strict=True) if one.get("is_control")]
    if len(controls) > 1:
        raise InvalidDesignError(f"one variant is the control, not {len(controls)}: {', '.join(controls)}")
    control = controls[0] if controls else ("control" if "control" in names else names[0])
    weights = require_weights([one.get("weight") for one in given])
    for one in given:
        for text in (one.get("description"), *dict(one.get("levels") or {}).items()):
            require_storable("a variant's description or level", str(text))
        _require_shown(one)
    _require_difference([dict(one.get("changes") or {}) for one in given])
    return [
        Variant(
            name,
            one.get("description"),
            weight,
            name == control,
            dict(one.get("levels") or {}),
            title=one.get("title"),
            body=one.get("body"),
            changes=dict(one.get("changes") or {}),
        )
        for name, one, weight in zip(names, given, weights, strict=True)
    ]


def _require_difference(changes: Sequence[Mapping[str, Any]]) -> None:
    """Raise where all arms declare the same: that would teach nothing of what it brings."""
    if changes[0] and all(one == changes[0] for one in changes):
        same = "; ".join(f"{name}={value}" for name, value in changes[0].items())
        raise InvalidDesignError(
            f"all arms declare the same changes ({same}), so that nothing differs: declare what an arm does and the "
            "control does not, or leave it off all of them"
        )


def _require_shown(one: Mapping[str, Any]) -> None:
    """Raise unless an arm's texts are texts, and what it changes is a feature's plain value each."""
    for part in ("title", "body"):
        if one.get(part) is not None:
            require_storable(f"a variant's {part}", one[part])
    changes = one.get("changes") or {}
    if not isinstance(changes, Mapping):
        raise InvalidDesignError(f"changes are a dictionary of features and their values, not {changes!r}")
    for name, value in changes.items():
        if not isinstance(name, str) or not isinstance(value, bool | int | float | str) or value != value:
            raise InvalidDesignError(
                f"a change is a feature of content and its value, such as {{'media_type': 'video'}}, not {name!r}: "
                f"{value!r}"
            )
        require_storable("a variant's change", f"{name} {value}")


def _require_described(given: object) -> None:
    """Raise unless arms are a list of dictionaries."""
    if not isinstance(given, Sequence) or not all(isinstance(one, Mapping) for one in given):
        raise InvalidDesignError(f"variants are a list of dictionaries with a name each, not {given!r}")
    for one in given:
        if not isinstance(one.get("levels") or {}, Mapping):
            raise InvalidDesignError(f"levels are a dictionary of factors and their levels, not {one['levels']!r}")


def require_weights(weights: Sequence[Any]) -> list[float]:
    """The weights of all arms, equal ones where none is given; they must be positive and sum to 1."""
    if all(weight is None for weight in weights):
        return [1 / len(weights)] * len(weights)
    numbers = [w for w in weights if isinstance(w, int | float) and not isinstance(w, bool) and isfinite(w) and w > 0]
    if len(numbers) < len(weights) or not isclose(sum(numbers), 1.0, abs_tol=WEIGHT_TOLERANCE):
        raise InvalidDesignError(f"weights must be positive and sum to 1 over all variants, not {weights}")
    return [float(weight) for weight in numbers]


def require_text(what: str, value: object, longest: int) -> str:
    """The text without surrounding blanks; it must have some, and fit its column."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > longest:
        raise InvalidDesignError(f"{what} must be a text of 1 to {longest} characters, not {value!r}")
    return require_storable(what, text)


def require_storable(what: str, text: str) -> str:
    """The text; raise if it is none, or both databases would not keep it alike."""
    if not isinstance(text, str):
        raise InvalidDesignError(f"{what} is a text, not {text!r}")
    if not is_storable(text):
        raise UnstorableTextError(what, text)
    return text


def is_storable(text: str) -> bool:
    """Whether both databases keep the text alike: it holds no NUL and no half of a surrogate pair."""
    return UNSTORABLE.search(text) is None


def calendar_of(design: Design) -> tzinfo:
    """Where an experiment's days begin."""
    return ZoneInfo(design.time_zone or "UTC")


def require_time_zone(name: object) -> None:
    """Raise unless it is the IANA name of a time zone, or None."""
    if name is None:
        return
    try:
        ZoneInfo(name if isinstance(name, str) else "")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidDesignError(f"time_zone is an IANA name such as Europe/Berlin, not {name!r}") from None


def require_positive(name: str, value: object) -> None:
    """Raise unless the value is a positive finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value <= 0:
        raise OutOfRangeError(name, value, "a positive number")


def as_number(value: object) -> float | None:
    """Any kind of real number as a float, `Decimal` and numpy's booleans too; None for what is none, or not finite."""
    if not isinstance(value, Real | Decimal | np.bool_):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None
