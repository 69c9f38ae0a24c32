"""However long a file is, a few batches of it are in memory: readers do not run ahead, comparing goes by parts."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select

from tasks.warehouse import Warehouse, batches, spill
from tasks.warehouse.batches import ROW
from tasks.warehouse.errors import DailyBreakdownError
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.reading.containers import containers
from tasks.warehouse.reading.header import Heads, find_header
from tasks.warehouse.reading.text_rows import head_of, read_text
from tasks.warehouse.schema import Content, Workspace
from tasks.warehouse.sources import open_source
from tasks.warehouse.spill import Partitions, RowSet
from tests.factories import store, workspace_row

HEADER = "workspace_id,content_id,content_type,channel,published_at,impressions,measured_at,body\n"


def post(key: int, impressions: int, day: int, body: str = "bread") -> str:
    at = "2026-03-01T10:00:00Z"
    return f"acme,c{key},social,x,{at},{impressions},2026-04-{day:02}T00:00:00Z,{body}\n"


class Counted(io.FileIO):
    """A file that says how far it was read."""

    furthest = 0

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(-1 if size is None else size) or b""
        Counted.furthest = max(Counted.furthest, self.tell())
        return content


def test_a_reader_of_text_does_not_run_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_BYTES", 50_000)
    path = tmp_path / "long.csv"
    path.write_text(HEADER + "".join(post(i, i, 1) for i in range(30_000)))
    table = containers(path)[0]
    header = find_header(Heads.of(head_of(table)), [], {}, 0, search=False)
    Counted.furthest = 0
    table = replace(table, opener=lambda: Counted(path))
    rows = 0
    for batch in read_text(table, header, drop_totals=False):
        rows += batch.rows.height
        assert Counted.furthest <= rows * len(post(10_000, 10_000, 1)) + 2 * batches.BATCH_BYTES
    assert rows == 30_000
    assert path.stat().st_size > 30 * batches.BATCH_BYTES


@pytest.mark.parametrize("size", [60, 131, 1_000, 1 << 20])
def test_wherever_a_text_is_cut_its_rows_are_the_same(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_BYTES", size)
    path = tmp_path / "cut.csv"
    lines = ['1,"a\nb ""c"" d",x', '2,"",y', '3,5" inch,z', "4,too,many,values", '5,"e\n\n#f,\ng",u', "", '6,"é,",v']
    path.write_text("id,text,more\n" + "\n".join(lines * 40) + "\n")
    source = open_source(path)
    read = list(source.batches)
    rows = pl.concat(batch.rows for batch in read)
    right = [
        ("1", 'a\nb "c" d', "x"),
        ("2", None, "y"),
        ("3", '5" inch', "z"),
        ("5", "e\n\n#f,\ng", "u"),
        ("6", "é,", "v"),
    ]
    assert rows.drop(ROW).rows() == right * 40
    broken = [line.row for batch in read for line in batch.broken]
    assert broken == [6 * turn + 4 for turn in range(40)]
    assert rows[ROW].to_list() == [6 * turn + place for turn in range(40) for place in (1, 2, 3, 5, 6)]


@pytest.mark.parametrize("rows_at_a_time", [7, 50_000])
def test_rows_of_a_file_are_compared_alike_in_parts_and_at_once(
    rows_at_a_time: int, sqlite_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill, "ROWS_AT_A_TIME", rows_at_a_time)
    monkeypatch.setattr(batches, "BATCH_BYTES", 3_000)
    store(sqlite_warehouse, Workspace, [workspace_row()])
    path = tmp_path / "history.csv"
    lines = [post(key, 10 * day + key, day) for day in range(1, 6) for key in range(60)]
    path.write_text(HEADER + "".join(lines) + post(3, 7, 5) + post(4, 8, 5))
    report = ingest("content", [path], warehouse=sqlite_warehouse)
    assert (report.read, report.written, report.rejected, report.unchanged) == (302, 60, 2, 240)
    assert report.rejects_path is not None
    assert pl.read_csv(report.rejects_path)["row"].to_list() == [244, 245]
    found = {row["content_id"]: row["impressions"] for row in sqlite_warehouse.rows(select(Content.__table__))}
    assert found == {f"c{key}": {3: 7, 4: 8}.get(key, 50 + key) for key in range(60)}


@pytest.mark.parametrize("rows_at_a_time", [7, 50_000])
def test_a_daily_breakdown_is_told_and_summed_in_parts_and_at_once(
    rows_at_a_time: int, sqlite_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill, "ROWS_AT_A_TIME", rows_at_a_time)
    monkeypatch.setattr(batches, "BATCH_BYTES", 3_000)
    store(sqlite_warehouse, Workspace, [workspace_row()])
    path, mapping = tmp_path / "daily.csv", tmp_path / "daily.yaml"
    path.write_text(HEADER + "".join(post(key, 100 - day * key % 17, day) for day in range(1, 8) for key in range(40)))
    with pytest.raises(DailyBreakdownError, match="is a daily breakdown"):
        ingest("content", [path], warehouse=sqlite_warehouse)
    mapping.write_text("grain: day\n")
    report = ingest("content", [path], mapping=mapping, warehouse=sqlite_warehouse)
    assert (report.read, report.written) == (40, 40)
    found = {row["content_id"]: row["impressions"] for row in sqlite_warehouse.rows(select(Content.__table__))}
    assert found == {f"c{key}": sum(100 - day * key % 17 for day in range(1, 8)) for key in range(40)}


def test_rows_put_aside_by_key_come_back_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "ROWS_AT_A_TIME", 100)
    with Partitions(tmp_path) as parts:
        for start in range(0, 3_000, 30):
            numbers: Any = range(start, start + 30)
            parts.add(pl.DataFrame({"n": numbers, "key": [n % 71 for n in numbers]}), pl.col("key").hash())
        groups = list(parts.groups())
    assert len(groups) > 10
    assert sorted(n for group in groups for n in group["n"]) == list(range(3_000))
    assert sum(group["key"].n_unique() for group in groups) == 71


def test_a_set_of_rows_holds_what_was_added() -> None:
    rows = RowSet()
    assert rows.holds(pl.Series([0, 5, 10**6])).to_list() == [False, False, False]
    for part in ([1, 8, 9], [], [70_000, 9], [3]):
        rows.add(pl.Series(part, dtype=pl.Int64))
    assert len(rows) == 5
    assert rows.holds(pl.Series([0, 1, 3, 7, 8, 9, 69_999, 70_000, 10**9])).to_list() == [
        False, True, True, False, True, True, False, True, False,
    ]  # fmt: skip
