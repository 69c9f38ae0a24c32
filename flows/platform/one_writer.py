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
    from prefect.server.database.configurations import AioSqliteConfiguration
    from prefect.server.events.schemas.events import ReceivedEvent


@dataclass(slots=True)
class Turn:
    """A transaction that may write; tasks started within it inherit the variable, and may outlive the turn."""

    is_on: bool = True


_turn: ContextVar[Turn | None] = ContextVar("turn", default=None)


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
            mine = Turn()
            token = _turn.set(mine)
            try:
                yield True
            finally:
                mine.is_on = False
                _turn.reset(token)


def write_one_at_a_time() -> None:
    """Let Prefect's transactions on SQLite take turns; call it before its server is made, once a process."""
    from prefect.server.database.configurations import AioSqliteConfiguration
    from prefect.server.events.services import event_persister

    writer, begin_as_prefect, write_events = (
        OneWriter(),
        AioSqliteConfiguration.begin_transaction,
        event_persister.write_events,
    )

    @asynccontextmanager
    async def begin_transaction(
        self: AioSqliteConfiguration, session: Any, with_for_update: bool = False
    ) -> AsyncIterator[Any]:
        async with writer.turn() as is_mine, begin_as_prefect(self, session, is_mine or with_for_update) as begun:
            yield begun

    async def write_together(session: Any, events: list[ReceivedEvent]) -> Any:
        """Events with what they are about, or neither: half of them would never be completed by another try."""
        from prefect.server.database import provide_database_interface

        async with provide_database_interface().database_config.begin_transaction(session):
            return await write_events(session=session, events=events)

    AioSqliteConfiguration.begin_transaction = begin_transaction  # type: ignore[method-assign]
    event_persister.write_events = write_together
