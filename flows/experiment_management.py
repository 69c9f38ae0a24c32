"""Plans, creates, starts, looks at and ends one experiment, from a form."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.experiment_options import given, other_metric, variant, with_changes
from flows.parameters import ExperimentManagement
from tasks.errors import InputError
from tasks.experiments.figures import power_by_size
from tasks.experiments.headline import plan_in_words
from tasks.experiments.steps import act_on_experiment, create_experiment, plan_experiment
from tasks.reporting import announce, figure, fixed_key, publish_markdown
from tasks.reporting.experiment_report import experiment_report, plan_report, record_report

NAME = "experiment-management"


@flow(name=NAME, flow_run_name="experiment-management · {options}")
def experiment_management(options: ExperimentManagement = ExperimentManagement()) -> dict[str, Any]:
    """Do one thing with one experiment: plan writes nothing, decide ends it with its answer or the arm you name."""
    if options.action == "plan":
        return plan(options)
    if not options.experiment:
        raise InputError(f"{options.action} needs the experiment's name; fill in Experiment")
    if options.action == "create":
        return create(options, options.experiment)
    done = act_on_experiment(options.action, options.experiment, options.workspace_id, options.winner)
    record, analysis = done["record"], done["analysis"]
    text = record_report(record) if analysis is None else experiment_report(analysis, record.completed_at is not None)
    parts = [text, *([figure(done["picture"], "Effects over time")] if done["picture"] else [])]
    publish_markdown(fixed_key(NAME, record.experiment_id), "\n\n".join(parts), f"{record.name}: {options.action}")
    announce(f"{record.name}: {record.status}")
    return {"record": record, "analysis": analysis, "ramp": done["ramp"]}


def plan(options: ExperimentManagement) -> dict[str, Any]:
    """The plan of the form's numbers, as a page with its curve."""
    weights = [one.get("weight") for one in map(variant, options.variants)]
    baseline = (options.baseline, options.deviation) if options.deviation else options.baseline
    kind = options.metric_kind or (None if options.deviation else "binary")
    shares = None if None in weights else weights
    design = given(daily_units=options.daily_units or None) | options.design
    effect, arms = options.min_effect_size, len(options.variants)
    curve = plan_experiment(baseline, kind, arms=arms, weights=shares, min_effect_size=effect, **design)
    text = f"{plan_report(curve)}\n\n{figure(power_by_size(curve), 'Power by size')}"
    publish_markdown(fixed_key(NAME, "plan"), text, "Size and power of an experiment")
    announce(next(iter(plan_in_words(curve))))
    return {"plan_of_experiment": curve}


def create(options: ExperimentManagement, name: str) -> dict[str, Any]:
    """The experiment that the form describes."""
    if not options.workspace_id or not options.metric:
        raise InputError("create needs a workspace and the metric that decides; fill in Workspace and Metric")
    baseline = (options.baseline, options.deviation) if options.deviation else options.baseline
    is_known = options.deviation or options.metric_kind == "binary"
    record = create_experiment(
        name,
        options.workspace_id,
        variants=with_changes([variant(one) for one in options.variants], options.changes),
        metric_name=options.metric,
        experiment_type=options.experiment_type,
        secondary=[other_metric("Secondary metrics", one, 1) for one in options.secondary],
        guardrails=[other_metric("Guardrails", one, 2) for one in options.guardrails],
        min_effect_size=options.min_effect_size,
        baseline=baseline if is_known else None,
        **given(hypothesis=options.hypothesis, metric_kind=options.metric_kind or None),
        **given(daily_units=options.daily_units or None),
        **options.design,
    )
    publish_markdown(fixed_key(NAME, record.experiment_id), record_report(record), f"{record.name}: created")
    announce(f"{record.name}: {record.status}, {record.experiment_id}")
    return {"record": record}
