"""A capability cannot tell whether its rows came from the warehouse or from a snapshot."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select

from tasks.errors import UnknownNameError
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import content_frame, find_workspace, touch_frame
from tasks.warehouse.schema import Content
from tasks.warehouse.snapshots import Snapshot
from tests.factories import START, content_row, store_content, store_touches, touch_row


def test_snapshot_and_warehouse_give_the_same_frame(warehouse: Warehouse, tmp_path: Path) -> None:
    rows = [content_row(i, attributes={"a": i}, content_type="social" if i % 2 else "blog") for i in range(40)]
    store_content(warehouse, [*rows, content_row(1, workspace_id="other")])
    warehouse.read(select(Content.__table__)).reverse().write_parquet(tmp_path / "s.parquet")
    snapshot = Snapshot(tmp_path / "s.parquet", 41, "", (START, START + timedelta(days=9)))
    window = {"since": START + timedelta(hours=3), "until": START + timedelta(hours=9)}
    for source in (warehouse, snapshot):
        frame = content_frame(source, "acme", content_type="social", **window)
        assert frame["content_id"].to_list() == ["c3", "c5", "c7"]
    both = [content_frame(source, "acme") for source in (warehouse, snapshot)]
    assert both[0].equals(both[1])


def test_touches_come_in_time_order(warehouse: Warehouse) -> None:
    store_touches(warehouse, [touch_row(i) for i in (2, 0, 1)])
    frame = touch_frame(warehouse, "acme")
    assert frame["touch_id"].to_list() == ["t0", "t1", "t2"]
    assert frame.schema["converted"] == pl.Boolean


def test_unknown_workspace_names_no_other(warehouse: Warehouse) -> None:
    store_content(warehouse, [content_row()])
    with pytest.raises(UnknownNameError, match="unknown workspace 'acne'") as caught:
        find_workspace(warehouse, "acne")
    assert "acme" not in str(caught.value)
