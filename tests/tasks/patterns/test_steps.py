"""The step works through a chunk: who fails is recorded, who lacks data is skipped, the rest is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from tasks.patterns import steps
from tasks.patterns.service import PatternService
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.outcomes import outcomes_of
from tasks.warehouse.schema import Content, PatternFinding
from tasks.warehouse.snapshots import ChunkSnapshot, Snapshot
from tests.factories import START, store_content
from tests.tasks.patterns.test_performance_analyzer import DAYS, posts


def _chunk(folder: Path, warehouse: Warehouse, names: list[str]) -> ChunkSnapshot:
    frame = warehouse.read(select(Content.__table__))
    frame.write_parquet(folder / "content.parquet")
    end = frame["published_at"].max()
    snapshot = Snapshot(folder / "content.parquet", len(frame), "", (START, end))  # type: ignore[arg-type]
    return ChunkSnapshot(names, snapshot, snapshot)


def test_one_failing_workspace_never_stops_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = open_warehouse()
    small = [row | {"workspace_id": "small"} for row in posts(n=60)]
    broken = [row | {"workspace_id": "broken", "engagements": -1} for row in posts(n=60)]
    store_content(warehouse, posts() + small + broken)
    chunk = _chunk(tmp_path, warehouse, ["broken", "acme", "small", "absent"])
    found = {outcome.workspace_id: outcome for outcome in steps.learn_patterns.fn(chunk, [], "night-1")}
    assert {name: outcome.status for name, outcome in found.items()} == {
        **{"broken": "failed", "acme": "done", "small": "skipped", "absent": "skipped"}
    }
    assert "'engagements'" in str(found["broken"].reason)
    assert "enough would be 200 posts" in str(found["small"].reason)
    assert {row["workspace_id"]: row["status"] for row in outcomes_of(warehouse, "night-1")}["acme"] == "done"
    assert steps.lookback_days(chunk.content) == DAYS

    rows = warehouse.rows(select(PatternFinding.__table__))
    again = steps.learn_patterns.fn(chunk, ["social"], "night-1")
    assert warehouse.rows(select(PatternFinding.__table__)) == rows
    assert [outcome.status for outcome in again] == [found[outcome.workspace_id].status for outcome in again]


def test_a_crash_in_one_workspace_is_recorded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = open_warehouse()
    store_content(warehouse, posts(n=60))

    def crash(*_args: object, **_named: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(PatternService, "analyze_patterns", crash)
    found = steps.learn_patterns.fn(_chunk(tmp_path, warehouse, ["acme"]), [], "night-2")
    assert (found[0].status, found[0].reason) == ("failed", "ZeroDivisionError: surprise")
