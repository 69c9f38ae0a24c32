"""Snapshots nobody uses go, those in use stay, and a dry run only says so."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.settings import get_settings
from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.extraction import extract_content
from tasks.warehouse.pruning import prune
from tests.factories import content_row, store_content


def unused_for(path: Path, days: int) -> None:
    then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    os.utime(path, (then, then))


def test_a_snapshot_that_is_asked_for_again_is_in_use(home: Path) -> None:
    home.mkdir()
    warehouse, folder = Warehouse(), get_settings().snapshots
    upgrade(warehouse)
    store_content(warehouse, [content_row(hour, workspace_id=name) for name in ("a", "b") for hour in range(3)])
    used, unused = (extract_content(warehouse, [name], folder) for name in ("a", "b"))
    for taken in (used, unused):
        unused_for(taken.path, days=40)
    extract_content(warehouse, ["a"], folder)
    would_go = prune(folder, 30, dry_run=True)
    assert [(row["file"], row["deleted"]) for row in would_go] == [(unused.path.name, False)]
    assert unused.path.exists()
    assert [row["deleted"] for row in prune(folder, 30, dry_run=False)] == [True]
    assert (used.path.exists(), unused.path.exists()) == (True, False)
    assert extract_content(warehouse, ["b"], folder).sha256 == unused.sha256


def test_a_home_without_snapshots_has_nothing_to_prune(tmp_path: Path) -> None:
    assert prune(tmp_path / "absent", 30, dry_run=False) == []
