"""Prefect tasks of this room, each a few lines around `LearningService`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.learnings.service import LearningService
from tasks.learnings.store import note_told, untold_learnings
from tasks.warehouse import open_warehouse
from tasks.warehouse.outcomes import DONE, Outcome, each_workspace

STEP = "learnings"
logger = logging.getLogger("raptorflow")


@task(name="remember-learnings", cache_policy=NO_CACHE)
def remember_learnings(workspace_ids: Sequence[str], run_id: str) -> list[Outcome]:
    """Keep what was learned of some workspaces; where that fails each is tried by itself, and one that fails is
    recorded. Run again it changes nothing.
    """
    service = LearningService(open_warehouse())
    try:
        kept = service.remember(workspace_ids, run_id)
    except Exception:
        logger.exception("learnings of some workspaces could not be kept together, each is tried by itself")
        work = partial(_remember_one, service, run_id)
        return each_workspace(service.warehouse(), run_id, STEP, workspace_ids, work)
    return [Outcome(name, DONE, result={"kept": count}) for name, count in kept.items()]


@task(name="remember-run", cache_policy=NO_CACHE)
def remember_after(workspace_id: str | None, run_id: str) -> None:
    """Keep what a run taught one workspace, or an organization as a whole; that it fails is no failure of the run."""
    service = LearningService(open_warehouse())
    try:
        if workspace_id is None:
            service.remember_unowned(run_id)
        else:
            service.remember([workspace_id], run_id)
    except Exception:
        logger.exception("what this run taught could not be kept; the next night keeps it")


@task(name="read-findings", cache_policy=NO_CACHE)
def untold_findings() -> list[dict[str, Any]]:
    """Learnings that operators have not read of."""
    return untold_learnings(open_warehouse())


@task(name="note-findings-told", cache_policy=NO_CACHE)
def note_findings_told(learning_ids: Sequence[str], now: datetime) -> None:
    """Remember that operators read of these."""
    note_told(open_warehouse(), learning_ids, now)


def _remember_one(service: LearningService, run_id: str, workspace_id: str) -> Outcome:
    return Outcome(workspace_id, DONE, result={"kept": service.remember([workspace_id], run_id)[workspace_id]})
