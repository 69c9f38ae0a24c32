"""Arms for units that come one by one, hundreds a second: those that wait together are written together.

A unit's arm is answered once its exposure is stored, never before: what a page has shown, an outcome may come for. A
transaction costs much the same for one unit and for fifty, so one thread takes all that wait, writes them in one, and
answers all. Arms are `ExperimentService.assign_variants`'s, to the bit: it is what the thread calls. A unit that this
process has seen keeps its arm for ever, so it is answered from memory.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.answering import hand_back
from service.first_imports import ONE_AT_A_TIME
from service.gate import Caller
from tasks.errors import InputError, WarehouseError
from tasks.warehouse.database import UNAVAILABLE

if TYPE_CHECKING:
    from service.rooms import Rooms
    from tasks.experiments.records import Assignment

MOST_TOGETHER = 500
MOST_WAITING = 20_000
MOST_REMEMBERED = 200_000
SECONDS_BETWEEN_ENTRIES = 1.0  # of the audit log, which counts assignments: each of them is a row of its own already


@dataclass(frozen=True, slots=True)
class Arrival:
    """One unit that asks for its arm."""

    caller: Caller
    workspace_id: str
    experiment_id: str
    unit_id: str
    segment: str
    covariate: float | None
    context: Mapping[str, Any] | None
    answer: asyncio.Future[Assignment | None]


class AssignmentQueue:
    """One a process; `assign` is called on the event loop, the rest happens in a thread of its own."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._waiting: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._known: OrderedDict[tuple[str, str], Assignment] = OrderedDict()
        self._entries: Counter[tuple[Caller, str, str]] = Counter()
        self._entries_due = 0.0
        self._thread: threading.Thread | None = None
        self.stored = 0  # since the process started; what is answered from memory was counted before

    @property
    def waiting(self) -> int:
        """How many units wait."""
        return self._waiting.qsize()

    async def assign(
        self,
        caller: Caller,
        workspace_id: str,
        experiment_id: str,
        unit_id: str,
        segment: str = "",
        covariate: float | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Assignment | None:
        """The unit's arm, once it is stored; None for one that takes no part.

        Args:
            unit_id: as `require_unit` gives it.
            context: of a contextual experiment.

        Raises:
            InputError: as `ExperimentService.assign_variants`.
        """
        known = self._known.get((experiment_id, unit_id))
        if known is not None:
            return known
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="assignments", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        arrival = Arrival(caller, workspace_id, experiment_id, unit_id, segment, covariate, context, answer)
        self._waiting.put(arrival)
        arm = await arrival.answer
        if arm is not None:
            self._remember((experiment_id, unit_id), arm)
            self.stored += 1
        return arm

    def _remember(self, place: tuple[str, str], arm: Assignment) -> None:
        self._known[place] = arm
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def _work(self) -> None:
        while True:
            arrivals = self._next(None)
            with ExitStack() as stack:
                with suppress(*UNAVAILABLE, WarehouseError):  # each batch says so by itself
                    stack.enter_context(self._rooms.warehouse.open().one_writer())
                while arrivals or self._entries:
                    self._answer_all(arrivals)
                    arrivals = self._next(SECONDS_BETWEEN_ENTRIES)

    def _answer_all(self, arrivals: Sequence[Arrival]) -> None:
        for together in self._by_experiment(arrivals).values():
            hand_back(together, self._answers(together))
        self._log()

    def _next(self, seconds: float | None) -> list[Arrival]:
        """All that wait, at least one; none where none came in so many seconds."""
        try:
            arrivals = [self._waiting.get(timeout=seconds)]
        except queue.Empty:
            return []
        while len(arrivals) < MOST_TOGETHER:
            try:
                arrivals.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return arrivals

    @staticmethod
    def _by_experiment(arrivals: Sequence[Arrival]) -> dict[str, list[Arrival]]:
        groups: dict[str, list[Arrival]] = {}
        for one in arrivals:
            groups.setdefault(one.experiment_id, []).append(one)
        return groups

    def _answers(self, together: Sequence[Arrival]) -> list[Assignment | Exception | None]:
        """An arm, none, or what is wrong, for each; one unit that cannot be assigned is no reason for the others."""
        with ONE_AT_A_TIME:
            from tasks.experiments.errors import WrongStateError  # with all that experiments import

        try:
            arms = self._assigned(together)
        except InputError as error:
            if len(together) == 1 or isinstance(error, WrongStateError):
                return [error] * len(together)
            return [answer for one in together for answer in self._answers([one])]
        except Exception as error:  # noqa: BLE001 - told to all who wait, each of which answers with a problem
            return [error] * len(together)
        for one, arm in zip(together, arms, strict=True):
            self._entries[one.caller, one.workspace_id, one.experiment_id] += arm is not None
        return list(arms)

    def _assigned(self, together: Sequence[Arrival]) -> list[Assignment | None]:
        return self._rooms.experiments.assign_variants(
            together[0].experiment_id,
            [one.unit_id for one in together],
            [one.segment for one in together],
            [one.covariate for one in together],
            contexts=[one.context for one in together],
        )

    def _log(self) -> None:
        if not self._entries or time.monotonic() < self._entries_due:
            return
        deeds = [
            caller.deed(workspace_id, experiment_id, count)
            for (caller, workspace_id, experiment_id), count in self._entries.items()
            if count
        ]
        self._entries_due = time.monotonic() + SECONDS_BETWEEN_ENTRIES
        try:
            if deeds:
                self._rooms.access.log(deeds)
        except Exception:  # noqa: BLE001 - a warehouse that is locked or away now takes them next time
            return
        self._entries.clear()
