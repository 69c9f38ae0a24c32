"""No instant that a calendar cannot hold gets in, and one that an older version let in harms nobody but its owner."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from sqlalchemy import text

from tasks.errors import InputError
from tasks.settings import get_settings
from tasks.warehouse import Warehouse, steps
from tasks.warehouse.extraction import extract_content
from tasks.warehouse.frames import content_frame, newest_instant
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.outcomes import outcomes_of
from tasks.warehouse.schema import Workspace
from tasks.warehouse.snapshots import ChunkSnapshot
from tests.factories import START, content_row, store, store_content, workspace_row

CONTENT = {"workspace_id": "acme", "content_type": "social", "channel": "x"}
LARGEST, SMALLEST = 2**63 - 1, -(2**63)
YEAR_56471 = 1_719_900_000_000 * 1_000_000


def content_ids(warehouse: Warehouse) -> list[str]:
    return content_frame(warehouse, "acme")["content_id"].to_list()


@pytest.fixture
def acme(warehouse: Warehouse) -> Warehouse:
    store(warehouse, Workspace, [workspace_row()])
    return warehouse


def test_epoch_milliseconds_read_as_seconds_are_refused(acme: Warehouse, shared_cases: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "ep.yaml"
    mapping.write_text("""
        timezone: UTC
        datetime_format: "%s"
        columns: {workspace_id: {constant: acme}, content_id: Clicks, content_type: {constant: social},
                  channel: Channel, published_at: Date}
        ignore: all
    """)
    with pytest.raises(InputError) as caught:
        ingest("content", [shared_cases / "faults" / "ep.csv"], mapping=mapping, warehouse=acme)
    assert "6 of 6 rows were rejected, more than a fifth, so nothing was written" in str(caught.value)
    assert "'published_at' (6 rows), first row 1: more than a day in the future, expected" in str(caught.value)
    assert "not '1719900000000'" in str(caught.value)
    assert content_ids(acme) == []


TYPES = [pa.timestamp(unit, zone) for unit in ("ms", "us", "ns") for zone in (None, "UTC")]


def extremes_of(dtype: Any) -> tuple[Any, int]:
    """The extremes of a type of instants, then four times as many nulls; and how many extremes there are."""
    numbers = [2**31 - 1, -(2**31)] if dtype == pa.date32() else [LARGEST, SMALLEST, LARGEST - 1, SMALLEST + 1]
    width = pa.int32() if dtype == pa.date32() else pa.int64()
    return pa.array([*numbers, *[None] * 4 * len(numbers)], width).cast(dtype), len(numbers)


@pytest.mark.parametrize("column", ["published_at", "measured_at", "note", "nested"])
def test_no_extreme_of_parquet_gets_in_or_panics(
    acme: Warehouse, tmp_path: Path, column: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.yaml").write_text("timezone: UTC")
    stored = 0
    for dtype in [*TYPES, pa.date32()]:
        values, extremes = extremes_of(dtype)
        rows = [CONTENT | {"content_id": f"{dtype} {i}", "published_at": START} for i in range(len(values))]
        table = pl.DataFrame(rows).to_arrow()
        if column == "published_at":
            table = table.drop_columns(column)
            values = pa.compute.fill_null(
                values, pa.scalar(START if dtype != pa.date32() else START.date()).cast(dtype)
            )
        elif column == "nested":
            values = pa.ListArray.from_arrays(list(range(len(values) + 1)), values)
        pyarrow.parquet.write_table(table.append_column(column, values), tmp_path / "rows.parquet")
        report = ingest("content", [tmp_path / "rows.parquet"], mapping=tmp_path / "m.yaml", warehouse=acme)
        refused = extremes if column in ("published_at", "measured_at") else 0
        stored += len(rows) - refused
        assert (report.read, report.rejected) == (len(rows), refused)
        assert (report.written, report.unchanged) == (len(rows) - refused, 0)
    kept = content_frame(acme, "acme")
    assert kept.height == stored
    kept.rows()  # Python can hold all of it
    assert "panicked" not in capfd.readouterr().err


def test_the_rejects_file_says_what_stood_there(acme: Warehouse, tmp_path: Path) -> None:
    instants = pa.array([LARGEST, SMALLEST, YEAR_56471, *[int(START.timestamp()) * 10**6] * 17]).cast(
        pa.timestamp("us", "UTC")
    )
    rows = pl.DataFrame([CONTENT | {"content_id": f"c{i}"} for i in range(20)]).to_arrow()
    pyarrow.parquet.write_table(rows.append_column("published_at", instants), tmp_path / "rows.parquet")
    report = ingest("content", [tmp_path / "rows.parquet"], warehouse=acme)
    assert report.rejects_path is not None
    rejects = pl.read_csv(report.rejects_path)
    assert rejects["row"].to_list() == [1, 2, 3]
    assert rejects["value"].to_list()[:2] == ["after the year 9999", "before the year 1"]
    assert [reason.split(",")[0] for reason in rejects["reason"]] == [
        "more than a day in the future",
        "before 1990",
        "more than a day in the future",
    ]


def test_a_far_measured_at_rejects_its_row_and_counts_add_up(acme: Warehouse, tmp_path: Path) -> None:
    rows = [CONTENT | {"content_id": f"c{i}", "published_at": str(START), "measured_at": None} for i in range(10)]
    rows[4]["measured_at"] = "+56471-06-18 00:00:00Z"
    rows[5]["measured_at"] = "9999-12-31T00:00:00Z"
    pl.DataFrame(rows, infer_schema_length=None).write_csv(tmp_path / "rows.csv")
    report = ingest("content", [tmp_path / "rows.csv"], warehouse=acme)
    assert (report.read, report.written, report.unchanged, report.rejected) == (10, 8, 0, 2)
    assert "c4" not in content_ids(acme)


def test_an_id_read_as_a_count_is_refused(acme: Warehouse, tmp_path: Path) -> None:
    rows = [CONTENT | {"content_id": f"c{i}", "published_at": str(START), "clicks": 1} for i in range(10)]
    rows[3]["clicks"] = 1_792_839_281_728_394_000
    pl.DataFrame(rows).write_csv(tmp_path / "rows.csv")
    assert ingest("content", [tmp_path / "rows.csv"], warehouse=acme).reasons == {
        "clicks: more than 10^15, expected a count (this looks like an id)": 1
    }


# ── warehouses that hold such rows already ───────────────────────────────────────────────────────────────────────────
@pytest.fixture
def tainted(warehouse: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """Two workspaces; 'acme' holds a post of the year 56471, one measured then, and two counts that overflow."""
    rows = [content_row(i, workspace_id=name) for name in ("acme", "zeta") for i in range(40)]
    rows += [content_row(i, impressions=LARGEST) for i in (50, 51)]
    store_content(warehouse, rows)
    year = "'+56471-06-18 00:00:00.000000'" if warehouse.is_sqlite else "to_timestamp(1719900000000)"
    with warehouse.begin() as connection:
        for column, content_id in (("published_at", "c0"), ("measured_at", "c1")):
            where = f"WHERE workspace_id = 'acme' AND content_id = '{content_id}'"
            connection.execute(text(f"UPDATE content SET {column} = {year} {where}"))
    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", warehouse.url)
    get_settings.cache_clear()
    yield warehouse
    get_settings.cache_clear()


def test_rows_no_calendar_holds_are_left_out_wherever_rows_are_read(tainted: Warehouse, tmp_path: Path) -> None:
    assert newest_instant(tainted, ["acme"]) == content_row(51)["published_at"]
    frame = content_frame(tainted, "acme")
    assert (frame.height, frame["measured_at"].null_count()) == (41, 41)
    for _ in range(2):
        snapshot = extract_content(tainted, ["acme", "zeta"], tmp_path)
        assert snapshot.rows == 81
        assert snapshot.window[1].year == 2026
    assert len(list(tmp_path.glob("content-*.parquet"))) == 1


def test_a_night_survives_them(tainted: Warehouse) -> None:
    from tasks.patterns.steps import learn_patterns

    chunks, window = steps.plan_chunks.fn([], 100, 365, None)
    assert window[1].year == 2026
    for _ in range(2):
        chunk = steps.extract_chunk.fn(chunks[0], window, "night")
        outcomes = learn_patterns.fn(chunk, [], "night")
        assert [(o.workspace_id, o.status in ("done", "skipped")) for o in outcomes] == [("acme", True), ("zeta", True)]


def test_a_workspace_whose_rows_cannot_be_read_fails_alone(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_content(sqlite_warehouse, [content_row(i, workspace_id=name) for name in ("acme", "zeta") for i in range(9)])
    with sqlite_warehouse.begin() as connection:  # SQLite stores whatever it is given
        connection.execute(text("UPDATE content SET impressions = 'many' WHERE workspace_id = 'acme'"))
    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", sqlite_warehouse.url)
    get_settings.cache_clear()
    chunk = steps.extract_chunk.fn(["acme", "zeta"], (START, datetime(2027, 1, 1, tzinfo=UTC)), "night")
    assert isinstance(chunk, ChunkSnapshot)
    assert (chunk.workspace_ids, chunk.content.rows) == (["zeta"], 9)
    assert [(row["workspace_id"], row["status"]) for row in outcomes_of(sqlite_warehouse, "night")] == [
        ("acme", "failed"),
        ("zeta", "done"),
    ]


def test_dates_before_1900_are_refused(acme: Warehouse, tmp_path: Path) -> None:
    rows = [CONTENT | {"content_id": f"c{i}", "published_at": START.date()} for i in range(10)]
    rows[0]["published_at"] = date(1899, 12, 30)  # a spreadsheet's day 0
    pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "m.yaml").write_text("timezone: UTC")
    report = ingest("content", [tmp_path / "rows.parquet"], mapping=tmp_path / "m.yaml", warehouse=acme)
    assert (report.written, report.rejected) == (9, 1)
