"""Prefect tasks of this room, each a few lines around `ModelUpdater`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.models.model_updater import ModelUpdater
from tasks.models.records import UpdateResult
from tasks.warehouse import open_warehouse
from tasks.warehouse.outcomes import DONE, SKIPPED, Outcome, each_workspace
from tasks.warehouse.snapshots import ChunkSnapshot

STEP = "models"


@task(name="refresh-models", cache_policy=NO_CACHE)
def refresh_models(
    chunk: ChunkSnapshot,
    model_types: Sequence[str],
    force_retrain: bool,
    run_id: str,
    git_commit: str | None = None,
    promote: bool = True,
) -> list[Outcome]:
    """Check and update the models of a chunk of workspaces; one that fails is recorded and the rest goes on."""
    warehouse = open_warehouse()
    updater = ModelUpdater(warehouse=warehouse)

    def work(workspace_id: str) -> Outcome:
        results = asyncio.run(
            updater.check_and_update_models(
                workspace_id,
                list(model_types) or None,
                force_retrain,
                source=chunk,
                run_id=run_id,
                git_commit=git_commit,
                promote=promote,
            )
        )
        return outcome(workspace_id, results)

    return each_workspace(warehouse, run_id, STEP, chunk.workspace_ids, work)


def outcome(workspace_id: str, results: dict[str, UpdateResult]) -> Outcome:
    """Done where any model has been looked at; skipped, with the reasons, where all lack data."""
    short = [found for found in results.values() if found["status"] == "insufficient_data"]
    if len(short) == len(results):
        reason = "; ".join(f"{found['model_type']}: {found['reason']}" for found in short)
        return Outcome(workspace_id, SKIPPED, reason, {"models": results})
    return Outcome(workspace_id, DONE, None, {"models": results})
