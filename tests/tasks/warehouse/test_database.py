"""Both databases give back what was written, once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from tasks.errors import SchemaOutdatedError, WarehouseCutError, WarehouseUnreachableError
from tasks.warehouse import Warehouse, open_warehouse, upgrade
from tasks.warehouse.schema import Content, Touch, Workspace
from tests.factories import store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def workspace_row(**changes: object) -> dict[str, object]:
    row = {"workspace_id": "acme", "name": "Acme", "industry": "saas", "size": "smb", "timezone": "UTC"}
    return row | {"organisation_id": None, "shares_insights": True, "run_id": "r1"} | changes


def test_writing_twice_is_one_row(warehouse: Warehouse) -> None:
    for name in ("Acme", "Acme Inc"):
        with warehouse.begin() as connection:
            warehouse.upsert(connection, Workspace, [workspace_row(name=name)])
    assert [row["name"] for row in warehouse.rows(select(Workspace.name))] == ["Acme Inc"]


def test_existing_rows_can_be_left_alone(warehouse: Warehouse) -> None:
    for name in ("Acme", "Acme Inc"):
        with warehouse.begin() as connection:
            warehouse.upsert(connection, Workspace, [workspace_row(name=name)], keep_existing=True)
    assert [row["name"] for row in warehouse.rows(select(Workspace.name))] == ["Acme"]


def test_a_write_counts_the_rows_it_touched_however_many(warehouse: Warehouse) -> None:
    def write(numbers: range, *, keep_existing: bool) -> int:
        rows = [workspace_row(workspace_id=f"w{i}", name=f"from {numbers.start}") for i in numbers]
        with warehouse.begin() as connection:
            return warehouse.upsert(connection, Workspace, rows, keep_existing=keep_existing)

    assert write(range(1_200), keep_existing=False) == 1_200
    assert write(range(600, 1_500), keep_existing=True) == 300
    assert write(range(600, 1_500), keep_existing=False) == 900
    assert write(range(0), keep_existing=False) == 0
    names = [row["name"] for row in warehouse.rows(select(Workspace.name))]
    assert (names.count("from 0"), names.count("from 600")) == (600, 900)


def test_rows_of_one_write_have_the_same_columns(warehouse: Warehouse) -> None:
    short = {key: value for key, value in workspace_row(workspace_id="b").items() if key != "name"}
    for rows in ([workspace_row(), short], [short, workspace_row()]):
        with pytest.raises(AssertionError, match="same columns"), warehouse.begin() as connection:
            warehouse.upsert(connection, Workspace, rows)


def test_arrow_reads_have_the_schema_s_types_and_bound_parameters(warehouse: Warehouse) -> None:
    rows = [
        {
            "workspace_id": "acme",
            "touch_id": f"t{i}",
            "occurred_at": NOON + timedelta(hours=i, microseconds=i),
        }
        | {
            "channel": "o'brien",
            "content_id": None if i < 2000 else "c",
            "converted": i % 2 == 0,
            "run_id": "r1",
        }
        | {"attributes": {"i": i}}
        for i in range(3000)
    ]
    with warehouse.begin() as connection:
        warehouse.upsert(connection, Touch, rows)
    statement = (
        select(Touch.touch_id, Touch.occurred_at, Touch.converted, Touch.content_id)
        .where(Touch.occurred_at >= NOON, Touch.channel == "o'brien", Touch.workspace_id.in_(["acme", "b"]))
        .order_by(Touch.occurred_at)
    )
    frame = warehouse.read(statement)
    text, instant = pl.String, pl.Datetime("us", "UTC")
    assert frame.schema == {"touch_id": text, "occurred_at": instant, "converted": pl.Boolean, "content_id": text}
    assert frame.height == 3000
    assert frame["occurred_at"][1] == NOON + timedelta(hours=1, microseconds=1)
    assert frame["content_id"].null_count() == 2000


def test_empty_arrow_read_keeps_types(warehouse: Warehouse) -> None:
    frame = warehouse.read(select(Content.published_at, Content.impressions, Content.title))
    assert frame.schema == {
        "published_at": pl.Datetime("us", "UTC"),
        "impressions": pl.Int64,
        "title": pl.String,
    }


def test_instants_are_utc_and_never_naive(warehouse: Warehouse) -> None:
    tokyo = datetime(2026, 3, 1, 21, tzinfo=timezone(timedelta(hours=9)))
    row = {"workspace_id": "acme", "touch_id": "t", "channel": "x", "converted": True, "run_id": "r"}
    with warehouse.begin() as connection:
        warehouse.upsert(connection, Touch, [row | {"occurred_at": tokyo}])
    assert warehouse.rows(select(Touch.occurred_at))[0]["occurred_at"] == NOON
    with pytest.raises(Exception, match="naive datetime"), warehouse.begin() as connection:
        warehouse.upsert(connection, Touch, [row | {"occurred_at": NOON.replace(tzinfo=None)}])


def test_a_failed_transaction_writes_nothing(warehouse: Warehouse) -> None:
    with pytest.raises(RuntimeError), warehouse.begin() as connection:
        warehouse.upsert(connection, Workspace, [workspace_row()])
        raise RuntimeError
    assert warehouse.rows(select(Workspace)) == []


def test_an_empty_embedded_warehouse_creates_itself_and_an_old_one_names_the_command(
    sqlite_warehouse: Warehouse,
) -> None:
    open_warehouse(Warehouse())
    with sqlite_warehouse.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002_model_rollout'")
    with pytest.raises(SchemaOutdatedError, match="raptorflow init"):
        open_warehouse(sqlite_warehouse)


def test_upgrading_twice_changes_nothing(warehouse: Warehouse) -> None:
    assert upgrade(warehouse) == upgrade(warehouse)


def test_unreachable_database_is_one_line_without_the_password() -> None:
    absent = Warehouse("postgresql+psycopg://u:secret@127.0.0.1:1/none")
    with pytest.raises(WarehouseUnreachableError) as caught:
        open_warehouse(absent)
    assert "secret" not in str(caught.value)
    assert "RAPTORFLOW_DATABASE_URL" in str(caught.value)


def test_a_writer_keeps_its_connection_and_each_transaction_stays_one(warehouse: Warehouse) -> None:
    seen: list[object] = []
    with warehouse.one_connection():
        for name in ("first", "second"):
            with warehouse.begin() as connection:
                seen.append(connection.connection.dbapi_connection)
                warehouse.upsert(connection, Workspace, [workspace_row(workspace_id=name)])
        with pytest.raises(ZeroDivisionError), warehouse.begin() as connection:
            warehouse.upsert(connection, Workspace, [workspace_row(workspace_id="third")])
            1 / 0  # noqa: B018
        with ThreadPoolExecutor(1) as pool:
            pool.submit(store, warehouse, Workspace, [workspace_row(workspace_id="of another thread")]).result()
    assert seen[0] is seen[1]
    if warehouse.is_sqlite:
        with warehouse.begin() as connection:
            assert connection.connection.dbapi_connection is not seen[0]
    names = {row["workspace_id"] for row in warehouse.rows(select(Workspace.workspace_id))}
    assert names == {"first", "second", "of another thread"}


def test_what_a_thread_asks_meanwhile_shares_its_connection_and_never_a_transaction(warehouse: Warehouse) -> None:
    question = select(Workspace.workspace_id)
    with warehouse.one_connection():
        with warehouse.begin() as writing:
            warehouse.upsert(writing, Workspace, [workspace_row()])
            used = writing.connection.dbapi_connection
            assert warehouse.rows(question) == [], "what is asked meanwhile has a transaction of its own"
        with warehouse.connect() as first:
            assert first.connection.dbapi_connection is used
            with warehouse.connect() as second, warehouse.begin() as third:
                others = {id(one.connection.dbapi_connection) for one in (second, third)}
                assert len(others | {id(used)}) == 3
            assert len(first.execute(question).all()) == 1
        with pytest.raises(ZeroDivisionError), warehouse.connect() as broken:
            broken.execute(question)
            1 / 0  # noqa: B018
        store(warehouse, Workspace, [workspace_row(workspace_id="another")])
        assert len(warehouse.rows(question)) == 2


def test_reading_over_a_shared_connection_takes_no_write_lock(sqlite_warehouse: Warehouse) -> None:
    with sqlite_warehouse.one_connection():
        store(sqlite_warehouse, Workspace, [workspace_row()])
        with sqlite_warehouse.connect() as reading, ThreadPoolExecutor(1) as pool:
            reading.execute(select(Workspace.workspace_id)).all()
            other = Warehouse(sqlite_warehouse.url, patience=1.0)
            pool.submit(store, other, Workspace, [workspace_row(workspace_id="another")]).result(timeout=20)


def test_a_writer_that_does_not_wait_is_told_at_once_and_writes_later(sqlite_warehouse: Warehouse) -> None:
    with sqlite_warehouse.impatient_connection(), ThreadPoolExecutor(1) as pool:
        with ExitStack() as other:
            pool.submit(other.enter_context, sqlite_warehouse.begin()).result()
            with pytest.raises(OperationalError, match="locked"), sqlite_warehouse.begin():
                pass
            pool.submit(other.close).result()
        with sqlite_warehouse.begin() as connection:
            sqlite_warehouse.upsert(connection, Workspace, [workspace_row()])
    assert len(sqlite_warehouse.rows(select(Workspace.workspace_id))) == 1


def test_a_log_is_copied_back_beside_who_writes(sqlite_warehouse: Warehouse) -> None:
    file = Path(str(sqlite_warehouse.engine.url.database))
    with sqlite_warehouse.impatient_connection():
        with sqlite_warehouse.begin() as connection:
            rows = [workspace_row(workspace_id=f"w{k}", name="a name " * 50) for k in range(200)]
            sqlite_warehouse.upsert(connection, Workspace, rows)
        before = file.stat().st_size
        with ThreadPoolExecutor(1) as pool, sqlite_warehouse.begin():
            pool.submit(sqlite_warehouse.copy_log_back).result(timeout=20)
        assert file.stat().st_size > before


@pytest.mark.postgres
def test_a_writers_connection_that_was_cut_is_made_anew(postgres_warehouse: Warehouse) -> None:
    with postgres_warehouse.one_connection():
        with postgres_warehouse.begin() as connection:
            session = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_end_session, postgres_warehouse, session).result()
        with (
            pytest.raises(WarehouseCutError, match="was cut"),
            postgres_warehouse.begin() as connection,
        ):
            connection.exec_driver_sql("SELECT 1")
        with postgres_warehouse.begin() as connection:
            postgres_warehouse.upsert(connection, Workspace, [workspace_row()])
    assert len(postgres_warehouse.rows(select(Workspace.workspace_id))) == 1


def _end_session(warehouse: Warehouse, session: Any) -> None:
    with warehouse.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({session})")
