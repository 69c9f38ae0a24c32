"""Arms for units that come one by one, hundreds a second: written at once, or together with those that wait.

A unit's arm is answered once its exposure is stored, never before: what a page has shown, an outcome may come for. To
SQLite one unit's transaction is less than handing it to a thread, which then takes the interpreter's lock from those
who answer. So the event loop writes it itself, unless that would wait: for somebody else who writes, for what is not
known of the experiment. Those units go to one thread; a transaction costs much the same for one and for fifty, so it
takes all that wait, writes them in one, and answers all. With PostgreSQL the loop waits in its own selector
(`loop_assignments.py`): the thread has what that way cannot do, and whose connection was cut.

Arms are `ExperimentService.assign_variants`'s, to the bit: it is what both call. A unit that this process has seen
keeps its arm for ever, so it is answered from memory.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from service.answering import hand_back
from service.first_imports import ONE_AT_A_TIME
from service.gate import Caller
from tasks.errors import InputError, WarehouseError
from tasks.warehouse.database import UNAVAILABLE

if TYPE_CHECKING:
    from service.loop_assignments import LoopAssignments
    from service.rooms import Rooms
    from tasks.experiments.records import Assignment
    from tasks.experiments.service import ExperimentService

MOST_TOGETHER = 500
MOST_REMEMBERED = 200_000
SECONDS_BETWEEN_ENTRIES = 1.0  # of the audit log, which counts assignments: each of them is a row of its own already
SECONDS_IDLE = 1.0  # after which the thread lets go of its connection
READ_AHEAD_SECONDS = 0.5  # before what is known of an experiment is too old, it is read again beside those who ask


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
    """One a process; used on the event loop, but for what its thread does."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._waiting: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._handed_over = 0
        self._known: OrderedDict[tuple[str, str], Assignment] = OrderedDict()
        self._entries: Counter[tuple[Caller, str, str]] = Counter()
        self._thread: threading.Thread | None = None
        self._experiments: ExperimentService | None = None  # once the thread has imported it
        self._own_connection = ExitStack()
        self._writer: int | None = None  # the thread whose connection it is
        self._on_loop: LoopAssignments | None = None
        self._beside: dict[str, asyncio.Task[None]] = {}  # reading ahead, by experiment, and writing the log
        self.stored = 0  # since the process started; what is answered from memory was counted before

    @property
    def waiting(self) -> int:
        """How many units wait."""
        return self._handed_over + (0 if self._on_loop is None else self._on_loop.waiting)

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
        answer = asyncio.get_running_loop().create_future()
        arrival = Arrival(caller, workspace_id, experiment_id, unit_id, segment, covariate, context, answer)
        (arm,) = await self._by_loop(arrival) or [await self._handed(arrival)]
        if arm is not None:
            self._known[experiment_id, unit_id] = arm
            if len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
            self.stored += 1
        return arm

    async def close(self) -> None:
        """Write what the log has not yet, and let go of the warehouse."""
        for task in self._beside.values():
            task.cancel()
        await asyncio.gather(*self._beside.values(), return_exceptions=True)
        self._own_connection.close()
        self._writer = None
        if self._on_loop is not None:
            await self._on_loop.close()
        if self._entries:
            await self._write_entries()

    async def _by_loop(self, arrival: Arrival) -> list[Assignment | None]:
        """The arm, stored by the event loop itself; nothing where a thread has to do it."""
        experiments = self._experiments
        if experiments is None or not self._is_known(experiments, arrival.experiment_id):
            return []
        if self._rooms.warehouse.open().is_sqlite:
            return self._in_sqlite(experiments, arrival)
        return await self._in_postgresql(experiments, arrival)

    def _in_sqlite(self, experiments: ExperimentService, arrival: Arrival) -> list[Assignment | None]:
        if self._handed_over:
            return []
        try:
            if self._writer is None:
                self._own_connection.enter_context(self._rooms.warehouse.open().impatient_connection())
                self._writer = threading.get_ident()
            if self._writer != threading.get_ident():  # another loop than the service's: it has no such connection
                return []
            arms = _assigned(experiments, [arrival])
        except (*UNAVAILABLE, WarehouseError):
            return []
        self._note([arrival], arms)
        return arms

    async def _in_postgresql(self, experiments: ExperimentService, arrival: Arrival) -> list[Assignment | None]:
        if arrival.covariate is not None:  # it takes a transaction of several statements
            return []
        row = experiments.row_to_store(arrival.experiment_id, arrival.unit_id, arrival.segment, arrival.context)
        if row is None:
            return [None]
        if self._on_loop is None:
            self._on_loop = self._made_for_loop()
        if self._on_loop.loop is not asyncio.get_running_loop():
            return []
        try:
            arm = await self._on_loop.assign(row)
        except UNAVAILABLE:
            raise
        except Exception:  # noqa: BLE001 - the connection was cut, or the row is refused: the thread stores it, or says why
            return []
        self._note([arrival], [arm])
        return [arm]

    def _made_for_loop(self) -> LoopAssignments:
        with ONE_AT_A_TIME:
            from service.loop_assignments import LoopAssignments
            from tasks.experiments.loop_store import LoopStore

        return LoopAssignments(LoopStore(self._rooms.warehouse.open()))

    def _is_known(self, experiments: ExperimentService, experiment_id: str) -> bool:
        """Whether arms take no reading; what is known so is read again before it is too old, beside those who ask."""
        left = experiments.seconds_known(experiment_id)
        if 0 < left < READ_AHEAD_SECONDS:
            self._do_beside(experiment_id, partial(self._read_ahead, experiments, experiment_id))
        return left > 0

    async def _handed(self, arrival: Arrival) -> Assignment | None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="assignments", daemon=True)
            self._thread.start()
        self._handed_over += 1
        arrival.answer.add_done_callback(self._is_answered)
        self._waiting.put(arrival)
        return await arrival.answer

    def _is_answered(self, _answer: asyncio.Future[Assignment | None]) -> None:
        self._handed_over -= 1

    def _work(self) -> None:
        while True:
            arrivals = self._next(None)
            with ExitStack() as stack:
                with suppress(*UNAVAILABLE, WarehouseError):  # each batch says so by itself
                    stack.enter_context(self._rooms.warehouse.open().one_connection())
                while arrivals:
                    for together in self._by_experiment(arrivals).values():
                        hand_back(together, self._answers(together))
                    arrivals = self._next(SECONDS_IDLE)

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
            self._experiments = self._rooms.experiments
            arms = _assigned(self._experiments, together)
        except InputError as error:
            if len(together) == 1 or isinstance(error, WrongStateError):
                return [error] * len(together)
            return [answer for one in together for answer in self._answers([one])]
        except Exception as error:  # noqa: BLE001 - told to all who wait, each of which answers with a problem
            return [error] * len(together)
        loop = together[0].answer.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._note, together, arms)
        return list(arms)

    def _note(self, together: Sequence[Arrival], arms: Sequence[Assignment | None]) -> None:
        """Have the log say within a second what was assigned."""
        for one, arm in zip(together, arms, strict=True):
            if arm is not None:
                self._entries[one.caller, one.workspace_id, one.experiment_id] += 1
        if self._entries:
            self._do_beside("", self._log)

    def _do_beside(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if name not in self._beside:
            self._beside[name] = asyncio.create_task(self._done(name, work))

    async def _done(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        finally:
            del self._beside[name]

    async def _log(self) -> None:
        while self._entries:
            await asyncio.sleep(SECONDS_BETWEEN_ENTRIES)
            await self._write_entries()

    async def _write_entries(self) -> None:
        entries, self._entries = self._entries, Counter()
        deeds = [caller.deed(workspace, experiment, n) for (caller, workspace, experiment), n in entries.items()]
        try:
            if self._writer == threading.get_ident():
                self._rooms.access.log(deeds)
            else:
                await to_thread.run_sync(self._rooms.access.log, deeds)
        except Exception:  # noqa: BLE001 - a warehouse that is locked or away now takes them next time
            self._entries.update(entries)
            return
        with suppress(*UNAVAILABLE, WarehouseError):  # the next one does it
            await to_thread.run_sync(self._rooms.warehouse.open().copy_log_back)

    @staticmethod
    async def _read_ahead(experiments: ExperimentService, experiment_id: str) -> None:
        with suppress(*UNAVAILABLE, WarehouseError, InputError):  # who asks once it is too old is told
            await to_thread.run_sync(experiments.read_plan, experiment_id)


def _assigned(experiments: ExperimentService, together: Sequence[Arrival]) -> list[Assignment | None]:
    return experiments.assign_variants(
        together[0].experiment_id,
        [one.unit_id for one in together],
        [one.segment for one in together],
        [one.covariate for one in together],
        contexts=[one.context for one in together],
    )
