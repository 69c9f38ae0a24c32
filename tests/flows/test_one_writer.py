"""Transactions on Prefect's SQLite take turns, in the order in which they asked, and none is told that it is locked."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.events.services import event_persister
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from flows.platform.one_writer import OneWriter, write_one_at_a_time


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[AioSqliteConfiguration]:
    """A file with one number, opened as Prefect opens its own."""
    config = AioSqliteConfiguration(connection_url=f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}")
    engine = await config.engine()
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE counter (n INTEGER)"))
        await connection.execute(text("INSERT INTO counter VALUES (0)"))
    yield config
    await engine.dispose()


async def count_up(config: AioSqliteConfiguration) -> None:
    """Read, let others do something, then write: what a server does for one request."""
    async with await config.session(await config.engine()) as session, config.begin_transaction(session):
        n = await session.scalar(text("SELECT n FROM counter"))
        await asyncio.sleep(0.01)
        await session.execute(text("UPDATE counter SET n = :n"), {"n": (n or 0) + 1})


async def counted(config: AioSqliteConfiguration) -> int:
    async with await config.session(await config.engine()) as session:
        return int(await session.scalar(text("SELECT n FROM counter")) or 0)


async def test_as_prefect_begins_them_one_of_two_is_refused_at_once(database: AioSqliteConfiguration) -> None:
    with pytest.raises(OperationalError, match="locked"):
        await asyncio.gather(*(count_up(database) for _ in range(4)))


async def test_taking_turns_none_is_refused_and_none_is_overwritten(
    database: AioSqliteConfiguration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", AioSqliteConfiguration.begin_transaction)
    monkeypatch.setattr(event_persister, "write_events", event_persister.write_events)
    write_one_at_a_time()
    await asyncio.gather(*(count_up(database) for _ in range(20)))
    assert await counted(database) == 20


async def test_whoever_asked_first_is_first() -> None:
    writer, order = OneWriter(), list[int]()

    async def write(number: int) -> None:
        async with writer.turn():
            await asyncio.sleep(0.001)
            order.append(number)

    await asyncio.gather(*(write(number) for number in range(20)))
    assert order == list(range(20))


async def test_within_its_own_turn_it_does_not_wait_for_itself() -> None:
    writer = OneWriter()
    async with asyncio.timeout(5), writer.turn() as outer, writer.turn() as inner:
        assert (outer, inner) == (True, False)


async def test_a_task_that_outlives_the_turn_it_was_born_in_waits_for_its_own() -> None:
    writer, is_over = OneWriter(), asyncio.Event()

    async def later() -> bool:
        await is_over.wait()
        async with writer.turn() as is_mine:
            return is_mine

    async with writer.turn():
        born_within = asyncio.create_task(later())
        await asyncio.sleep(0)
    is_over.set()
    assert await born_within


def test_prefect_still_has_what_is_replaced() -> None:
    begin = inspect.signature(AioSqliteConfiguration.begin_transaction)
    assert list(begin.parameters) == ["self", "session", "with_for_update"]
    assert list(inspect.signature(event_persister.write_events).parameters) == ["session", "events"]
    assert "write_events(session=session, events=batch)" in inspect.getsource(event_persister.create_handler)
