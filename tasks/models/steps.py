"""Prefect tasks of this room, each a few lines around `ModelUpdater`."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

from httpx import HTTPError
from prefect import get_client, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.runtime import task_run

from tasks.errors import RaptorflowError
from tasks.models.announcements import events_of
from tasks.models.model_updater import ModelUpdater
from tasks.models.records import ModelType, MoveResult, UpdateResult
from tasks.models.reports import looked_at
from tasks.models.scheduling import REFRESH
from tasks.models.store import list_models
from tasks.settings import CHECKOUT
from tasks.warehouse import open_warehouse
from tasks.warehouse.outcomes import DONE, SKIPPED, Outcome, each_workspace
from tasks.warehouse.snapshots import ChunkSnapshot

__all__ = ["events_of"]

STEP = "models"
ENTRYPOINT = "flows.model_refresh.model_refresh"


@task(name="refresh-models", cache_policy=NO_CACHE)
def refresh_models(
    chunk: ChunkSnapshot,
    model_types: Sequence[str],
    force_retrain: bool,
    run_id: str,
    promote: bool = True,
    drift_threshold: float = 0.1,
    min_new_samples: int = 50,
    only_look: bool = False,
) -> list[Outcome]:
    """Check and update the models of a chunk of workspaces; one that fails is recorded and the rest goes on."""
    warehouse = open_warehouse()
    updater = ModelUpdater(drift_threshold, max(drift_threshold, 0.2), min_new_samples, warehouse=warehouse)

    def look(workspace_id: str) -> Outcome:
        wanted = [ModelType.parse(name) for name in model_types] or list(ModelType)
        seen = [asyncio.run(updater.detect_drift(workspace_id, one, source=chunk, run_id=run_id)) for one in wanted]
        return outcome(workspace_id, {report["model_type"]: looked_at(report) for report in seen})

    def work(workspace_id: str) -> Outcome:
        update = updater.check_and_update_models(
            workspace_id,
            list(model_types) or None,
            force_retrain,
            source=chunk,
            run_id=run_id,
            git_commit=git_commit(),
            promote=promote,
        )
        return outcome(workspace_id, asyncio.run(update))

    return each_workspace(warehouse, run_id, STEP, chunk.workspace_ids, look if only_look else work)


@task(name="list-models", cache_policy=NO_CACHE)
def registered_models() -> list[dict[str, Any]]:
    """Every attempt to learn a model, newest first, and what serves."""
    return list_models(open_warehouse())


@task(name="find-challenger", cache_policy=NO_CACHE)
def waiting_challenger(workspace_id: str, model_type: str, version: str | None) -> dict[str, Any]:
    """The version a promotion would be about, and the generation it would follow."""
    return asyncio.run(ModelUpdater().challenger(workspace_id, model_type, version))


@task(name="promote-model", cache_policy=NO_CACHE)
def promote_model(seen: dict[str, Any], reason: str, actor: str) -> MoveResult:
    """Promote what was seen, unless somebody else promoted since."""
    promotion = ModelUpdater().promote_model(
        seen["workspace_id"],
        seen["model_type"],
        seen["version_name"],
        expected_generation=seen["generation"],
        reason=reason,
        actor=actor,
        run_id=str(task_run.id),
    )
    return asyncio.run(promotion)


@task(name="find-rollback-target", cache_policy=NO_CACHE)
def rollback_target(workspace_id: str, model_type: str, version: str | None) -> dict[str, Any]:
    """The version a rollback would put back, beside the champion."""
    return asyncio.run(ModelUpdater().rollback_target(workspace_id, model_type, version))


@task(name="rollback-model", cache_policy=NO_CACHE)
def rollback_model(
    workspace_id: str, model_type: str, target_version: str | None, reason: str, actor: str
) -> MoveResult:
    """Put an earlier version back."""
    run_id = str(task_run.id)
    return asyncio.run(
        ModelUpdater().rollback_model(
            workspace_id, model_type, target_version, reason=reason, actor=actor, run_id=run_id
        )
    )


@task(name="delete-old-models", cache_policy=NO_CACHE)
def delete_old_models(older_than_days: int, dry_run: bool) -> list[dict[str, Any]]:
    """Delete model versions nobody needs, or say which would go."""
    return asyncio.run(ModelUpdater().delete_old_versions(older_than_days, dry_run=dry_run))


def outcome(workspace_id: str, results: dict[str, UpdateResult]) -> Outcome:
    """Done where any model has been looked at; skipped, with the reasons, where all lack data."""
    short = [found for found in results.values() if found["status"] == "insufficient_data"]
    if len(short) == len(results):
        reason = "; ".join(f"{found['model_type']}: {found['reason']}" for found in short)
        return Outcome(workspace_id, SKIPPED, reason, {"models": results})
    return Outcome(workspace_id, DONE, None, {"models": results})


async def schedule_refresh(plan: Mapping[str, Any]) -> str:
    """Put one schedule for a model type on the model-refresh deployment; returns `created` or `changed`.

    Raises:
        RaptorflowError: if Prefect does not answer.
    """
    slug = plan["model_type"].lower().replace("_", "-")
    options = {"model_types": [plan["model_type"]]}
    options |= {name: plan[name] for name in ("min_new_samples", "drift_threshold")}
    wanted: dict[str, Any] = {
        "schedule": IntervalSchedule(interval=timedelta(days=plan["frequency_days"]), anchor_date=plan["anchor"]),
        "parameters": {"options": options},
        "slug": slug,
    }
    try:
        async with get_client() as client:
            deployment = await _refresh_deployment(client)
            found = [schedule for schedule in deployment.schedules if schedule.slug == slug]
            if found:
                await client.update_deployment_schedule(deployment.id, found[0].id, active=True, **wanted)
            else:
                schedules = [DeploymentScheduleCreate(active=True, **wanted)]
                await client.create_deployment_schedules(deployment.id, schedules)
            return "changed" if found else "created"
    except (HTTPError, PrefectException, RuntimeError) as error:
        raise RaptorflowError(f"Prefect does not answer ({error}); start it with `raptorflow up`") from error


async def _refresh_deployment(client: PrefectClient) -> DeploymentResponse:
    """The deployment of model-refresh; made here where nobody has deployed it yet."""
    try:
        return await client.read_deployment_by_name(f"{REFRESH}/{REFRESH}")
    except ObjectNotFound:
        flow_id = await client.create_flow_from_name(REFRESH)
        deployment_id = await client.create_deployment(flow_id, REFRESH, entrypoint=ENTRYPOINT)
        return await client.read_deployment(deployment_id)


@lru_cache(maxsize=1)
def git_commit() -> str | None:
    """The commit this code runs from: an image says it in RAPTORFLOW_COMMIT; None where nobody knows."""
    if commit := os.environ.get("RAPTORFLOW_COMMIT"):
        return commit
    if shutil.which("git") is None:
        return None
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None if found.returncode == 0 else None
