"""Prefect tasks of this room, each a few lines around `PerformanceAnalyzer`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.patterns.performance_analyzer import PerformanceAnalyzer
from tasks.warehouse import open_warehouse
from tasks.warehouse.outcomes import DONE, SKIPPED, Outcome, each_workspace
from tasks.warehouse.snapshots import ChunkSnapshot, Snapshot

STEP = "patterns"
DAY_SECONDS = 86_400


@task(name="learn-patterns", cache_policy=NO_CACHE)
def learn_patterns(chunk: ChunkSnapshot, content_types: Sequence[str], run_id: str) -> list[Outcome]:
    """Find patterns for a chunk of workspaces; one that fails is recorded and the rest goes on.

    Args:
        chunk: frozen rows; the window they were frozen for is how far back is looked.
        content_types: those to look at; none for all that a workspace has.
        run_id: of the run that asks.
    """
    warehouse = open_warehouse()
    analyzer = PerformanceAnalyzer(warehouse=warehouse)
    days = lookback_days(chunk.content)

    def work(workspace_id: str) -> Outcome:
        found = [
            asyncio.run(analyzer.analyze_patterns(workspace_id, kind, days, source=chunk.content, run_id=run_id))
            for kind in _types(chunk.content, workspace_id, content_types)
        ]
        return outcome(workspace_id, found)

    return each_workspace(warehouse, run_id, STEP, chunk.workspace_ids, work)


def lookback_days(snapshot: Snapshot) -> int:
    """Whole days of the snapshot's window, its exclusive end rounded in."""
    first, last = snapshot.window
    return max(round((last - first).total_seconds() / DAY_SECONDS), 1)


def outcome(workspace_id: str, found: Sequence[dict[str, Any]]) -> Outcome:
    """Done where any content type could be looked at; skipped, with the reasons, where none had data enough."""
    result = {"analyses": list(found)}
    if not found:
        return Outcome(workspace_id, SKIPPED, "no content in the window", result)
    if all(analysis["status"] in ("insufficient_data", "no_variance") for analysis in found):
        reason = "; ".join(f"{analysis['content_type']}: {analysis['reason']}" for analysis in found)
        return Outcome(workspace_id, SKIPPED, reason, result)
    return Outcome(workspace_id, DONE, None, result)


def _types(snapshot: Snapshot, workspace_id: str, wanted: Sequence[str]) -> list[str]:
    """The workspace's content types among the wanted ones."""
    mine = snapshot.scan().filter(pl.col("workspace_id") == workspace_id)
    held = set(mine.select("content_type").unique().collect()["content_type"])
    return sorted(held & set(wanted) if wanted else held)
