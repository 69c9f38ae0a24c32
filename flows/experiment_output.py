"""How experiments look in a terminal: the sentence first, then numbers, then checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows import console
from tasks.errors import InputError
from tasks.experiments.figures import effects_over_time, power_by_size
from tasks.experiments.headline import (
    counts_in_words,
    headline,
    how_to_decide,
    most_urgent_first,
    plan_in_words,
)
from tasks.experiments.power_curve import PowerCurve
from tasks.experiments.ramp import RampStep
from tasks.experiments.records import Assignment, ExperimentRecord, ExperimentResult
from tasks.experiments.service import ExperimentService
from tasks.experiments.tables import (
    arm_rows,
    checks,
    day_rows,
    effect_rows,
    guardrail_rows,
    power_rows,
    secondary_rows,
    segment_rows,
    size_rows,
)

MOST_ROWS = 40
NONE_YET = (
    "[bold]raptorflow experiment plan --baseline 0.1[/] says how many units one takes, "
    "[bold]raptorflow experiment create --help[/] makes one, "
    "[bold]raptorflow ingest experiments FILE[/] takes in those that ran elsewhere"
)


def overview(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """All experiments, what waits for a decision first, counts last."""
    ordered = most_urgent_first(rows)
    if as_json:
        console.print_json(ordered)
        return
    console.table("experiments", [_listed(row) for row in ordered[:MOST_ROWS]], False, NONE_YET)
    if len(ordered) > MOST_ROWS:
        console.say(f"… and {len(ordered) - MOST_ROWS:,} more, all with --json")
    if ordered:
        console.say(counts_in_words(ordered))


def _listed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "experiment": row["name"],
        "workspace": row["workspace_id"],
        "decide": row["decision"],
        "status": row["status"],
        "found": row["found"],
        "winner": row["winner"],
        "units": row["units"],
        "p": row["p_value"],
        "id": row["experiment_id"],
    }


def plan(curve: PowerCurve, png: Path | None, as_json: bool) -> None:
    """Size and days, then the power at other sizes and for other effects."""
    if png is not None:
        write_picture(png, power_by_size(curve))
    if as_json:
        console.print_json(curve)
        return
    for line in plan_in_words(curve):
        console.say(line)
    console.table(f"power, if the effect is {100 * curve.min_effect_size:.3g} %", size_rows(curve))
    console.table(f"power, with {curve.plan.units_per_arm:,} units in the smallest arm", power_rows(curve))
    if png is not None:
        console.say(f"picture: {png}")


def record(made: ExperimentRecord, then: str, as_json: bool) -> None:
    """An experiment as it stands, and the next command."""
    if as_json:
        console.print_json(made)
        return
    arms = ", ".join(f"{one['name']} {100 * one['weight']:.3g} %" for one in made.variants)
    console.say(f"{made.name} · {made.status} · {made.metric_name} · {arms}")
    if made.planned_units_per_arm:
        days = f", about {made.expected_days:,} days" if made.expected_days else ""
        console.say(f"planned: {made.planned_units_per_arm:,} units in the smallest arm{days}")
    for warning in made.warnings:
        console.say(f"  {warning}")
    console.say(f"id: {made.experiment_id}\n{then}")


def after_start(service: ExperimentService, started: ExperimentRecord) -> str:
    """The next command, by where its units get their arms."""
    if service.is_assigned_elsewhere(started.experiment_id):
        return f"raptorflow ingest exposures FILE --workspace {started.workspace_id} --experiment {started.name!r}"
    return f"raptorflow experiment assign {started.experiment_id} UNIT"


def ramp(step: RampStep | None, as_json: bool) -> None:
    """What the ramp did."""
    if as_json:
        console.print_json(step)
    elif step is None:
        console.say("it has no ramp, or does not run: all of its traffic takes part")
    else:
        console.say(step.in_words())


def metrics(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Metrics as their workspaces defined them."""
    names = (
        "workspace_id",
        "name",
        "version",
        "kind",
        "direction",
        "quantile",
        "window_days",
        "min_effect_size",
        "owner",
    )
    shown = rows if as_json else [{name: row[name] for name in names} for row in rows]
    define = "[bold]raptorflow experiment metric NAME --workspace ID --kind binary[/] defines one"
    console.table("metrics", shown, as_json, define)


def ended(record: ExperimentRecord, as_json: bool) -> None:
    """How it ended."""
    if as_json:
        console.print_json(record)
        return
    winner = f"winner {record.winner}" if record.winner else "no winner"
    console.say(f"{record.name} is completed: {str(record.conclusion).replace('_', ' ')}, {winner}")


def arms(units: Sequence[str], assigned: Sequence[Assignment | None], as_json: bool) -> None:
    """Each unit with its arm."""
    rows: list[dict[str, Any]] = [
        {
            "unit_id": unit,
            "variant": None if arm is None else arm.variant_id,
            "propensity": None if arm is None else arm.propensity,
        }
        for unit, arm in zip(units, assigned, strict=True)
    ]
    console.table("arms", rows, as_json)


def show(service: ExperimentService, experiment_id: str, png: Path | None, as_json: bool) -> None:
    """One experiment: the record while it is a draft, else a look at its data."""
    made = service.get_experiment(experiment_id)
    if made.started_at is None:
        record(made, f"next: raptorflow experiment start {experiment_id}", as_json)
        return
    analysis = service.analyze_experiment(experiment_id)
    if png is not None:
        picture = effects_over_time(service.looks(experiment_id), analysis.name, analysis.metric_name)
        if picture is None:
            raise InputError("there is no picture yet: every arm needs its minimum sample first; leave out --png")
        write_picture(png, picture)
    if as_json:
        console.print_json({"headline": headline(analysis), "record": made, "analysis": analysis})
        return
    look(made, analysis)
    if png is not None:
        console.say(f"picture: {png}")


def look(made: ExperimentRecord, analysis: ExperimentResult) -> None:
    """The sentence, the effects, the checks, the next command."""
    if made.completed_at is not None:
        conclusion = str(made.conclusion).replace("_", " ")
        console.say(f"completed {made.completed_at:%Y-%m-%d}: {conclusion}; as it stands:")
    console.opening(f"{headline(analysis)}.", "")
    console.say(f"{analysis.name} · {analysis.metric_name} · {analysis.n:,} units · look {analysis.looks}")
    tables = {
        "against the control": effect_rows(analysis),
        "arms": arm_rows(analysis),
        "secondary metrics, at a false discovery rate": secondary_rows(analysis),
        "guardrails": guardrail_rows(analysis),
        "segments": segment_rows(analysis),
        "by day since exposure": day_rows(analysis),
    }
    for title, rows in tables.items():
        if rows:
            console.table(title, rows)
    for line in checks(analysis):
        console.say(f"  {line}")
    how = how_to_decide(analysis) if made.completed_at is None else None
    if how is not None:
        console.say(f"next: {how}")


def write_picture(path: Path, picture: bytes) -> None:
    """Write a PNG; the folder must be there."""
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise InputError(f"the picture cannot be written to {path}: {error.strerror or error}") from error
