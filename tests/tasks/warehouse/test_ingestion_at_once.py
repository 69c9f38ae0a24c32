"""Two ingestions at once end as one after the other; a killed one, run again, as if it had never been killed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import func, select

from tasks.warehouse import Warehouse, batches
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.schema import Content, Workspace
from tests.factories import store, workspace_row
from tests.subprocess_helper import ended, in_subprocess

RESULTS = [Content.content_id, Content.impressions, Content.body]


def posts(path: Path, first: int, last: int, impressions: int) -> Path:
    rows = [
        {"workspace_id": "acme", "content_id": f"c{i}", "content_type": "social", "channel": "facebook"}
        | {"published_at": "2026-03-01T12:00:00Z", "body": f"post {i} of {path.stem}", "impressions": impressions}
        for i in range(first, last)
    ]
    pl.DataFrame(rows).write_csv(path)
    return path


def take_in(url: str, path: Path) -> None:
    """Ingest a file in small batches, and leave beside it how many rows were written."""
    batches.BATCH_BYTES = 60_000
    report = ingest("content", [path], warehouse=Warehouse(url), run_id=path.stem)
    path.with_suffix(".written").write_text(str(report.written))


def stored(warehouse: Warehouse) -> pl.DataFrame:
    return warehouse.read(select(*RESULTS)).sort("content_id")


@pytest.fixture
def acme(warehouse: Warehouse) -> Warehouse:
    store(warehouse, Workspace, [workspace_row()])
    return warehouse


def test_processes_with_overlapping_files_end_as_one_after_the_other(acme: Warehouse, tmp_path: Path) -> None:
    one, two = posts(tmp_path / "one.csv", 0, 2000, 1), posts(tmp_path / "two.csv", 1000, 3000, 2)
    both = [in_subprocess(take_in, acme.url, path) for path in (one, two)]
    assert [ended(process) for process in both] == [0, 0]
    written = sum(int(path.with_suffix(".written").read_text()) for path in (one, two))
    found = stored(acme)
    shared = found.filter(pl.col("content_id").is_in([f"c{i}" for i in range(1000, 2000)]))
    assert found.height == 3000
    assert shared["impressions"].n_unique() == 1
    assert written == 4000


def test_threads_of_one_process_end_as_one_after_the_other(acme: Warehouse, tmp_path: Path) -> None:
    files = [posts(tmp_path / f"{i}.csv", i * 50, i * 50 + 100, i) for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda file: ingest("content", [file], warehouse=acme), files))
    assert sum(report.written for report in reports) == 400
    assert stored(acme).height == 250


def test_killed_in_the_middle_and_run_again_ends_with_the_same_rows(acme: Warehouse, tmp_path: Path) -> None:
    file = posts(tmp_path / "posts.csv", 0, 8_000, 1)
    process = in_subprocess(take_in, acme.url, file)
    count = select(func.count().label("n")).select_from(Content.__table__)
    deadline = time.monotonic() + 60
    while acme.rows(count)[0]["n"] == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    assert ended(process) == -9
    already = acme.rows(count)[0]["n"]
    assert 0 < already < 8_000
    report = ingest("content", [file], warehouse=acme)
    assert (report.written, report.unchanged) == (8_000 - already, already)
    found = stored(acme)
    assert (found.height, found["body"].n_unique()) == (8_000, 8_000)
