"""Prefect tasks of this room, each a few lines around `EffectService`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.effects.service import EffectService
from tasks.warehouse import open_warehouse
from tasks.warehouse.frames import find_workspace, workspace_frame
from tasks.warehouse.outcomes import DONE, SKIPPED, Outcome, each_workspace

STEP = "program"


@task(name="workspaces-with-programs", cache_policy=NO_CACHE)
def workspaces_in_chunks(workspace_ids: Sequence[str], size: int) -> list[list[str]]:
    """The workspaces named, or all, in chunks.

    Raises:
        UnknownNameError: if a workspace named is not in the warehouse.
    """
    warehouse = open_warehouse()
    for workspace_id in workspace_ids:
        find_workspace(warehouse, workspace_id)
    names = list(workspace_ids) or workspace_frame(warehouse)["workspace_id"].to_list()
    return [names[i : i + size] for i in range(0, len(names), size)]


@task(name="report-programs", cache_policy=NO_CACHE)
def report_programs(chunk: Sequence[str], run_id: str) -> list[Outcome]:
    """What the experiments of some workspaces came to; one that fails is recorded and the rest goes on."""
    warehouse = open_warehouse()
    return each_workspace(warehouse, run_id, STEP, chunk, partial(_report, EffectService(warehouse)))


def _report(service: EffectService, workspace_id: str) -> Outcome:
    summary = service.program(workspace_id)
    if not summary.experiments:
        return Outcome(workspace_id, SKIPPED, summary.words, {})
    return Outcome(workspace_id, DONE, None, {"program": summary})
