"""Prefect tasks of this room, each a few lines around `ModelUpdater`."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from tasks.models.model_updater import ModelUpdater
from tasks.models.records import MoveResult, UpdateResult
from tasks.settings import CHECKOUT
from tasks.warehouse import open_warehouse
from tasks.warehouse.outcomes import DONE, SKIPPED, Outcome, each_workspace
from tasks.warehouse.snapshots import ChunkSnapshot

STEP = "models"
Event = Literal["raptorflow.drift.detected", "raptorflow.model.registered", "raptorflow.model.promoted"]


@task(name="refresh-models", cache_policy=NO_CACHE)
def refresh_models(
    chunk: ChunkSnapshot, model_types: Sequence[str], force_retrain: bool, run_id: str, promote: bool = True
) -> list[Outcome]:
    """Check and update the models of a chunk of workspaces; one that fails is recorded and the rest goes on."""
    warehouse = open_warehouse()
    updater = ModelUpdater(warehouse=warehouse)

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

    return each_workspace(warehouse, run_id, STEP, chunk.workspace_ids, work)


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


def outcome(workspace_id: str, results: dict[str, UpdateResult]) -> Outcome:
    """Done where any model has been looked at; skipped, with the reasons, where all lack data."""
    short = [found for found in results.values() if found["status"] == "insufficient_data"]
    if len(short) == len(results):
        reason = "; ".join(f"{found['model_type']}: {found['reason']}" for found in short)
        return Outcome(workspace_id, SKIPPED, reason, {"models": results})
    return Outcome(workspace_id, DONE, None, {"models": results})


def rows_of(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """One row a model, for people."""
    return [
        {
            "workspace": found["workspace_id"],
            "model": found["model_type"],
            "status": found["status"],
            "champion": found["model_version"],
            "drift": found["drift"]["drift_status"] if found["drift"] else None,
            "score": found["drift"]["drift_score"] if found["drift"] else None,
            "why": found["reason"],
        }
        for found in _results(outcomes)
    ]


def events_of(outcomes: Sequence[Outcome]) -> Iterator[tuple[Event, str, dict[str, Any]]]:
    """What other programs may wait for: drift that was detected, models registered and promoted."""
    for found in _results(outcomes):
        about = f"model.{found['workspace_id']}.{found['model_type']}"
        report = found["drift"]
        if report and report["drift_status"] in ("warning", "critical"):
            names = ("drift_status", "drift_score", "p_value", "recommendation", "reasons")
            yield "raptorflow.drift.detected", about, {name: report[name] for name in names}  # type: ignore[literal-required]
        if found["status"] in ("first_champion", "promoted", "challenger"):
            yield "raptorflow.model.registered", about, {"version": found["candidate_version"]}
        if found["status"] in ("first_champion", "promoted"):
            yield "raptorflow.model.promoted", about, {"version": found["model_version"], "reason": found["reason"]}


def _results(outcomes: Sequence[Outcome]) -> Iterator[UpdateResult]:
    for outcome in outcomes:
        yield from outcome.result.get("models", {}).values()


@lru_cache(maxsize=1)
def git_commit() -> str | None:
    """The commit this code runs from; None outside a checkout."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None if found.returncode == 0 else None
