"""Every running experiment, looked at: what is known, and what to do."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.chunks import outcomes_of_chunks
from flows.parameters import ExperimentAnalysis
from flows.task_runners import task_runner
from tasks.experiments.steps import analyze_experiments, reports_of, running_experiments
from tasks.reporting import announce, artifact_key, emit, figure, publish_markdown
from tasks.reporting.experiment_report import experiment_report
from tasks.warehouse.outcomes import Outcome

NAME = "experiment-analysis"


@flow(name=NAME, flow_run_name="experiment-analysis · {options}", task_runner=task_runner())
def experiment_analysis(options: ExperimentAnalysis = ExperimentAnalysis()) -> list[Outcome]:
    """Analyse all running experiments: safe to look at every night; completed where that was asked for."""
    chunks = running_experiments(options.workspace_ids, options.workspaces_per_chunk)
    outcomes = outcomes_of_chunks(analyze_experiments, chunks, options.complete, str(flow_run.id))
    reports = list(reports_of(outcomes))
    for report in reports:
        publish(report)
    announce(f"{len(reports)} experiments looked at")
    return outcomes


def publish(report: dict[str, Any]) -> None:
    """One report a person reads, and one event where the experiment has ended."""
    found, ended, picture = report["analysis"], report["ended"], report["picture"]
    parts = [experiment_report(found, ended is not None)]
    parts += [figure(picture, f"Effects of {found.name} over time")] if picture else []
    publish_markdown(artifact_key(NAME, found.experiment_id), "\n\n".join(parts), f"{found.name}: {found.status.value}")
    if ended is not None:
        told = {"name": ended.name, "conclusion": ended.conclusion, "winner": ended.winner, "p_value": found.p_value}
        emit("raptorflow.experiment.decided", f"experiment.{ended.experiment_id}", told)
