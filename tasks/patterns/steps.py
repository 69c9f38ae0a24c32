"""Prefect tasks of this room, each a few lines around `PatternService`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.effects.store import evidence_state
from tasks.patterns.early_signals import others_state
from tasks.patterns.others_experiments import released_state
from tasks.patterns.service import PatternService
from tasks.patterns.store import kept_analyses
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.code_version import code_version
from tasks.warehouse.frames import require_content_types
from tasks.warehouse.outcomes import DONE, SKIPPED, Outcome, each_workspace
from tasks.warehouse.snapshots import ChunkSnapshot, Snapshot
from tasks.warehouse.standing import StandingOutcomes, StepQuestion

STEP = "patterns"
DAY_SECONDS = 86_400


@task(name="check-content-types", cache_policy=NO_CACHE)
def check_content_types(names: Sequence[str]) -> None:
    """Refuse a content type that nobody's content has, before anything is read: it would find nothing, in silence."""
    require_content_types(open_warehouse(), names)


@task(name="learn-patterns", cache_policy=NO_CACHE)
def learn_patterns(chunk: ChunkSnapshot, content_types: Sequence[str], run_id: str) -> list[Outcome]:
    """Find patterns for a chunk of workspaces; one that fails is recorded and the rest goes on.

    Args:
        chunk: frozen rows; the window they were frozen for is how far back is looked.
        content_types: those to look at; none for all that a workspace has.
        run_id: the run it belongs to.
    """
    warehouse = open_warehouse()
    standing = StandingOutcomes(warehouse, patterns_question(content_types, lookback_days(chunk.content)), chunk)
    content = standing.chunk.content
    learn = partial(learn_workspace, PatternService(warehouse=warehouse), content, content_types, run_id)
    return each_workspace(warehouse, run_id, STEP, chunk.workspace_ids, learn, standing)


def patterns_question(content_types: Sequence[str], days: int) -> StepQuestion:
    """What patterns rest on: content, experiments, kept analyses (earlier ones tell what is new), what others know."""
    settings = {"content_types": sorted(content_types), "lookback_days": days}
    return StepQuestion(
        STEP, settings, code_version("tasks/patterns", "tasks/effects", "tasks/transfer"), ("content",), kept_state
    )


def kept_state(warehouse: Warehouse, workspace_ids: Sequence[str]) -> dict[str, str]:
    """A hash a workspace of its kept analyses, of the experiments that say what their patterns are worth, others' by
    private releases among them, and of what others know where its own posts were too few: a sibling that left is heard
    no longer, a new release is."""
    analyses, evidence = kept_analyses(warehouse, workspace_ids), evidence_state(warehouse, workspace_ids)
    others, released = others_state(warehouse, workspace_ids), released_state(warehouse, workspace_ids)
    return {name: f"{analyses[name]} {evidence[name]} {others[name]}{released[name]}" for name in workspace_ids}


def learn_workspace(
    service: PatternService, content: Snapshot, content_types: Sequence[str], run_id: str, workspace_id: str
) -> Outcome:
    """Find the patterns of each content type of one workspace."""
    days = lookback_days(content)
    analyses = [
        service.analyze_patterns(workspace_id, content_type, days, source=content, run_id=run_id)
        for content_type in _types(content, workspace_id, content_types)
    ]
    return outcome(workspace_id, analyses)


def lookback_days(snapshot: Snapshot) -> int:
    """Whole days of the snapshot's window, its exclusive end rounded in."""
    first, last = snapshot.window
    return max(round((last - first).total_seconds() / DAY_SECONDS), 1)


def outcome(workspace_id: str, analyses: Sequence[dict[str, Any]]) -> Outcome:
    """Done where any content type could be analyzed; skipped, with the reasons, where none had data enough."""
    result = {"analyses": list(analyses)}
    if not analyses:
        return Outcome(workspace_id, SKIPPED, "no content in the window", result)
    if all(analysis["status"] in ("insufficient_data", "early_signal", "no_variance") for analysis in analyses):
        reason = "; ".join(f"{analysis['content_type']}: {analysis['reason']}" for analysis in analyses)
        return Outcome(workspace_id, SKIPPED, reason, result)
    return Outcome(workspace_id, DONE, None, result)


def _types(snapshot: Snapshot, workspace_id: str, wanted: Sequence[str]) -> list[str]:
    """The workspace's content types among the wanted ones."""
    mine = snapshot.scan().filter(pl.col("workspace_id") == workspace_id)
    held = set(mine.select("content_type").unique().collect()["content_type"])
    return sorted(held & set(wanted) if wanted else held)
