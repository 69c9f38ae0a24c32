"""`raptorflow experiment …`: plan, create, start, watch and end; what takes long to import is imported in use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.experiment_options import context as context_of
from flows.experiment_options import given, labels, numbers, other_metric, settled, variant, with_changes
from tasks.errors import InputError

app = typer.Typer(help="Plan, create, start, watch and end experiments; alone: all of them, decisions first.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Of = Annotated[str | None, typer.Option("--workspace", "-w", help="One workspace; all when left out.")]
Which = Annotated[str, typer.Argument(metavar="ID", help="The experiment's id, or its name (with --workspace).")]
Png = Annotated[Path | None, typer.Option("--png", help="Write the picture here.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value: any further field of the design, such as auto_complete=true."),
]
Weights = Annotated[str | None, typer.Option(help="Of the arms, control first: 0.9,0.1; equal when left out.")]
Effect = Annotated[float | None, typer.Option("--effect", help="Smallest relative effect worth finding (0.05).")]
Kind = Annotated[str | None, typer.Option(help="binary, rate, continuous, count or ratio.")]
Baseline = Annotated[float | None, typer.Option(help="The control's mean; of a binary metric its proportion.")]
Deviation = Annotated[float | None, typer.Option(help="The metric's standard deviation; not for binary.")]
Daily = Annotated[float | None, typer.Option("--daily-units", help="Units a day, of all arms.")]


@app.callback(invoke_without_command=True)
def experiment(context: typer.Context, workspace: Of = None, as_json: Json = False) -> None:
    """Plan, create, start, watch and end experiments; alone: all of them, decisions first."""
    if context.invoked_subcommand is None:
        list_experiments(workspace, as_json)


@app.command("list")
def list_experiments(workspace: Of = None, as_json: Json = False) -> None:
    """All experiments as last looked at: what waits for a decision first, counts last."""
    from flows import experiment_output, listing

    experiment_output.overview(listing.experiments(workspace), as_json)


@app.command()
def plan(
    baseline: Annotated[float, typer.Option(help="The control's mean; of a binary metric its proportion.")],
    deviation: Deviation = None,
    kind: Kind = None,
    arms: Annotated[int, typer.Option(help="How many, the control included.")] = 2,
    effect: Effect = None,
    power: Annotated[float, typer.Option(help="Wanted probability of naming the right winner.")] = 0.8,
    units: Annotated[int | None, typer.Option(help="A size of the smallest arm to ask about.")] = None,
    daily_units: Daily = None,
    weights: Weights = None,
    settings: Settings = None,
    png: Png = None,
    as_json: Json = False,
) -> None:
    """How many units it takes, how long, and what other sizes would find; writes nothing to the warehouse."""
    from flows import experiment_output
    from tasks.experiments.service import ExperimentService

    shares = None if weights is None else numbers("--weights", weights)
    design = settled(settings) | given(min_effect_size=effect, daily_units=daily_units, power=power)
    curve = ExperimentService().power_curve(
        baseline if deviation is None else (baseline, deviation),
        kind or ("binary" if deviation is None else None),
        len(shares) if shares and arms == 2 else arms,
        units_per_arm=units,
        weights=shares,
        **design,
    )
    experiment_output.plan(curve, png, as_json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The same name and design again is the same experiment.")],
    workspace: Annotated[str, typer.Option("--workspace", "-w", help="Whose it is.")],
    metric: Annotated[str, typer.Option(help="The metric that decides.")],
    variants: Annotated[
        list[str], typer.Option("--variant", "-v", help="NAME or NAME:WEIGHT, once for each arm; the control first.")
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option(help="What an arm changes, 'b: media_type=video; emoji_count=1' or 'b: pattern=KEY': it teaches."),
    ] = None,
    hypothesis: Annotated[str | None, typer.Option(help="What you expect, and why.")] = None,
    kind: Kind = None,
    direction: Annotated[str | None, typer.Option(help="increase or decrease, whichever is better.")] = None,
    secondary: Annotated[
        list[str] | None,
        typer.Option("--secondary", help="NAME or NAME:decrease, up to ten; explained, decide nothing."),
    ] = None,
    guardrails: Annotated[
        list[str] | None, typer.Option("--guardrail", help="NAME, NAME:decrease or NAME:decrease:0.05 (margin).")
    ] = None,
    kind_of_experiment: Annotated[
        str, typer.Option("--type", help="ab_test, multivariate, multi_armed_bandit, sequential or contextual.")
    ] = "ab_test",
    allocation: Annotated[str | None, typer.Option(help="equal, thompson, ucb or staged.")] = None,
    context: Annotated[
        str | None, typer.Option(help="Of a contextual experiment: what is known of a unit before, device,hour.")
    ] = None,
    effect: Effect = None,
    baseline: Baseline = None,
    deviation: Deviation = None,
    daily_units: Daily = None,
    min_sample_size: Annotated[int, typer.Option(help="Units each arm needs before anything is declared.")] = 100,
    confidence: Annotated[float | None, typer.Option(help="Confidence level (0.95).")] = None,
    layer: Annotated[str | None, typer.Option(help="Share no unit with other experiments of this layer.")] = None,
    layer_share: Annotated[float | None, typer.Option(help="Share of the layer's units that it holds (1).")] = None,
    ramp: Annotated[str | None, typer.Option(help="Shares of the traffic, stage by stage: 0.01,0.1,0.5,1.")] = None,
    assigned_elsewhere: Annotated[
        bool, typer.Option("--assigned-elsewhere", help="Units come with their arms: `raptorflow ingest exposures`.")
    ] = False,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Write an experiment down; it assigns nobody before `start`."""
    from flows import experiment_output
    from tasks.experiments.service import ExperimentService

    traffic = given(layer=layer, layer_share=layer_share, ramp=None if ramp is None else numbers("--ramp", ramp))
    traffic |= {"assigned_elsewhere": True} if assigned_elsewhere else {}
    traffic |= {} if context is None else {"context": [name.strip() for name in context.split(",")]}
    made = ExperimentService().create_experiment(
        name,
        workspace,
        with_changes([variant(one) for one in variants], changes),
        metric,
        kind_of_experiment,
        allocation,
        min_sample_size,
        confidence,
        hypothesis=hypothesis,
        metric_kind=kind,
        baseline=baseline if deviation is None or baseline is None else (baseline, deviation),
        secondary=[other_metric("--secondary", one, 1) for one in secondary or []],
        guardrails=[other_metric("--guardrail", one, 2) for one in guardrails or []],
        **given(direction=direction, min_effect_size=effect, daily_units=daily_units),
        **(settled(settings) | traffic),
    )
    experiment_output.record(made, f"next: raptorflow experiment start {made.experiment_id}", as_json)


@app.command()
def metric(
    name: Annotated[str, typer.Argument(help="What experiments call it; left out: all metrics.")] = "",
    workspace: Of = None,
    kind: Kind = None,
    direction: Annotated[str | None, typer.Option(help="increase or decrease, whichever is better.")] = None,
    quantile: Annotated[str | None, typer.Option(help="p50, p90 or p99: compare it instead of means.")] = None,
    window_days: Annotated[float | None, typer.Option(help="Days after exposure in which outcomes count.")] = None,
    winsorise_at: Annotated[float | None, typer.Option(help="Quantile at which values are capped (0.99).")] = None,
    effect: Effect = None,
    owner: Annotated[str | None, typer.Option(help="Who answers for it.")] = None,
    description: Annotated[str | None, typer.Option(help="What it counts.")] = None,
    as_json: Json = False,
) -> None:
    """Define a metric once for a workspace, or list those defined; a change is a new version."""
    from flows import experiment_output
    from tasks.experiments.service import ExperimentService

    service = ExperimentService()
    if not name:
        experiment_output.metrics(service.list_metrics(workspace), as_json)
        return
    if workspace is None:
        raise InputError("a metric belongs to a workspace: say --workspace ID")
    known = given(kind=kind, direction=direction, quantile=quantile, window_days=window_days)
    known |= given(winsorise_at=winsorise_at, min_effect_size=effect, owner=owner, description=description)
    experiment_output.metrics([service.define_metric(workspace, name, **known)], as_json)


@app.command()
def start(which: Which, workspace: Of = None, as_json: Json = False) -> None:
    """Freeze the design and begin to assign; starting twice changes nothing."""
    from flows import experiment_output
    from tasks.experiments.service import ExperimentService

    service = ExperimentService()
    record = service.start_experiment(service.identify(which, workspace))
    if service.is_assigned_elsewhere(record.experiment_id):
        from tasks.experiments.log_service import LogService

        LogService().take_in([record.workspace_id])  # what was ingested before it was started
        record = service.get_experiment(record.experiment_id)
    experiment_output.record(record, f"next: {experiment_output.after_start(service, record)}", as_json)


@app.command()
def show(which: Which, workspace: Of = None, png: Png = None, as_json: Json = False) -> None:
    """Look at it: first what to do, then the effects, then the checks. Looking often costs nothing."""
    from flows import experiment_output
    from tasks.experiments.service import ExperimentService

    service = ExperimentService()
    experiment_output.show(service, service.identify(which, workspace), png, as_json)


@app.command()
def assign(
    which: Which,
    units: Annotated[list[str], typer.Argument(metavar="UNIT…", help="Ids of users, posts, whatever is randomized.")],
    workspace: Of = None,
    segments: Annotated[
        list[str] | None, typer.Option("--segment", help="A label known before; several as country=DE, device=ios.")
    ] = None,
    context: Annotated[
        list[str] | None, typer.Option("--context", help="NAME=VALUE that is known of the units, once for each.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The arm of each unit: the same unit always gets the same one."""
    from flows import experiment_output
    from tasks.experiments.service import ExperimentService

    service = ExperimentService()
    arms = service.assign_variants(
        service.identify(which, workspace),
        units,
        [labels(segments)] * len(units),
        contexts=[context_of(context)] * len(units),
    )
    experiment_output.arms(units, arms, as_json)


@app.command()
def record(
    file: Annotated[Path, typer.Argument(help="CSV, Excel, Parquet or JSON Lines: unit_id, metric_name, value, …")],
    which: Annotated[str | None, typer.Option("--experiment", help="Its name, where the file does not say.")] = None,
    workspace: Of = None,
    mapping: Annotated[Path | None, typer.Option(help="YAML that renames, combines and sets columns.")] = None,
    as_json: Json = False,
) -> None:
    """Count the outcomes in a file, as `ingest outcomes` does; the same file twice changes nothing."""
    from flows import log_files

    log_files.take_in("outcomes", file, which, workspace, mapping, as_json)


@app.command()
def holdout(
    share: Annotated[float, typer.Argument(help="Share of all units that sees no experiment (0.05).")],
    metric: Annotated[str, typer.Option(help="What everything together is judged by.")],
    workspace: Annotated[str, typer.Option("--workspace", "-w", help="Whose it is.")],
    kind: Kind = None,
    direction: Annotated[str | None, typer.Option(help="increase or decrease, whichever is better.")] = None,
    as_json: Json = False,
) -> None:
    """Keep a share of the units out of every experiment from now on, and compare it with everybody else."""
    from flows import experiment_output
    from tasks.experiments.service import ExperimentService

    service = ExperimentService()
    made = service.create_holdout(workspace, share, metric, **given(metric_kind=kind, direction=direction))
    record = service.start_experiment(made.experiment_id)
    then = f"next: outcomes of all units, held out or not: raptorflow experiment record FILE --experiment {record.name}"
    experiment_output.record(record, then, as_json)


@app.command()
def ramp(which: Which, workspace: Of = None, as_json: Json = False) -> None:
    """Raise the traffic to the next stage of its ramp, unless a guardrail is harmed; the hourly look does it, too."""
    from flows import experiment_output
    from tasks.experiments.service import ExperimentService

    service = ExperimentService()
    step = service.advance_ramp(service.analyze_experiment(service.identify(which, workspace)))
    experiment_output.ramp(step, as_json)


@app.command()
def stop(which: Which, workspace: Of = None, as_json: Json = False) -> None:
    """End it now: with the winner that is proven, else without any."""
    from flows import experiment_output
    from tasks.experiments.service import ExperimentService

    service = ExperimentService()
    experiment_output.ended(service.complete_experiment(service.identify(which, workspace)), as_json)


@app.command()
def withdraw(
    which: Which,
    workspace: Annotated[str, typer.Option("--workspace", "-w", help="Whose it is.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
    actor: Annotated[str, typer.Option("--by", help="Who says so.")] = "a person",
    as_json: Json = False,
) -> None:
    """Take back an approval of the loop that has not started; it rests, and is then proposed again."""
    from datetime import UTC, datetime

    from flows import console
    from tasks.experiments.orchestration_service import OrchestrationService

    row = OrchestrationService().withdraw(workspace, which, actor, reason, datetime.now(UTC))
    if as_json:
        console.print_json(row)
        return
    console.say(f"{row['name']} is withdrawn: it is not proposed again for some weeks")


@app.command()
def decide(
    which: Which,
    winner: Annotated[str | None, typer.Option(help="Ship this arm, proven or not; it is kept which.")] = None,
    workspace: Of = None,
    as_json: Json = False,
) -> None:
    """End it with its answer; where nothing is proven, only with the arm that --winner names."""
    from flows import experiment_output
    from tasks.experiments.service import ExperimentService

    service = ExperimentService()
    experiment_id = service.identify(which, workspace)
    ended = service.decide_experiment(experiment_id) if winner is None else None
    experiment_output.ended(ended or service.complete_experiment(experiment_id, winner), as_json)
