"""Whoever opens the warehouse's file with `sqlite3` in the same process breaks nothing: a notebook does just that."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, nullcontext
from pathlib import Path
from threading import Event, Thread

import polars as pl
import pytest
from sqlalchemy import func, select

from tasks.warehouse import Warehouse, extraction, sqlite_process
from tasks.warehouse.arrow import Reader
from tasks.warehouse.extraction import extract_content
from tasks.warehouse.frames import content_frame
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.schema import Content, Workspace
from tasks.warehouse.sqlite_process import SqliteProcess
from tests.factories import content_row, store, store_content, workspace_row

HEADER = "workspace_id,content_id,content_type,channel,published_at,body\n"
NOTES = 40
EVERYTHING = select(Content.__table__)


def visitor(path: str, stop: Event, written: list[int], problems: list[str]) -> None:
    """Reads the warehouse and writes into a table of its own, each time on a connection that it opens and closes."""
    try:
        while not stop.is_set() or len(written) < NOTES:
            with closing(sqlite3.connect(path, timeout=60)) as connection, connection:
                connection.execute("SELECT count(*) FROM content").fetchall()
                connection.execute("INSERT INTO note VALUES (?)", (len(written),))
            written.append(len(written))
            stop.wait(0.005)
    except sqlite3.Error as error:
        problems.append(str(error))


def database(warehouse: Warehouse) -> str:
    return str(warehouse.engine.url.database)


@pytest.mark.parametrize("many_rows", [1, 1_000_000])
def test_a_visitor_reads_and_writes_beside_ingestion_and_extraction(
    many_rows: int, sqlite_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "MANY_ROWS", many_rows)
    store(sqlite_warehouse, Workspace, [workspace_row()])
    path = database(sqlite_warehouse)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE note (number INTEGER)")
    stop, written, problems = Event(), list[int](), list[str]()
    thread = Thread(target=visitor, args=(path, stop, written, problems))
    thread.start()
    try:
        for turn in range(5):
            lines = [f"acme,c{turn}-{i},social,x,2026-03-01T10:00:00Z,bread {i}" for i in range(50)]
            (tmp_path / "rows.csv").write_text(HEADER + "\n".join(lines) + "\n")
            assert ingest("content", [tmp_path / "rows.csv"], warehouse=sqlite_warehouse).written == 50
            assert extract_content(sqlite_warehouse, ["acme"], tmp_path / "snapshots").rows == 50 * (turn + 1)
            assert content_frame(sqlite_warehouse, "acme").height == 50 * (turn + 1)
    finally:
        stop.set()
        thread.join(timeout=60)
    assert problems == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert [row[0] for row in connection.execute("SELECT number FROM note ORDER BY number")] == written
    count = select(func.count().label("n")).select_from(Content.__table__)
    assert sqlite_warehouse.rows(count) == [{"n": 250}]


@pytest.mark.parametrize("keep", [False, True])
def test_threads_that_read_and_write_at_once_lose_nothing(sqlite_warehouse: Warehouse, keep: bool) -> None:
    store_content(sqlite_warehouse, [content_row(0)])

    def work(part: int) -> None:
        for i in range(10):
            with sqlite_warehouse.kept_open() if keep else nullcontext():
                store_content(sqlite_warehouse, [content_row(1 + part * 10 + i)])
            content_frame(sqlite_warehouse, "acme")

    threads = [Thread(target=work, args=(part,)) for part in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    count = select(func.count().label("n")).select_from(Content.__table__)
    assert sqlite_warehouse.rows(count) == [{"n": 31}]
    assert len(content_frame(sqlite_warehouse, "acme")) == 31


def test_a_file_kept_open_keeps_its_log_until_the_end(sqlite_warehouse: Warehouse) -> None:
    log = Path(f"{database(sqlite_warehouse)}-wal")
    store_content(sqlite_warehouse, [content_row(0)])
    assert not log.exists(), "the last connection takes the log with it"
    with sqlite_warehouse.kept_open():
        store_content(sqlite_warehouse, [content_row(i) for i in range(10)])
        assert len(content_frame(sqlite_warehouse, "acme")) == 10
        assert log.exists()
    assert not log.exists()


def test_a_frame_read_within_a_transaction_shows_what_stood_before_it(sqlite_warehouse: Warehouse) -> None:
    store_content(sqlite_warehouse, [content_row(0)])
    with sqlite_warehouse.begin() as connection:
        connection.execute(Content.__table__.delete())
        assert len(content_frame(sqlite_warehouse, "acme")) == 1
    assert len(content_frame(sqlite_warehouse, "acme")) == 0


def test_another_process_reads_the_same_values(sqlite_warehouse: Warehouse) -> None:
    texts = ["", "nul \0 in it", "写真 🥐", 'quote " and \n line', None]
    rows = [content_row(i, body=text, conversions=i / 7, clicks=None, title=None) for i, text in enumerate(texts)]
    rows[4] |= {"conversions": None, "impressions": (1 << 53) + 1, "attributes": {"a": 0.1, "b": [1, "x"]}}
    store_content(sqlite_warehouse, rows)
    with Reader(sqlite_warehouse.url) as here, Reader(sqlite_warehouse.url, many=True) as there:
        statement = EVERYTHING.where(Content.workspace_id.in_(["acme", "other"])).order_by(Content.content_id)
        ours, theirs = here.read(statement), there.read(statement)
        nothing = EVERYTHING.where(Content.workspace_id == "nobody's")
        assert here.read(nothing).schema == there.read(nothing).schema == ours.schema
    assert ours.equals(theirs)
    assert ours["body"].to_list() == texts
    assert ours["conversions"].to_list() == [0.0, 1 / 7, 2 / 7, 3 / 7, None]
    assert ours["impressions"][4] == (1 << 53) + 1


def test_a_value_of_another_type_that_somebody_wrote_is_read_or_refused_and_never_dropped(
    sqlite_warehouse: Warehouse,
) -> None:
    store_content(sqlite_warehouse, [content_row(0, clicks=7, attributes=30), content_row(1, clicks=8)])
    path = database(sqlite_warehouse)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE content SET conversions = 3, title = 12")
    frame = content_frame(sqlite_warehouse, "acme")
    assert (frame["attributes"][0], frame["title"][0], frame["conversions"][0]) == ("30", "12", 3.0)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE content SET clicks = 'many' WHERE clicks = 7")
    with pytest.raises(pl.exceptions.InvalidOperationError, match="many"):
        content_frame(sqlite_warehouse, "acme")


def test_the_process_that_reads_keeps_no_file_open_is_used_again_and_replaced_once_it_died(
    sqlite_warehouse: Warehouse,
) -> None:
    path = database(sqlite_warehouse)
    for _ in range(2):
        with SqliteProcess(path) as process:
            assert process.fetch("SELECT ? AS answer", ["yes"]).to_pydict() == {"answer": ["yes"]}
            with pytest.raises(sqlite3.OperationalError, match="no such table: nope"):
                process.fetch("SELECT * FROM nope", [])
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                process.fetch("DELETE FROM content", [])
    (waiting,) = sqlite_process._waiting
    files = [str(file.readlink()) for file in Path(f"/proc/{waiting.pid}/fd").iterdir()]
    assert not [file for file in files if file.startswith(path)]
    with SqliteProcess(path) as process:
        assert process._process is waiting
        waiting.kill()
        waiting.wait()
        with pytest.raises(sqlite3.OperationalError, match="has ended"):
            process.fetch("SELECT 1", [])
    with SqliteProcess(path) as process:
        assert process.fetch("SELECT 1 AS one", []).num_rows == 1
    with pytest.raises(sqlite3.OperationalError, match="failed to open"), SqliteProcess(f"{path}/nowhere/x.db"):
        pass


def test_a_fork_leaves_the_process_that_reads_to_its_parent(sqlite_warehouse: Warehouse) -> None:
    path = database(sqlite_warehouse)
    with SqliteProcess(path) as process:
        process.fetch("SELECT 1", [])
    child = os.fork()
    if child == 0:
        os._exit(0 if sqlite_process._waiting == [] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with SqliteProcess(path) as process:
        frame = pl.DataFrame(pl.from_arrow(process.fetch("SELECT 1 AS one", [])))
    assert frame.item() == 1
