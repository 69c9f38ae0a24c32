"""Prefect tasks of this room, each a few lines around `ExperimentEngine`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.errors import RaptorflowError
from tasks.experiments.experiment_engine import ExperimentEngine
from tasks.experiments.figure import effects_over_time
from tasks.experiments.records import Analysis
from tasks.warehouse import open_warehouse
from tasks.warehouse.outcomes import DONE, FAILED, Outcome, each_workspace

STEP = "experiments"


@task(name="running-experiments", cache_policy=NO_CACHE)
def running_experiments(workspace_ids: Sequence[str], size: int) -> list[dict[str, list[str]]]:
    """Ids of running experiments by workspace, in chunks of workspaces."""
    found = asyncio.run(ExperimentEngine().running_experiments(workspace_ids))
    names = sorted(found)
    return [{name: found[name] for name in names[i : i + size]} for i in range(0, len(names), size)]


@task(name="analyze-experiments", cache_policy=NO_CACHE)
def analyze_experiments(chunk: dict[str, list[str]], complete: bool, run_id: str) -> list[Outcome]:
    """Analyse the experiments of some workspaces; one that fails is recorded and the rest goes on."""
    warehouse = open_warehouse()
    engine = ExperimentEngine(warehouse=warehouse)

    def work(workspace_id: str) -> Outcome:
        reports, failures = [], []
        for experiment_id in chunk[workspace_id]:
            try:
                reports.append(asyncio.run(analyze_one(engine, experiment_id, complete=complete)))
            except RaptorflowError as error:
                failures.append(f"{experiment_id}: {error}")
        reason = "; ".join(failures) or None
        return Outcome(workspace_id, FAILED if failures else DONE, reason, {"reports": reports})

    return each_workspace(warehouse, run_id, STEP, list(chunk), work)


async def analyze_one(engine: ExperimentEngine, experiment_id: str, *, complete: bool) -> dict[str, Any]:
    """One experiment's analysis and picture; completed where it has an answer and its creation asked for that."""
    found = await engine.analyze_experiment(experiment_id)
    ended = await engine.complete_if_decided(found) if complete else None
    picture = effects_over_time(await engine.looks(experiment_id), found.name)
    return {"analysis": found, "ended": ended, "picture": picture}


def reports_of(outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    """The reports of all workspaces."""
    for outcome in outcomes:
        yield from outcome.result.get("reports", [])


def in_words(found: Analysis, completed: bool) -> str:
    """The report's head: what is known and what to do."""
    winner = f" **{found.winner}** wins." if found.winner else ""
    done = " The experiment was completed." if completed else ""
    lines = [
        f"# {found.name}",
        f"**{found.status.value.replace('_', ' ')}** · {found.n} units · look {found.looks}.{winner}{done}",
        f"What to do: {found.next_step}.",
        f"How it was judged: {found.method}.",
    ]
    if found.sample_ratio is not None:
        alarm = "**broken**" if found.sample_ratio.is_alarm else "as promised"
        lines.append(f"Sample ratio: {alarm} (p = {found.sample_ratio.p_value:.3g}).")
    return "\n\n".join(lines + [f"- {warning}" for warning in found.warnings])


def arm_rows(found: Analysis) -> list[dict[str, Any]]:
    """A row an arm: units, mean, effect with interval, probability of being best."""
    effects = {effect.variant_id: effect for effect in found.effects}
    rows = []
    for arm in found.variants:
        effect = effects.get(arm.variant_id)
        rows.append(
            {"arm": arm.variant_id + (" (control)" if arm.is_control else ""), "units": arm.n, "mean": arm.mean}
            | {"effect": effect.effect if effect else None, "from": effect.interval[0] if effect else None}
            | {"to": effect.interval[1] if effect else None, "p": effect.p_value if effect else None}
            | {"probability of being best": arm.probability_best, "share of traffic": arm.weight}
        )
    return rows
