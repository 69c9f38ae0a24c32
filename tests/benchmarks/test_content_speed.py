"""How fast features are derived, beside the bare Polars work over the same texts in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tasks.content import with_features
from tasks.content.sample import simulate
from tasks.content.sample.agency import AGENCY

ZONES = {workspace.workspace_id: workspace.timezone for workspace in AGENCY}
ROUNDS = 5


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Best wall and processor time of a few rounds."""
    rounds = []
    for _ in range(ROUNDS):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        rounds.append((time.perf_counter() - wall, time.process_time() - processor))
    walls, processors = zip(*rounds, strict=True)
    return min(walls), min(processors)


def bare(frame: pl.DataFrame) -> pl.DataFrame:
    """One count of characters and one of words over both columns."""
    return frame.select(
        pl.col("title", "body").str.len_chars().name.suffix("_characters"),
        pl.col("title", "body").str.count_matches(r"\S+").name.suffix("_words"),
    )


def report(name: str, frame: pl.DataFrame, zones: dict[str, str]) -> None:
    with_features(frame.head(100), zones)
    wall, processor = seconds(lambda: with_features(frame, zones))
    least, _ = seconds(lambda: bare(frame))
    print(f"\nBAR features {name} rows/s: {len(frame) / wall:,.0f} (bar >= 60,000)")
    print(
        f"features {name}: {processor / len(frame) * 1e6:.1f} µs of processor a row, {wall / least:.1f} × bare Polars"
    )


@pytest.mark.benchmark
def test_rows_per_second_on_simulated_posts(tmp_path: Path) -> None:
    report("simulated", pl.read_parquet(simulate(tmp_path).files["content"]), ZONES)


@pytest.mark.benchmark
@pytest.mark.real_data
def test_rows_per_second_on_real_posts(shared_data: Path) -> None:
    posts = pl.read_parquet(shared_data / "facebook_pages_2016" / "posts.parquet")
    named = posts.select(
        **{"workspace_id": "page", "title": "link_name", "body": "status_message", "media_type": "status_type"},
        published_at=pl.col("status_published").dt.replace_time_zone("UTC"),
    )
    report("real", named, dict.fromkeys(posts["page"].unique(), "America/New_York"))
