"""Prefect tasks of this room, each a few lines around `ExperimentService`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.errors import RaptorflowError, UnknownNameError
from tasks.experiments.figures import effects_over_time
from tasks.experiments.service import ExperimentService
from tasks.warehouse import open_warehouse
from tasks.warehouse.frames import find_workspace
from tasks.warehouse.outcomes import DONE, FAILED, Outcome, each_workspace

STEP = "experiments"


@task(name="running-experiments", cache_policy=NO_CACHE)
def running_experiments(workspace_ids: Sequence[str], size: int) -> list[dict[str, list[str]]]:
    """Ids of running experiments by workspace, in chunks of workspaces.

    Raises:
        UnknownNameError: if a workspace named is not in the warehouse.
    """
    for workspace_id in workspace_ids:
        find_workspace(open_warehouse(), workspace_id)
    running = ExperimentService().running_experiments(workspace_ids)
    names = sorted(running)
    return [{name: running[name] for name in names[i : i + size]} for i in range(0, len(names), size)]


@task(name="analyze-experiments", cache_policy=NO_CACHE)
def analyze_experiments(chunk: dict[str, list[str]], complete: bool, run_id: str) -> list[Outcome]:
    """Analyze the experiments of some workspaces; one that fails is recorded and the rest goes on."""
    warehouse = open_warehouse()
    service = ExperimentService(warehouse=warehouse)
    analyze = partial(analyze_workspace, service, chunk, complete)
    return each_workspace(warehouse, run_id, STEP, list(chunk), analyze)


def analyze_workspace(
    service: ExperimentService, chunk: dict[str, list[str]], complete: bool, workspace_id: str
) -> Outcome:
    """All running experiments of one workspace."""
    reports, failures = [], []
    for experiment_id in chunk[workspace_id]:
        try:
            reports.append(analyze_one(service, experiment_id, complete=complete))
        except RaptorflowError as error:
            failures.append(f"{experiment_id}: {error}")
    reason = "; ".join(failures) or None
    return Outcome(workspace_id, FAILED if failures else DONE, reason, {"reports": reports})


def analyze_one(service: ExperimentService, experiment_id: str, *, complete: bool) -> dict[str, Any]:
    """One experiment's analysis and picture; completed where it has an answer and `auto_complete`."""
    analysis = service.analyze_experiment(experiment_id)
    ended = service.complete_if_decided(analysis) if complete else None
    picture = effects_over_time(service.looks(experiment_id), analysis.name, analysis.metric_name)
    return {"analysis": analysis, "ended": ended, "picture": picture}


def answered(reports: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Running experiments that have an answer, a row each, as a person decides on them."""
    waiting = [report["analysis"] for report in reports if report["ended"] is None and report["analysis"].is_answered]
    return [
        {"workspace_id": one.workspace_id, "name": one.name, "status": one.status.value, "winner": one.winner}
        | {"p_value": one.p_value, "units": one.n, "experiment_id": one.experiment_id}
        for one in waiting
    ]


@task(name="end-experiments", cache_policy=NO_CACHE)
def end_experiments(decided: Sequence[dict[str, Any]], leave_running: Sequence[str]) -> dict[str, Any]:
    """End experiments with the winners that were decided upon, but for some; gives the records of the ended by id.

    Raises:
        UnknownNameError: if one that is to go on is none of them; nothing was ended.
    """
    winners = {row["experiment_id"]: row["winner"] for row in decided}
    for name in leave_running:
        if name not in winners:
            raise UnknownNameError("experiment to leave running", name, winners)
    service = ExperimentService(warehouse=open_warehouse())
    ending = {name: winner for name, winner in winners.items() if name not in leave_running}
    return {name: service.complete_experiment(name, winner) for name, winner in ending.items()}


@task(name="list-experiments", cache_policy=NO_CACHE)
def all_experiments() -> list[dict[str, Any]]:
    """Every experiment, newest first, as last looked at."""
    return ExperimentService(warehouse=open_warehouse()).list_experiments()


def reports_of(outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    """The reports of all workspaces."""
    for outcome in outcomes:
        yield from outcome.result.get("reports", [])
