"""Arms stored by the event loop over a connection of its own to PostgreSQL: all that came while it waited, together.

One statement at a time: a second one would wait for the first, as both count the arms that they gave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.experiments.loop_store import LoopStore
    from tasks.experiments.records import Assignment
    from tasks.experiments.store import Row

MOST_TOGETHER = 500


class LoopAssignments:
    """Used on the event loop that it was made on."""

    def __init__(self, store: LoopStore) -> None:
        self.loop = asyncio.get_running_loop()
        self._store = store
        self._waiting: list[tuple[Row, asyncio.Future[Assignment]]] = []
        self._sender: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many units wait for the statement before theirs."""
        return len(self._waiting)

    async def assign(self, row: Row) -> Assignment:
        """The unit's arm, once it is stored.

        Raises:
            OperationalError: where somebody else writes, and goes on.
            Exception: whatever else keeps it from being stored, or from knowing that it is.
        """
        answer: asyncio.Future[Assignment] = self.loop.create_future()
        self._waiting.append((row, answer))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return await answer

    async def close(self) -> None:
        """Let go of the connection."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        await self._store.close()

    async def _send(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
                await self._answer([row for row, _ in together], [answer for _, answer in together])
        finally:
            self._sender = None

    async def _answer(self, rows: Sequence[Row], answers: Sequence[asyncio.Future[Assignment]]) -> None:
        try:
            arms = await self._store.assign(rows)
        except Exception as error:  # noqa: BLE001 - told to all who wait, each of which asks another way
            for answer in answers:
                if not answer.done():
                    answer.set_exception(error)
            return
        for answer, arm in zip(answers, arms, strict=True):
            if not answer.done():  # whoever asked has gone
                answer.set_result(arm)
