"""Every running experiment, looked at: what is known, and what to do."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.approvals import EndingApproval, ask, with_menu
from flows.chunks import outcomes_of_chunks
from flows.parameters import ExperimentAnalysis
from flows.task_runners import task_runner
from tasks.experiments.steps import (
    analyze_experiments,
    answered,
    end_experiments,
    list_experiments,
    reports_of,
    running_experiments,
)
from tasks.learnings.steps import remember_learnings
from tasks.plain_text import markdown
from tasks.reporting import (
    Event,
    announce,
    emit,
    figure,
    fixed_key,
    publish_markdown,
    publish_table,
    publish_with_index,
    published_rows,
)
from tasks.reporting.experiment_index import EVERYTHING, experiment_index, experiment_key
from tasks.reporting.experiment_report import answers_in_words, experiment_report
from tasks.warehouse.outcomes import Outcome

NAME = "experiment-analysis"


@flow(name=NAME, flow_run_name="experiment-analysis · {options}", task_runner=task_runner())
def experiment_analysis(options: ExperimentAnalysis = ExperimentAnalysis()) -> list[Outcome]:
    """Analyze all running experiments: safe to look at every hour; completed where that was asked for.

    With `Ask first` the run pauses where experiments have an answer, and a person decides which of them end.
    """
    chunks = running_experiments(options.workspace_ids, options.workspaces_per_chunk)
    completes = options.complete and not options.needs_approval
    outcomes = outcomes_of_chunks(analyze_experiments, chunks, completes, str(flow_run.id))
    reports = list(reports_of(outcomes))
    for report in reports:
        publish(report)
    publish_with_index(experiment_index(list_experiments(()), outcomes, published_rows(EVERYTHING).get(EVERYTHING)))
    if options.needs_approval:
        ask_first(reports, options.approval_hours)
    outcomes_of_chunks(remember_learnings, [list(chunk) for chunk in chunks], str(flow_run.id))
    announce(f"{len(reports)} experiments looked at")
    return outcomes


def ask_first(reports: list[dict[str, Any]], hours: int) -> None:
    """Let a person decide which of the experiments that have an answer end."""
    waiting = answered(reports)
    if not waiting:
        announce("no running experiment has an answer yet: there is nothing to decide")
        return
    publish_table(fixed_key(NAME, "answered"), waiting, "What waits for a decision")
    form = with_menu(EndingApproval, "leave_running", [row["experiment_id"] for row in waiting])
    answer = ask(form, answers_in_words(waiting), hours)
    ended = end_experiments(waiting, answer.leave_running) if answer.end_them else {}
    for report in reports:
        if report["analysis"].experiment_id in ended:
            publish(report | {"ended": ended[report["analysis"].experiment_id]})
    announce(f"{len(ended)} of {len(waiting)} experiments that have an answer were ended")


def publish(report: dict[str, Any]) -> None:
    """One report a person reads, and one event where the experiment has ended."""
    analysis, ended, picture = report["analysis"], report["ended"], report["picture"]
    parts = [experiment_report(analysis, ended is not None)]
    parts += [f"Ramp: {markdown(report['ramp'].in_words())}."] if report["ramp"] else []
    parts += [figure(picture, f"Effects of {analysis.name} over time")] if picture else []
    about = f"{analysis.name}: {analysis.status.value.replace('_', ' ')}"
    publish_markdown(experiment_key(analysis.experiment_id), "\n\n".join(parts), about)
    if ended is not None:
        payload = {name: getattr(ended, name) for name in ("name", "conclusion", "winner")}
        payload |= {"p_value": analysis.p_value}
        emit(Event.EXPERIMENT_DECIDED, f"experiment.{ended.experiment_id}", payload)
