"""What whole programs of experiments came to, and what of it is expected to hold."""

from __future__ import annotations

from prefect import flow
from prefect.runtime import flow_run

from flows.chunks import outcomes_of_chunks
from flows.parameters import ProgramReport
from flows.task_runners import task_runner
from tasks.effects.steps import report_programs, workspaces_in_chunks
from tasks.reporting import announce, publish_markdown, publish_with_index, published_rows
from tasks.reporting.program_report import EVERYTHING, program_index, program_key, program_page
from tasks.warehouse.outcomes import Outcome


@flow(name="programme-report", flow_run_name="programme-report · {options}", task_runner=task_runner())
def program_report(options: ProgramReport = ProgramReport()) -> list[Outcome]:
    """Report each workspace's experiments: claimed gains, and what is expected to hold of them.

    Declared effects are shrunk over the whole program of the workspace and its organization, selection included.
    """
    chunks = workspaces_in_chunks(options.workspace_ids, options.workspaces_per_chunk)
    outcomes = outcomes_of_chunks(report_programs, chunks, str(flow_run.id))
    reported = [outcome for outcome in outcomes if "program" in outcome.result]
    for outcome in reported:
        page = program_page(outcome.result["program"])
        publish_markdown(program_key(outcome.workspace_id), page, f"Experiments of {outcome.workspace_id}")
    publish_with_index(program_index(outcomes, published_rows(EVERYTHING).get(EVERYTHING)))
    announce(f"{len(reported)} programs reported")
    return outcomes
