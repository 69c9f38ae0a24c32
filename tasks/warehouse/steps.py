"""Prefect tasks of the warehouse: take files in, freeze rows, tell how a run ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.settings import get_settings
from tasks.warehouse import open_warehouse
from tasks.warehouse.extraction import extract_content, extract_touches, workspace_chunks
from tasks.warehouse.frames import newest_instant
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.outcomes import outcomes_of
from tasks.warehouse.snapshots import ChunkSnapshot

Window = tuple[datetime, datetime]


@task(name="ingest-files", cache_policy=NO_CACHE)
def ingest_files(kind: str, files: Sequence[str], mapping: str | None, run_id: str) -> dict[str, Any]:
    """Take files into the warehouse; the same file twice changes nothing."""
    mapped = Path(mapping) if mapping else None
    return asdict(ingest(kind, [Path(file) for file in files], mapping=mapped, run_id=run_id))


@task(name="plan-chunks", cache_policy=NO_CACHE)
def plan_chunks(
    workspace_ids: Sequence[str], size: int, lookback_days: int, as_of: datetime | None
) -> tuple[list[list[str]], Window]:
    """Which workspaces go together, and the window all of them are read in."""
    warehouse = open_warehouse()
    end = as_of or newest_instant(warehouse, workspace_ids) or datetime.now(UTC)
    # The end is exclusive: the newest row itself belongs to the window.
    window = (end - timedelta(days=lookback_days), end if as_of else end + timedelta(microseconds=1))
    return workspace_chunks(warehouse, size, workspace_ids), window


@task(name="extract", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=2)
def extract_chunk(workspace_ids: list[str], window: Window) -> ChunkSnapshot:
    """Freeze the rows of some workspaces; what has not changed is not written again."""
    warehouse, folder = open_warehouse(), get_settings().snapshots
    since, until = window
    return ChunkSnapshot(
        workspace_ids=workspace_ids,
        content=extract_content(warehouse, workspace_ids, folder, since=since, until=until),
        touches=extract_touches(warehouse, workspace_ids, folder, since=since, until=until),
    )


@task(name="read-outcomes", cache_policy=NO_CACHE)
def read_outcomes(run_id: str) -> list[dict[str, Any]]:
    """How each step of a run ended for each workspace."""
    return outcomes_of(open_warehouse(), run_id)
