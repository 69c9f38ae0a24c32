"""A snapshot holds the rows of one moment, says so, and is taken again only when they changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet
import pytest
from sqlalchemy import select, update

from tasks.errors import OutOfRangeError, UnknownNameError
from tasks.warehouse import Warehouse, extraction, snapshot_files, windows
from tasks.warehouse.extraction import extract_content, extract_touches, workspace_chunks
from tasks.warehouse.frames import content_frame, touch_frame
from tasks.warehouse.schema import Content
from tests.factories import START, content_row, store, store_content, store_touches, touch_row, workspace_row

IDS = ["acme", "Zeta", "ärger"]


def rows(count: int = 30, **changes: Any) -> list[dict[str, Any]]:
    return [
        content_row(i, workspace_id=IDS[i % 3], attributes={"i": i}, title=None if i % 4 else f"tïtle {i}", **changes)
        for i in range(count)
    ]


def test_snapshot_holds_the_warehouse_s_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    store_content(warehouse, rows())
    store_touches(warehouse, [touch_row(i) for i in range(5)])
    snapshot = extract_content(warehouse, IDS, tmp_path)
    assert (snapshot.rows, snapshot.window) == (30, (START, START + timedelta(hours=29, microseconds=1)))
    for workspace_id in IDS:
        assert content_frame(snapshot, workspace_id).equals(content_frame(warehouse, workspace_id))
    touches = extract_touches(warehouse, ["acme"], tmp_path)
    assert touch_frame(touches, "acme").equals(touch_frame(warehouse, "acme"))


def test_window_is_half_open(warehouse: Warehouse, tmp_path: Path) -> None:
    store_content(warehouse, rows())
    since, until = START + timedelta(hours=3), START + timedelta(hours=9)
    snapshot = extract_content(warehouse, IDS, tmp_path, since=since, until=until)
    assert snapshot.window == (since, until)
    assert snapshot.scan().collect()["published_at"].sort().to_list() == [
        START + timedelta(hours=i) for i in range(3, 9)
    ]


def test_no_rows_are_a_snapshot_of_no_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    store(warehouse, extraction.Workspace, [workspace_row()])
    snapshot = extract_content(warehouse, ["acme"], tmp_path)
    assert (snapshot.rows, content_frame(snapshot, "acme").height) == (0, 0)
    assert content_frame(snapshot, "acme").schema == content_frame(warehouse, "acme").schema


def test_equal_rows_have_equal_hashes_whatever_the_database_the_slices_or_the_run(
    sqlite_warehouse: Warehouse, postgres_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_content(sqlite_warehouse, rows())
    store_content(postgres_warehouse, list(reversed(rows(run_id="another"))))
    one = extract_content(sqlite_warehouse, IDS, tmp_path / "a")
    for module in (windows, extraction):
        monkeypatch.setattr(module, "SLICE_ROWS", 4)
    two = extract_content(postgres_warehouse, list(reversed(IDS)), tmp_path / "b")
    assert one.sha256 == two.sha256
    assert one.path.name == two.path.name
    assert pyarrow.parquet.read_metadata(two.path).num_row_groups > 5
    assert one.scan().drop("run_id").collect().equals(two.scan().drop("run_id").collect())


@pytest.mark.parametrize(
    "changes", [{"body": "another"}, {"title": ""}, {"engagements": None}, {"readability": 1.5}, {"attributes": {}}]
)
def test_any_other_value_is_another_hash(sqlite_warehouse: Warehouse, tmp_path: Path, changes: dict[str, Any]) -> None:
    store_content(sqlite_warehouse, [content_row(i) for i in range(3)])
    before = extract_content(sqlite_warehouse, ["acme"], tmp_path / "a")
    store_content(sqlite_warehouse, [content_row(1, **changes)])
    assert extract_content(sqlite_warehouse, ["acme"], tmp_path / "b").sha256 != before.sha256


def test_rows_are_in_order_also_where_an_index_gives_them_almost_so(
    sqlite_warehouse: Warehouse, tmp_path: Path
) -> None:
    """Posts of one instant come as they were written: only their ids say which is first."""
    together = [content_row(i, published_at=START) for i in (3, 1, 2)]
    store_content(sqlite_warehouse, [*together, content_row(4), content_row(5)])
    ids = extract_content(sqlite_warehouse, ["acme"], tmp_path).scan().collect()["content_id"].to_list()
    assert ids == ["c1", "c2", "c3", "c4", "c5"]


def test_unchanged_rows_are_not_written_again_and_changed_rows_leave_the_old_file_alone(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    store_content(warehouse, rows())
    first = extract_content(warehouse, IDS, tmp_path)
    written = first.path.stat().st_mtime_ns
    assert extract_content(warehouse, IDS, tmp_path) == first
    assert first.path.stat().st_mtime_ns == written
    with warehouse.begin() as connection:
        connection.execute(update(Content).where(Content.content_id == "c7").values(run_id="later", body="a new body"))
    second = extract_content(warehouse, IDS, tmp_path)
    assert second.path != first.path
    assert "a new body" in second.scan().collect()["body"].to_list()
    assert first.scan().collect().height == 30


def test_an_interrupted_write_leaves_no_file(
    sqlite_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_content(sqlite_warehouse, rows())
    monkeypatch.setattr(snapshot_files.RowHash, "hexdigest", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        extract_content(sqlite_warehouse, IDS, tmp_path)
    assert list(tmp_path.glob("**/*.parquet")) == []
    assert list(tmp_path.glob(".*.part")) == []


def test_hash_of_rows_is_the_same_where_their_texts_lie_in_arrow_already() -> None:
    """Whole, in parts, and with texts missing: files of older versions are named for the same hash."""
    texts = ["", "é", "three", "🚀 four"] * 5
    frame = pl.DataFrame({"a": texts, "b": [None, *texts[1:]], "n": list(range(20))})
    parts = pl.concat([frame[:7], frame[7:]], rechunk=False)
    hashes = set()
    for rows in (frame, parts, frame[3:].vstack(frame[:0])):
        for same in (None, rows.to_arrow()):
            digest = snapshot_files.RowHash()
            digest.update(rows, same)
            hashes.add((rows.height, digest.hexdigest()))
    assert [height for height, _ in sorted(hashes)] == [17, 20]


def test_file_keeps_the_range_of_workspaces_and_times_and_of_no_text(
    sqlite_warehouse: Warehouse, tmp_path: Path
) -> None:
    store_content(sqlite_warehouse, rows())
    group = pyarrow.parquet.read_metadata(extract_content(sqlite_warehouse, IDS, tmp_path).path).row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert {"workspace_id", "published_at"} <= {name for name, one in columns.items() if one.is_stats_set}
    assert not columns["body"].is_stats_set


def test_what_another_one_has_just_finished_is_no_fault(sqlite_warehouse: Warehouse, tmp_path: Path) -> None:
    """Chunks write side by side: a file of another one is renamed between being listed and being looked at."""
    store_content(sqlite_warehouse, rows())
    (tmp_path / ".renamed.part").symlink_to(tmp_path / "gone")
    assert extract_content(sqlite_warehouse, IDS, tmp_path).rows == 30


def test_many_workspaces_go_into_larger_chunks_before_they_go_into_more(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(sqlite_warehouse, extraction.Workspace, [workspace_row(workspace_id=f"w{i}") for i in range(9)])
    monkeypatch.setattr(extraction, "MOST_CHUNKS", 4)
    assert [len(chunk) for chunk in workspace_chunks(sqlite_warehouse, 2)] == [3, 3, 3]
    assert [len(chunk) for chunk in workspace_chunks(sqlite_warehouse, 4)] == [4, 4, 1]


def test_chunks_hold_every_workspace_once(warehouse: Warehouse) -> None:
    store(warehouse, extraction.Workspace, [workspace_row(workspace_id=f"w{i}") for i in range(7)])
    assert workspace_chunks(warehouse, 3) == [["w0", "w1", "w2"], ["w3", "w4", "w5"], ["w6"]]
    with pytest.raises(OutOfRangeError):
        workspace_chunks(warehouse, 0)


def test_unknown_workspace_is_an_error_not_an_empty_snapshot(sqlite_warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown workspace 'nobody'"):
        extract_content(sqlite_warehouse, ["nobody"], tmp_path)


def test_rows_of_one_instant_are_never_torn_apart_or_doubled(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (windows, extraction):
        monkeypatch.setattr(module, "SLICE_ROWS", 4)
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    store_content(warehouse, [content_row(i, published_at=noon + timedelta(days=i // 6)) for i in range(21)])
    found = extract_content(warehouse, ["acme"], tmp_path).scan().collect()
    assert found.sort("content_id").equals(warehouse.read(select(Content.__table__)).sort("content_id"))


def test_chunks_of_named_workspaces(sqlite_warehouse: Warehouse) -> None:
    store(sqlite_warehouse, extraction.Workspace, [workspace_row(workspace_id=f"w{i}") for i in range(7)])
    assert workspace_chunks(sqlite_warehouse, 2, ["w5", "w1", "w3", "w1"]) == [["w1", "w3"], ["w5"]]
    with pytest.raises(UnknownNameError, match="w9"):
        workspace_chunks(sqlite_warehouse, 2, ["w1", "w9"])
