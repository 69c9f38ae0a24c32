"""Prefect tasks of this room, each a few lines around `ExperimentService`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.effects.loop.drafts import DraftedExperiment, LoopTerms
from tasks.errors import RaptorflowError, UnknownNameError
from tasks.experiments.figures import effects_over_time
from tasks.experiments.log_service import LogService
from tasks.experiments.orchestration_service import OrchestrationService
from tasks.experiments.power_curve import PowerCurve
from tasks.experiments.records import ExperimentRecord, ExperimentResult
from tasks.experiments.service import ExperimentService
from tasks.warehouse import open_warehouse
from tasks.warehouse.frames import find_workspace
from tasks.warehouse.outcomes import DONE, FAILED, Outcome, each_workspace

STEP, LOOP_STEP = "experiments", "loop"
ACTIONS = ("plan", "create", "start", "show", "ramp", "stop", "decide")  # what a person does with an experiment by hand


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
    """One experiment's analysis and picture; its ramp goes on; completed where it has an answer and `auto_complete`."""
    analysis = service.analyze_experiment(experiment_id)
    ended = service.complete_if_decided(analysis) if complete else None
    ramp = service.advance_ramp(analysis) if ended is None else None
    return {"ended": ended, "ramp": ramp} | _looked_at(service, analysis)


def _looked_at(service: ExperimentService, analysis: ExperimentResult) -> dict[str, Any]:
    picture = effects_over_time(service.looks(analysis.experiment_id), analysis.name, analysis.metric_name)
    return {"analysis": analysis, "picture": picture}


@task(name="plan-experiment", cache_policy=NO_CACHE)
def plan_experiment(baseline: float | tuple[float, float], kind: str | None, **design: Any) -> PowerCurve:
    """A plan with its power curve; writes nothing."""
    return ExperimentService().power_curve(baseline, kind, **design)


@task(name="create-experiment", cache_policy=NO_CACHE)
def create_experiment(name: str, workspace_id: str, **design: Any) -> ExperimentRecord:
    """A new experiment, or the one that is described again."""
    return ExperimentService(warehouse=open_warehouse()).create_experiment(name, workspace_id, **design)


@task(name="act-on-experiment", cache_policy=NO_CACHE)
def act_on_experiment(action: str, which: str, workspace_id: str | None, winner: str | None) -> dict[str, Any]:
    """Start, look at, raise the traffic of, stop or decide an experiment; its record, and the look if any."""
    service = ExperimentService(warehouse=open_warehouse())
    experiment_id = service.identify(which, workspace_id)
    ramp = None
    if action == "start":
        service.start_experiment(experiment_id)
    elif action == "ramp":
        ramp = service.advance_ramp(service.analyze_experiment(experiment_id))
    elif action == "stop":
        service.complete_experiment(experiment_id)
    elif action == "decide" and winner is None:
        service.decide_experiment(experiment_id)
    elif action == "decide":
        service.complete_experiment(experiment_id, winner)
    record = service.get_experiment(experiment_id)
    if record.started_at is None:
        return {"record": record, "analysis": None, "ramp": ramp, "picture": None}
    return {"record": record, "ramp": ramp} | _looked_at(service, service.analyze_experiment(experiment_id))


@task(name="take-in-logs", cache_policy=NO_CACHE)
def take_in_logs(workspace_ids: Sequence[str]) -> list[str]:
    """Take exposure and outcome logs into the experiments that they name; what became of them, in words."""
    taken = LogService(warehouse=open_warehouse()).take_in(workspace_ids)
    return [line for one in taken for line in one.in_words()]


@task(name="list-experiments", cache_policy=NO_CACHE)
def list_experiments(workspace_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Every experiment of some workspaces, or of all, as last looked at."""
    service = ExperimentService(warehouse=open_warehouse())
    names: Sequence[str | None] = workspace_ids or [None]
    return [row for name in names for row in service.list_experiments(name)]


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


def reports_of(outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    """The reports of all workspaces."""
    for outcome in outcomes:
        yield from outcome.result.get("reports", [])


@task(name="advance-loops", cache_policy=NO_CACHE)
def advance_loops(chunk: Sequence[str], terms: LoopTerms, propose: bool, run_id: str) -> list[Outcome]:
    """Settle defaults, create and start what was approved, and draft what is next, in some workspaces."""
    warehouse = open_warehouse()
    advance = partial(_advance, OrchestrationService(warehouse=warehouse), terms, propose)
    return each_workspace(warehouse, run_id, LOOP_STEP, chunk, advance)


def _advance(service: OrchestrationService, terms: LoopTerms, propose: bool, workspace_id: str) -> Outcome:
    now = datetime.now(UTC)
    result: dict[str, Any] = {"defaults": service.loop.defaults(workspace_id)}
    result |= {"rows": service.carry_out(workspace_id, terms, now)}
    result |= {"drafts": service.propose(workspace_id, terms, now) if propose else []}
    return Outcome(workspace_id, DONE, None, result)


def best_drafts(outcomes: Sequence[Outcome], most: int) -> list[DraftedExperiment]:
    """The first drafts of all workspaces, then their second ones: each in its own order, so that lots are drawn too."""
    placed = [(place, one) for outcome in outcomes for place, one in enumerate(outcome.result.get("drafts", ()))]
    placed.sort(key=_place)
    return [one for _, one in placed[:most]]


def _place(placed: tuple[int, DraftedExperiment]) -> tuple[int, float, str, str]:
    place, one = placed
    return place, -one.net_worth, one.workspace_id, one.key


@task(name="answer-drafts", cache_policy=NO_CACHE)
def answer_drafts(drafts: Sequence[DraftedExperiment], actor: str, reason: str, *, yes: bool) -> int:
    """Keep what was answered, by whom and why; how many answers were new."""
    service = OrchestrationService(warehouse=open_warehouse())
    return service.loop.answer(drafts, actor, reason, datetime.now(UTC), yes=yes)
