"""Two copies of SQLite in one process never meet in one file."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import func, select

from tasks.warehouse import Warehouse
from tasks.warehouse.frames import content_frame
from tasks.warehouse.schema import Content
from tests.factories import content_row, store_content


def test_rows_written_after_an_arrow_read_are_there_for_the_next(sqlite_warehouse: Warehouse) -> None:
    for rows in (10, 20, 30):
        store_content(sqlite_warehouse, [content_row(i) for i in range(rows)])
        assert len(content_frame(sqlite_warehouse, "acme")) == rows


def test_a_file_kept_open_keeps_its_log_until_arrow_wants_it(sqlite_warehouse: Warehouse) -> None:
    log = Path(f"{sqlite_warehouse.engine.url.database}-wal")
    store_content(sqlite_warehouse, [content_row(0)])
    assert not log.exists(), "the last connection takes the log with it"
    with sqlite_warehouse.kept_open():
        store_content(sqlite_warehouse, [content_row(i) for i in range(10)])
        assert log.exists()
        assert len(content_frame(sqlite_warehouse, "acme")) == 10
        assert not log.exists(), "nobody of the other library was left inside"
        store_content(sqlite_warehouse, [content_row(i) for i in range(20)])
    assert len(content_frame(sqlite_warehouse, "acme")) == 20


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


def test_nesting_both_says_so_instead_of_waiting_for_itself(sqlite_warehouse: Warehouse) -> None:
    with sqlite_warehouse.begin(), pytest.raises(RuntimeError, match="close the sqlite3 connection"):
        content_frame(sqlite_warehouse, "acme")
