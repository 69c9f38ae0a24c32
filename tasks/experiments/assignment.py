"""Which arm a unit gets: by hash, the same in every process, without asking anyone."""

from __future__ import annotations

import json
import uuid
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from numbers import Integral
from typing import Any

import numpy as np

from tasks.experiments.contextual.context import Context, require_context
from tasks.experiments.contextual.policy import LinearPolicy
from tasks.experiments.design import LARGEST, Design, as_number, is_storable, require_storable
from tasks.experiments.errors import InvalidDesignError, UnstorableTextError
from tasks.experiments.hashing import COVERED_RANGES, HASHES, Position, covered_ranges, cumulative, keyed_blake2b
from tasks.experiments.layers import Ranges, is_within, position_in
from tasks.experiments.records import Assignment
from tasks.experiments.segments import as_text

UNNAMED = "~"  # first character of the ids made up for units that come without one
LONGEST_UNIT_ID = 256
UNITS_AT_ONCE = 10_000
HELD_OUT = "holdout"


@dataclass(frozen=True, slots=True)
class AssignmentPlan:
    """All that is needed to place a unit.

    Attributes:
        ends: upper ends of the arms' ranges.
        weights: of the arms; one of zero is never chosen.
        position: of a unit, by this experiment's salt.
        enrolment: another position, so that a larger traffic share moves no unit between arms; None: all take part.
        layer: by the layer's salt, so that its experiments share no unit; None: it is in no layer.
        ranges: of the layer, that this experiment holds.
        holdout: by the workspace's salt, so that every experiment leaves out the same units; None: none is left out.
        covered: of each arm's range the part that takes part, where another platform cuts it there; None: all of it.
        context: columns of a unit's context; None: the experiment has none.
        policy: that follows the context; None: the weights are in force.
    """

    experiment_id: str
    variants: tuple[str, ...]
    weights: tuple[float, ...]
    ends: tuple[float, ...]
    epoch: int
    position: Position
    enrolment: Position | None = None
    traffic_share: float = 1.0
    holdout: Position | None = None
    holdout_share: float = 0.0
    started_at: datetime | None = None
    layer: Position | None = None
    ranges: Ranges = ()
    covered: tuple[tuple[float, float], ...] | None = None
    context: tuple[str, ...] | None = None
    policy: LinearPolicy | None = None

    @classmethod
    def of(
        cls,
        experiment: Mapping[str, Any],
        variants: Sequence[Mapping[str, Any]],
        epoch: Mapping[str, Any],
        ranges: Ranges = (),
        policy: Mapping[str, Any] | None = None,
    ) -> AssignmentPlan:
        """From rows of the warehouse; the epoch is the newest, and the policy is its, if it has one."""
        design = Design.of(experiment)
        names, weights = tuple(row["variant_id"] for row in variants), tuple(epoch["weights"])
        is_cut = design.traffic_share < 1 and design.bucketing in COVERED_RANGES
        return cls(
            experiment["experiment_id"],
            names,
            weights,
            cumulative(weights),
            epoch["epoch"],
            HASHES[design.bucketing](experiment["salt"]),
            keyed_blake2b(f"{experiment['salt']}|enrol") if design.traffic_share < 1 and not is_cut else None,
            design.traffic_share,
            keyed_blake2b(holdout_salt(experiment["workspace_id"])) if design.holdout_share > 0 else None,
            design.holdout_share,
            experiment["started_at"],
            position_in(experiment["workspace_id"], design.layer) if design.layer is not None else None,
            ranges,
            tuple(covered_ranges(weights, design.traffic_share)) if is_cut else None,
            None if design.context is None else tuple(design.context),
            None if policy is None else LinearPolicy.from_dict(policy),
        )

    def require_begun(self, at: datetime) -> None:
        """Raise for an instant before the start."""
        if self.started_at is not None and at < self.started_at:
            raise InvalidDesignError(f"assigned_at {at} is before the start {self.started_at}; start it earlier")

    def takes_part(self, unit_id: str) -> bool:
        """Whether the unit is among those that get an arm."""
        if self.enrolment is not None and self.enrolment(unit_id) >= self.traffic_share:
            return False
        if self.holdout is not None and self.holdout(unit_id) < self.holdout_share:
            return False
        return self.layer is None or is_within(self.ranges, self.layer(unit_id))

    def choose(self, unit_id: str, shares: tuple[float, ...] | None = None) -> int | None:
        """Index of the unit's arm, by the weights or by shares of its own; None if it takes no part."""
        if not self.takes_part(unit_id):
            return None
        position = self.position(unit_id)
        arm = bisect_right(self.ends if shares is None else cumulative(shares), position)
        return arm if self.covered is None or position < self.covered[arm][1] else None

    def shares(self, context: Context) -> tuple[float, ...] | None:
        """Probability of each arm for a unit with this context; None where the weights say it."""
        if self.policy is None:
            return None
        is_on = np.array(self.weights) > 0
        return tuple(float(share) for share in self.policy.probabilities([context], is_on)[0])

    def best(self, context: Context) -> str:
        """The arm that is expected to do best in a context; by the weights where there is no policy."""
        if self.policy is None:
            return self.variants[max(range(len(self.weights)), key=self.weights.__getitem__)]
        return self.variants[int(self.policy.best([context])[0])]

    def row(
        self,
        unit_id: str,
        now: datetime,
        segment: str = "",
        covariate: float | None = None,
        context: Context | None = None,
    ) -> dict[str, Any] | None:
        """The assignment to store; None if the unit takes no part."""
        shares = self.shares(context or {})
        arm = self.choose(unit_id, shares)
        if arm is None:
            return None
        about = {"experiment_id": self.experiment_id, "unit_id": unit_id, "variant_id": self.variants[arm]}
        known: dict[str, Any] = {"segment": segment, "covariate": covariate, "assigned_at": now}
        if self.context is not None:
            known["context"] = json.dumps(context or {}, sort_keys=True, ensure_ascii=False)
        return about | {"epoch": self.epoch, "propensity": (shares or self.weights)[arm]} | known


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Units that ask for an arm, with what is known of them.

    Attributes:
        units: ids; None for one that no database keeps, or whose segment none does: it takes no part.
    """

    units: list[str | None]
    segments: list[str]
    covariates: list[float | None]
    contexts: Sequence[object] | None = None

    @classmethod
    def of(
        cls,
        unit_ids: Sequence[object],
        segments: Sequence[object] | None,
        covariates: Sequence[object] | None,
        contexts: Sequence[object] | None = None,
    ) -> Arrivals:
        """Checked, before any is assigned; contexts are checked by the plan, which knows their columns."""
        units = [_storable_unit(unit) for unit in unit_ids]
        labels, numbers = require_segments(segments, len(units)), require_covariates(covariates, len(units))
        if segments is not None:
            units = [unit if is_storable(label) else None for unit, label in zip(units, labels, strict=True)]
        if contexts is not None and len(contexts) != len(units):
            raise InvalidDesignError(f"{len(units)} units need as many contexts, not {len(contexts)}")
        return cls(units, labels, numbers, contexts)

    def _context_at(self, place: int, plan: AssignmentPlan) -> Context | None:
        """As the experiment's columns have it.

        Raises:
            InvalidDesignError: for a context where the experiment has none, or one that is no context.
        """
        given = None if self.contexts is None else self.contexts[place]
        if plan.context is not None:
            return require_context(given, plan.context)
        if given:
            raise InvalidDesignError(
                "only a contextual experiment takes a context; create it with experiment_type='contextual' and "
                "context=['device', …], or use segment="
            )
        return None

    def batches(self) -> Iterator[list[int]]:
        """Places of the units, some at a time, in the order of their ids: requests that share units never deadlock."""
        order = sorted((k for k, unit in enumerate(self.units) if unit is not None), key=self._id_at)
        for start in range(0, len(order), UNITS_AT_ONCE):
            yield order[start : start + UNITS_AT_ONCE]

    def _id_at(self, place: int) -> str:
        return self.units[place] or ""

    def rows(self, plan: AssignmentPlan, places: Sequence[int], now: datetime) -> list[dict[str, Any]]:
        """Assignments to store; of a unit that comes twice, the last."""
        chosen = {}
        for k in places:
            unit, context = self._id_at(k), self._context_at(k, plan)
            chosen[unit] = plan.row(unit, now, self.segments[k], self.covariates[k], context)
        return [row for row in chosen.values() if row is not None]


def holdout_salt(workspace_id: str) -> str:
    """Of the hash that holds units out of all experiments of a workspace."""
    return f"{workspace_id}|out"


def assignment_of(unit_id: str | None, stored: Mapping[str, Mapping[str, Any]]) -> Assignment | None:
    """A unit's arm as people get it; None where it has none."""
    row = None if unit_id is None else stored.get(unit_id)
    if unit_id is None or row is None:
        return None
    return Assignment(row["variant_id"], unit_id, row["propensity"], row["epoch"])


def _storable_unit(unit_id: object) -> str | None:
    try:
        return require_unit(unit_id)
    except UnstorableTextError:
        return None


def require_past(name: str, at: datetime | None, now: datetime) -> datetime:
    """The instant, or now where none is given.

    Raises:
        InvalidDesignError: for one without a zone, or in the future.
    """
    if at is None:
        return now
    if not isinstance(at, datetime) or at.tzinfo is None or at > now:
        raise InvalidDesignError(f"{name} is an instant with its zone that is past, not {at!r}")
    return at


def require_segments(labels: Sequence[object] | None, units: int) -> list[str]:
    """The text of each unit's labels, blank where it has none.

    Raises:
        InvalidDesignError: if their number differs, or one cannot be kept.
    """
    texts = [as_text(label) for label in labels or [None] * units]
    if len(texts) != units:
        raise InvalidDesignError(f"{units} units need as many segments, not {len(texts)}")
    return texts


def require_covariates(values: Sequence[object] | None, units: int) -> list[float | None]:
    """One number from before the experiment for each unit, or none.

    Raises:
        InvalidDesignError: if their number differs, or one is not finite or too large to be squared.
    """
    given = [None] * units if values is None else list(values)
    if len(given) != units:
        raise InvalidDesignError(f"{units} units need as many covariates, not {len(given)}")
    numbers = [None if value is None else as_number(value) for value in given]
    for value, number in zip(given, numbers, strict=True):
        if value is not None and (number is None or abs(number) > LARGEST):
            raise InvalidDesignError(
                f"a covariate is a finite number of at most {LARGEST:g}, not {value!r}; pass None where there is none"
            )
    return numbers


def require_unit(unit_id: object) -> str:
    """A unit's id as it is stored; one is made up for None.

    Raises:
        InvalidDesignError: for what is no text of its length, whole number or UUID.
        UnstorableTextError: for a text that no database keeps.
    """
    if unit_id is None:
        return f"{UNNAMED}{uuid.uuid4().hex}"
    is_id = isinstance(unit_id, str | Integral | uuid.UUID) and not isinstance(unit_id, bool)
    text = str(unit_id).strip() if is_id else ""
    if not text or len(text) > LONGEST_UNIT_ID:
        raise InvalidDesignError(f"a unit id is a text of 1 to {LONGEST_UNIT_ID} characters, not {unit_id!r}")
    return require_storable("a unit id", text)
