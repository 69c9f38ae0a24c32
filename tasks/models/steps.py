"""Prefect tasks of models, each a few lines around `ModelService`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from tasks.models.drift.monitor import DriftThresholds
from tasks.models.records import CRITICAL, ModelType, MoveResult, UpdateResult
from tasks.models.reports import FAILED as MODEL_FAILED
from tasks.models.reports import events_of
from tasks.models.service import ModelService
from tasks.models.store import list_models
from tasks.models.store.attention import drifting_champions
from tasks.models.store.state import model_state
from tasks.settings import CHECKOUT
from tasks.warehouse import open_warehouse
from tasks.warehouse.code_version import code_version
from tasks.warehouse.outcomes import DONE, FAILED, SKIPPED, Outcome, each_workspace
from tasks.warehouse.snapshots import ChunkSnapshot
from tasks.warehouse.standing import StandingOutcomes, StepQuestion

__all__ = ["events_of"]

STEP = "models"
LEAST_CRITICAL = 0.2


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
    thresholds = DriftThresholds(drift_threshold, max(drift_threshold, LEAST_CRITICAL), min_new_samples)
    service = ModelService(warehouse, thresholds=thresholds)
    wanted = [ModelType.parse(name) for name in model_types] or list(ModelType)
    question = models_question(wanted, force_retrain, promote, drift_threshold, min_new_samples, only_look)
    standing = StandingOutcomes(warehouse, question, chunk)
    if only_look:
        work = partial(_measured, service, wanted, standing.chunk, run_id)
    else:
        work = partial(_refreshed, service, wanted, force_retrain, standing.chunk, run_id, promote)
    return each_workspace(warehouse, run_id, STEP, chunk.workspace_ids, work, standing)


def models_question(
    model_types: Sequence[str],
    force_retrain: bool,
    promote: bool,
    drift_threshold: float,
    min_new_samples: int,
    only_look: bool,
) -> StepQuestion:
    """What models rest on: posts and visits, and what is stored of models, `model_state`."""
    settings = {
        "model_types": sorted(model_types) or sorted(ModelType),
        "force_retrain": force_retrain,
        "promote": promote,
        "drift_threshold": drift_threshold,
        "min_new_samples": min_new_samples,
        "only_look": only_look,
    }
    code = code_version("tasks/models", "tasks/experiments", "mlflow")
    return StepQuestion(STEP, settings, code, ("content", "touch"), model_state)


def _measured(
    service: ModelService, wanted: Sequence[ModelType], chunk: ChunkSnapshot, run_id: str, workspace_id: str
) -> Outcome:
    return outcome(workspace_id, service.check_drift(workspace_id, wanted, chunk, run_id))


def _refreshed(
    service: ModelService,
    wanted: Sequence[ModelType],
    force_retrain: bool,
    chunk: ChunkSnapshot,
    run_id: str,
    promote: bool,
    workspace_id: str,
) -> Outcome:
    results = service.check_and_update_models(
        workspace_id, wanted, force_retrain, chunk, run_id=run_id, git_commit=git_commit(), promote=promote
    )
    return outcome(workspace_id, results)


@task(name="list-models", cache_policy=NO_CACHE)
def registered_models() -> list[dict[str, Any]]:
    """Every version of every model, newest first, and its share of the predictions."""
    return list_models(open_warehouse())


@task(name="list-drifting", cache_policy=NO_CACHE)
def critical_drift() -> list[dict[str, Any]]:
    """Models that serve and whose newest drift check is critical, the worst first."""
    return [row for row in drifting_champions(open_warehouse()) if row["drift_status"] == CRITICAL]


@task(name="find-challenger", cache_policy=NO_CACHE)
def waiting_challenger(workspace_id: str, model_type: str, version: str | None) -> dict[str, Any]:
    """The version a promotion would be about, and the generation it would follow."""
    return ModelService().challenger(workspace_id, model_type, version)


@task(name="promote-model", cache_policy=NO_CACHE)
def promote_model(seen: dict[str, Any], reason: str, actor: str) -> MoveResult:
    """Promote what was seen, unless somebody else promoted since."""
    return ModelService().promote_model(
        seen["workspace_id"],
        seen["model_type"],
        seen["version_name"],
        expected_generation=seen["generation"],
        reason=reason,
        actor=actor,
        run_id=str(task_run.id),
    )


@task(name="find-rollback-target", cache_policy=NO_CACHE)
def rollback_target(workspace_id: str, model_type: str, version: str | None) -> dict[str, Any]:
    """The version a rollback would put back, beside the champion."""
    return ModelService().rollback_target(workspace_id, model_type, version)


@task(name="rollback-model", cache_policy=NO_CACHE)
def rollback_model(
    workspace_id: str, model_type: str, target_version: str | None, reason: str, actor: str
) -> MoveResult:
    """Put an earlier version back."""
    return ModelService().rollback_model(
        workspace_id, model_type, target_version, reason=reason, actor=actor, run_id=str(task_run.id)
    )


@task(name="delete-old-models", cache_policy=NO_CACHE)
def delete_old_models(older_than_days: int, dry_run: bool) -> list[dict[str, Any]]:
    """Delete model versions that are not needed, or list what would go."""
    return ModelService().delete_old_versions(older_than_days, dry_run)


def outcome(workspace_id: str, results: dict[str, UpdateResult]) -> Outcome:
    """Done where any model had data; skipped, with the reasons, where all lack it; failed where any model failed."""
    failed = [f"{name}: {result['reason']}" for name, result in results.items() if result["status"] == MODEL_FAILED]
    if failed:
        return Outcome(workspace_id, FAILED, "; ".join(failed), {"models": results})
    short = [result for result in results.values() if result["status"] == "insufficient_data"]
    if len(short) == len(results):
        reason = "; ".join(f"{result['model_type']}: {result['reason']}" for result in short)
        return Outcome(workspace_id, SKIPPED, reason, {"models": results})
    return Outcome(workspace_id, DONE, None, {"models": results})


@lru_cache(maxsize=1)
def git_commit() -> str | None:
    """The commit this code runs from: an image has it in RAPTORFLOW_COMMIT; None where it is unknown."""
    if commit := os.environ.get("RAPTORFLOW_COMMIT"):
        return commit
    if shutil.which("git") is None:
        return None
    ran = subprocess.run(["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return ran.stdout.strip() or None if ran.returncode == 0 else None
