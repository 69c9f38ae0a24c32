"""Prefect's SQLite, written by one transaction after the other, so that none is told that the database is locked.

Prefect opens its transactions deferred: they read first and become writers later. SQLite refuses that at once, whatever
the busy timeout, where another transaction has committed in between. An answer to a person then is a 503. An event that
an automation waits for is tried four times within milliseconds and laid aside (`prefect/dlq`): the automation never
hears that a run has ended, and calls it crashed. Under two chains and three people that came twice a second.

Here every transaction asks for the write lock as it begins, and those of this process, which is the only one that
writes to the file, take turns in the order in which they came. What only reads opens none, and waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect.server.events.schemas.events import ReceivedEvent


@dataclass(slots=True)
class WriteTurn:
    """A transaction that may write; tasks started within it inherit the variable, and may outlive the turn."""

    is_on: bool = True


_turn: ContextVar[WriteTurn | None] = ContextVar("turn", default=None)


class OneWriter:
    """Hands the right to write from transaction to transaction, in the order in which they asked."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """Wait for one's turn; gives False, at once, within a turn of one's own: to wait would be for ever."""
        held = _turn.get()
        if held is not None and held.is_on:
            yield False
            return
        async with self._lock:
            mine = WriteTurn()
            token = _turn.set(mine)
            try:
                yield True
            finally:
                mine.is_on = False
                _turn.reset(token)

    @asynccontextmanager
    async def begin(self, session: Any, with_for_update: bool = False) -> AsyncIterator[Any]:
        """Begin a transaction as Prefect's configuration of SQLite does, and let it be a writer from the start."""
        from prefect.server.database.configurations import SQLITE_BEGIN_MODE

        async with self.turn() as is_mine:
            token = SQLITE_BEGIN_MODE.set("IMMEDIATE" if is_mine or with_for_update else "DEFERRED")
            try:
                async with session.begin() as begun:
                    yield begun
            finally:
                SQLITE_BEGIN_MODE.reset(token)

    async def write_events(self, session: Any, events: list[ReceivedEvent]) -> None:
        """Write events with what they are about, or neither: half of them would never be completed by another try."""
        from prefect.server.events.storage.database import write_events

        async with self.begin(session):
            await write_events(session=session, events=events)


def write_one_at_a_time() -> None:
    """Let Prefect's transactions take turns where it keeps its state in SQLite; call it before its server is made."""
    from prefect.server.database.configurations import AioSqliteConfiguration
    from prefect.server.events.services import event_persister
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

    if not str(PREFECT_API_DATABASE_CONNECTION_URL.value()).startswith("sqlite"):
        return
    writer = OneWriter()
    AioSqliteConfiguration.begin_transaction = writer.begin  # type: ignore[method-assign, assignment]
    event_persister.write_events = writer.write_events  # type: ignore[attr-defined]
