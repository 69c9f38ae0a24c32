"""Which arm a unit gets: by hash, the same in every process, without asking anyone."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.errors import UnknownNameError
from tasks.experiments.design import Design
from tasks.experiments.errors import InvalidDesignError
from tasks.experiments.hashing import HASHES, Hash, choose, cumulative, keyed_blake2b

UNNAMED = "~"  # first character of the ids made up for units that come without one
LONGEST_UNIT_ID = 256


@dataclass(frozen=True, slots=True)
class AssignmentPlan:
    """All that is needed to place a unit.

    Attributes:
        ends: upper ends of the arms' ranges.
        salt: this experiment's; the enrolment's differs, so that raising the traffic share moves nobody between arms.
        holdout_salt: the workspace's, so that every experiment leaves out the same units.
    """

    experiment_id: str
    variants: tuple[str, ...]
    weights: tuple[float, ...]
    ends: tuple[float, ...]
    epoch: int
    salt: str
    bucket: Hash
    traffic_share: float
    holdout_share: float
    holdout_salt: str

    @classmethod
    def of(
        cls, experiment: Mapping[str, Any], variants: Sequence[Mapping[str, Any]], epoch: Mapping[str, Any]
    ) -> AssignmentPlan:
        """From rows of the warehouse; the epoch is the newest."""
        design = Design.from_json(experiment["design"])
        names, weights = tuple(row["variant_id"] for row in variants), tuple(epoch["weights"])
        return cls(
            experiment["experiment_id"],
            names,
            weights,
            cumulative(weights),
            epoch["epoch"],
            experiment["salt"],
            HASHES[design.bucketing],
            design.traffic_share,
            design.holdout_share,
            f"{experiment['workspace_id'][:48]}|holdout",
        )

    def choose(self, unit_id: str) -> int | None:
        """Index of the unit's arm; None if it takes no part."""
        if self.traffic_share < 1 and keyed_blake2b(self.salt[:48] + "|enrol", unit_id) >= self.traffic_share:
            return None
        if self.holdout_share > 0 and keyed_blake2b(self.holdout_salt, unit_id) < self.holdout_share:
            return None
        return choose(self.bucket(self.salt, unit_id), self.ends)

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

    def require_variant(self, variant_id: object) -> str:
        """The name of one of the arms."""
        if str(variant_id) not in self.variants:
            raise UnknownNameError("variant", variant_id, self.variants)
        return str(variant_id)


def require_unit(unit_id: object) -> str:
    """A unit's id as it is stored; one is made up for None."""
    if unit_id is None:
        return f"{UNNAMED}{uuid.uuid4().hex}"
    text = str(unit_id).strip() if isinstance(unit_id, str | int) and not isinstance(unit_id, bool) else ""
    if not text or len(text) > LONGEST_UNIT_ID:
        raise InvalidDesignError(f"a unit id is a text of 1 to {LONGEST_UNIT_ID} characters, not {unit_id!r}")
    return text
