"""Which arm a unit gets: by hash, the same in every process, without asking anyone."""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from numbers import Integral, Real
from typing import Any

from tasks.experiments.design import Design
from tasks.experiments.errors import InvalidDesignError
from tasks.experiments.hashing import COVERED_RANGES, HASHES, Position, covered_ranges, cumulative, keyed_blake2b

UNNAMED = "~"  # first character of the ids made up for units that come without one
LONGEST_UNIT_ID = 256
LONGEST_SEGMENT = 128


@dataclass(frozen=True, slots=True)
class AssignmentPlan:
    """All that is needed to place a unit.

    Attributes:
        ends: upper ends of the arms' ranges.
        position: of a unit, by this experiment's salt.
        enrolment: another position, so that a larger traffic share moves no unit between arms; None: all take part.
        holdout: by the workspace's salt, so that every experiment leaves out the same units; None: none is left out.
        covered: of each arm's range the part that takes part, where another platform cuts it there; None: all of it.
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
    covered: tuple[tuple[float, float], ...] | None = None

    @classmethod
    def of(
        cls, experiment: Mapping[str, Any], variants: Sequence[Mapping[str, Any]], epoch: Mapping[str, Any]
    ) -> AssignmentPlan:
        """From rows of the warehouse; the epoch is the newest."""
        design = Design.from_dict(experiment["design"])
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
            keyed_blake2b(f"{experiment['workspace_id']}|out") if design.holdout_share > 0 else None,
            design.holdout_share,
            tuple(covered_ranges(weights, design.traffic_share)) if is_cut else None,
        )

    def choose(self, unit_id: str) -> int | None:
        """Index of the unit's arm; None if it takes no part."""
        if self.enrolment is not None and self.enrolment(unit_id) >= self.traffic_share:
            return None
        if self.holdout is not None and self.holdout(unit_id) < self.holdout_share:
            return None
        position = self.position(unit_id)
        arm = bisect_right(self.ends, position)
        return arm if self.covered is None or position < self.covered[arm][1] else None

    def row(
        self, unit_id: str, now: datetime, segment: str = "", covariate: float | None = None
    ) -> dict[str, Any] | None:
        """The assignment to store; None if the unit takes no part."""
        arm = self.choose(unit_id)
        if arm is None:
            return None
        about = {"experiment_id": self.experiment_id, "unit_id": unit_id, "variant_id": self.variants[arm]}
        known = {"segment": segment, "covariate": covariate, "assigned_at": now}
        return about | {"epoch": self.epoch, "propensity": self.weights[arm]} | known


def require_segments(labels: Sequence[object] | None, units: int) -> list[str]:
    """One label for each unit, blank where it has none.

    Raises:
        InvalidDesignError: if their number differs, or one is too long.
    """
    texts = ["" if label is None else str(label).strip() for label in labels or [None] * units]
    if len(texts) != units:
        raise InvalidDesignError(f"{units} units need as many segments, not {len(texts)}")
    for label in texts:
        if len(label) > LONGEST_SEGMENT:
            raise InvalidDesignError(f"a segment is a text of at most {LONGEST_SEGMENT} characters, not {label!r}")
    return texts


def require_covariates(values: Sequence[object] | None, units: int) -> list[float | None]:
    """One number from before the experiment for each unit, or none.

    Raises:
        InvalidDesignError: if their number differs, or one is not finite.
    """
    numbers = list(values or [None] * units)
    if len(numbers) != units:
        raise InvalidDesignError(f"{units} units need as many covariates, not {len(numbers)}")
    for value in numbers:
        if value is not None and not (isinstance(value, Real) and isfinite(value)):
            raise InvalidDesignError(f"a covariate is a finite number, not {value!r}; pass None where there is none")
    return [None if value is None else float(value) for value in numbers]  # type: ignore[arg-type]


def require_unit(unit_id: object) -> str:
    """A unit's id as it is stored; one is made up for None."""
    if unit_id is None:
        return f"{UNNAMED}{uuid.uuid4().hex}"
    text = str(unit_id).strip() if isinstance(unit_id, str | Integral) and not isinstance(unit_id, bool) else ""
    if not text or len(text) > LONGEST_UNIT_ID:
        raise InvalidDesignError(f"a unit id is a text of 1 to {LONGEST_UNIT_ID} characters, not {unit_id!r}")
    return text
