"""A workspace's experiments as feature flags, by name: what OpenFeature's SDKs ask for.

They are kept in memory for a second, as long as the engine itself may go on with weights that were just replaced, so
that hundreds of evaluations a second read the warehouse once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anyio import to_thread

from service.assignment_queue import AssignmentQueue
from service.gate import Caller
from service.rooms import Rooms

KEPT_SECONDS = 1.0
Unit = tuple[str | None, str]  # its id and label; None where none came
AS_BOOLEAN = {"true": True, "on": True, "false": False, "off": False}


@dataclass(frozen=True, slots=True)
class Flag:
    """An experiment as a flag.

    Attributes:
        served: the arm that everybody gets where no unit is assigned: the control, or what won.
        is_running: whether units are assigned.
        is_boolean: whether its arms are called true and false, or on and off.
        context: attributes that it wants to know of a unit, where its arm follows them.
        has_policy: whether it ended with a policy, which is served by the same attributes.
    """

    key: str
    experiment_id: str
    served: str
    status: str
    is_boolean: bool
    context: tuple[str, ...] = ()
    has_policy: bool = False

    def known_of(self, attributes: Mapping[str, Any]) -> dict[str, Any] | None:
        """The attributes that it wants to know, of those that came; None where it wants none."""
        return {name: attributes[name] for name in self.context if name in attributes} if self.context else None

    @property
    def is_running(self) -> bool:
        """Whether units are assigned."""
        return self.status == "running"

    def value(self, arm: str) -> str | bool:
        """What a program gets for an arm."""
        return AS_BOOLEAN[arm.lower()] if self.is_boolean else arm

    def answer(self, arm: str, reason: str, **about: Any) -> dict[str, Any]:
        """A successful evaluation, as the protocol has it."""
        metadata = {"experiment_id": self.experiment_id, "status": self.status} | about
        return {"key": self.key, "value": self.value(arm), "reason": reason, "variant": arm, "metadata": metadata}

    def failure(self, code: str, details: str) -> dict[str, Any]:
        """A failed evaluation."""
        return {"key": self.key, "errorCode": code, "errorDetails": details}


class Flags:
    """Flags of every workspace that asks."""

    def __init__(self, rooms: Rooms, arms: AssignmentQueue) -> None:
        self._rooms, self._arms = rooms, arms
        self._kept: dict[str, tuple[float, dict[str, Flag]]] = {}
        self._reading: dict[str, asyncio.Lock] = {}

    async def of(self, workspace_id: str) -> dict[str, Flag]:
        """The workspace's flags by key."""
        kept = self._kept.get(workspace_id)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        async with self._reading.setdefault(workspace_id, asyncio.Lock()):
            kept = self._kept.get(workspace_id)
            if kept is not None and time.monotonic() < kept[0]:
                return kept[1]
            flags = await to_thread.run_sync(self._read, workspace_id)
            self._kept[workspace_id] = (time.monotonic() + KEPT_SECONDS, flags)
        return flags

    def _read(self, workspace_id: str) -> dict[str, Flag]:
        flags = {}
        for row in self._rooms.experiments.servable(workspace_id):
            is_boolean = all(arm.lower() in AS_BOOLEAN for arm in row["arms"])
            served = row["winner"] or row["control"]
            about = (row["name"], row["experiment_id"], served, row["status"], is_boolean)
            flags[row["name"]] = Flag(*about, tuple(row["context"]), row["has_policy"])
        return flags

    async def evaluate(
        self, caller: Caller, workspace_id: str, flag: Flag, unit: Unit, attributes: Mapping[str, Any]
    ) -> dict[str, Any]:
        """One flag for one unit, whose attributes are all that came with it.

        Raises:
            InputError: if the unit cannot be assigned.
        """
        unit_id, segment = unit
        if flag.has_policy:
            arm = await to_thread.run_sync(self._recommended, flag, flag.known_of(attributes))
            return flag.answer(arm, "TARGETING_MATCH")
        if not flag.is_running:
            return flag.answer(flag.served, "STATIC" if flag.status == "completed" else "DISABLED")
        if unit_id is None:
            return flag.failure("TARGETING_KEY_MISSING", "context.targetingKey names the unit that gets an arm")
        known = flag.known_of(attributes)
        assigned = await self._arms.assign(caller, workspace_id, flag.experiment_id, unit_id, segment, context=known)
        if assigned is None:
            return flag.answer(flag.served, "DEFAULT", takes_part=False)
        about = {"propensity": assigned.propensity, "epoch": assigned.epoch}
        return flag.answer(assigned.variant_id, "SPLIT", takes_part=True, **about)

    def _recommended(self, flag: Flag, context: Mapping[str, Any] | None) -> str:
        return self._rooms.experiments.recommend_variant(flag.experiment_id, context)
