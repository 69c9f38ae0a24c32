"""The sample and the example mapping pass ingestion without a rejected row."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tasks.content.sample import simulate
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import content_frame, workspace_frame
from tasks.warehouse.ingestion import ingest

EXAMPLES = Path(__file__).resolve().parents[3] / "deployments" / "examples"


def test_the_sample_is_taken_in_whole(sqlite_warehouse: Warehouse, tmp_path: Path) -> None:
    sample = simulate(tmp_path)
    for kind, path in sample.files.items():
        report = ingest(kind, [path], mapping=sample.mappings.get(kind), warehouse=sqlite_warehouse)
        assert (report.written, report.rejected) == (sample.rows[kind], 0), kind


@pytest.mark.real_data
def test_facebook_pages_are_taken_in_whole(sqlite_warehouse: Warehouse, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "facebook_pages_2016"
    posts = pl.read_parquet(folder / "posts.parquet").filter(pl.col("page").is_in(["nasa", "theguardian"])).head(3000)
    posts.write_parquet(tmp_path / "posts.parquet")
    pages = ingest(
        *("workspaces", [folder / "pages.parquet"]),
        mapping=EXAMPLES / "facebook_pages_2016_workspaces.yaml",
        warehouse=sqlite_warehouse,
    )
    report = ingest(
        *("content", [tmp_path / "posts.parquet"]),
        mapping=EXAMPLES / "facebook_pages_2016.yaml",
        warehouse=sqlite_warehouse,
    )
    assert (pages.written, pages.rejected, report.written, report.rejected) == (82, 0, 3000, 0)
    assert set(workspace_frame(sqlite_warehouse)["size"]) == {"smb", "mid", "enterprise"}
    taken = pl.concat([content_frame(sqlite_warehouse, "nasa"), content_frame(sqlite_warehouse, "theguardian")])
    counted = posts.select(pl.sum("num_reactions", "num_comments", "num_shares")).sum_horizontal().item()
    assert taken["engagements"].sum() == counted
    assert set(taken["media_type"]) <= {"photo", "video", "link", "text", "event"}
