"""What came of predicted rows, hundreds a second: those that wait together are written together.

As with assignments, a transaction costs much the same for one row and for fifty, so one thread takes all that wait. Who
sent is answered once the outcomes, their sums and the entry of the audit log are stored.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.answering import hand_back
from service.gate import Caller
from tasks.errors import InputError

if TYPE_CHECKING:
    from service.rooms import Rooms
    from tasks.models.records import OutcomeRows

MOST_TOGETHER, MOST_ROWS_TOGETHER = 200, 5000  # others wait for as long as a transaction takes


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """What one request says came of some rows of one model."""

    caller: Caller
    workspace_id: str
    model_type: str
    values: Mapping[str, float | str]
    answer: asyncio.Future[dict[str, int]]


class OutcomeQueue:
    """One a process; `record` is called on the event loop, the rest happens in a thread of its own."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._waiting: queue.SimpleQueue[OutcomeReport] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.stored = 0  # since the process started

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._waiting.qsize()

    async def record(
        self, caller: Caller, workspace_id: str, model_type: str, values: Mapping[str, float | str]
    ) -> dict[str, int]:
        """Note what came of rows; how many of them are new, once they are stored.

        Raises:
            InputError: as `ModelService.record_outcomes`.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="outcomes", daemon=True)
            self._thread.start()
        answer = asyncio.get_running_loop().create_future()
        self._waiting.put(OutcomeReport(caller, workspace_id, model_type, values, answer))
        counts: dict[str, int] = await answer
        self.stored += counts["recorded"]
        return counts

    def _work(self) -> None:
        while True:
            for together in self._by_model(self._next()).values():
                hand_back(together, self._answers(together))

    def _next(self) -> list[OutcomeReport]:
        reports = [self._waiting.get()]
        rows = len(reports[0].values)
        while len(reports) < MOST_TOGETHER and rows < MOST_ROWS_TOGETHER:
            try:
                reports.append(self._waiting.get_nowait())
            except queue.Empty:
                break
            rows += len(reports[-1].values)
        return reports

    @staticmethod
    def _by_model(reports: Sequence[OutcomeReport]) -> dict[tuple[str, str], list[OutcomeReport]]:
        groups: dict[tuple[str, str], list[OutcomeReport]] = {}
        for one in reports:
            groups.setdefault((one.workspace_id, one.model_type), []).append(one)
        return groups

    def _answers(self, together: Sequence[OutcomeReport]) -> list[dict[str, int] | Exception]:
        """Counts or what is wrong, for each; one request that is wrong is no reason for the others."""
        try:
            return list(self._recorded(together))
        except InputError as error:
            if len(together) == 1:
                return [error]
            return [answer for one in together for answer in self._answers([one])]
        except Exception as error:  # noqa: BLE001 - told to all who wait, each of which answers with a problem
            return [error] * len(together)

    def _recorded(self, together: Sequence[OutcomeReport]) -> list[dict[str, int]]:
        first: dict[str, float | str] = {}
        for one in together:
            first = {**one.values, **first}  # of two outcomes of a row the earlier stands
        rows = self._rooms.models.record_outcomes(
            together[0].workspace_id, together[0].model_type, first, run_id=f"key {together[0].caller.key.key_id}"
        )
        self._rooms.access.log(
            [one.caller.deed(one.workspace_id, f"{one.model_type}: {len(one.values)} outcomes") for one in together]
        )
        return _counts(together, rows)


def _counts(together: Sequence[OutcomeReport], rows: OutcomeRows) -> list[dict[str, int]]:
    """Of each request; a row that two of them name is new to the first."""
    counted, fresh = list[dict[str, int]](), set(rows.recorded)
    for one in together:
        new, unpredicted = one.values.keys() & fresh, one.values.keys() & rows.unpredicted
        repeated = len(one.values) - len(new) - len(unpredicted)
        counted.append({"recorded": len(new), "repeated": repeated, "unpredicted": len(unpredicted)})
        fresh -= new
    return counted
