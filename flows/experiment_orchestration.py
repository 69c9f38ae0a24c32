"""The loop: what has an answer is decided, what that proves is the default, and what is worth a test is asked about."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow
from prefect.exceptions import FlowPauseTimeout
from prefect.runtime import flow_run

from flows.approvals import LoopApproval, ask, with_menu
from flows.chunks import outcomes_of_chunks
from flows.experiment_analysis import experiment_analysis
from flows.experiment_options import other_metric
from flows.parameters import ExperimentAnalysis, ExperimentOrchestration, PatternLearning
from flows.pattern_learning import pattern_learning
from flows.task_runners import task_runner
from tasks.effects.loop.drafts import DraftedExperiment, LoopTerms
from tasks.effects.steps import workspaces_in_chunks
from tasks.experiments.steps import advance_loops, answer_drafts, best_drafts, reports_of
from tasks.reporting import announce, publish_with_index, published_rows
from tasks.reporting.orchestration_report import EVERYTHING, about, asked_in_words, orchestration_report
from tasks.warehouse.outcomes import Outcome

NAME = "experiment-orchestration"
BEFOREHAND = "approved beforehand: the run did not ask"


@flow(name=NAME, flow_run_name="experiment-orchestration · {options}", task_runner=task_runner())
def experiment_orchestration(options: ExperimentOrchestration = ExperimentOrchestration()) -> list[Outcome]:
    """Run the experiments that are worth most, one after the other, and keep what they prove.

    Decides running ones by their rule, writes and retires defaults, calibrates anew, starts what was approved as far
    as there is room, and asks which of the best candidates to run; one in ten is drawn by lot. Killed at any point,
    the flow is simply run again: nothing runs twice, and what was declined is not asked again for some weeks.
    """
    terms, run_id = terms_of(options), str(flow_run.id)
    decide(options.workspace_ids, options.workspaces_per_chunk)
    chunks = workspaces_in_chunks(options.workspace_ids, options.workspaces_per_chunk)
    outcomes = outcomes_of_chunks(advance_loops, chunks, terms, options.propose, run_id)
    drafts = best_drafts(outcomes, options.most_asked)
    if drafts and (not options.needs_approval or asked(options, drafts, outcomes)):
        if not options.needs_approval:
            answer_drafts(drafts, NAME, BEFOREHAND, yes=True)
        outcomes = outcomes_of_chunks(advance_loops, chunks, terms, False, run_id)
    publish(options, outcomes, [])
    announce(f"{len(drafts)} experiments proposed to {len({one.workspace_id for one in drafts})} workspaces")
    return outcomes


def decide(workspace_ids: list[str], size: int) -> None:
    """Look at what runs, end what has an answer, and let associations be calibrated by what ended."""
    options = ExperimentAnalysis(workspace_ids=workspace_ids, workspaces_per_chunk=size)
    ended = {one["ended"].workspace_id for one in reports_of(experiment_analysis(options)) if one["ended"] is not None}
    if ended:
        pattern_learning(PatternLearning(workspace_ids=sorted(ended)))


def terms_of(options: ExperimentOrchestration) -> LoopTerms:
    """The form's terms."""
    guardrails = [other_metric("Guardrails", one, 2) for one in options.guardrails]
    return LoopTerms(
        options.metric, guardrails, options.most_running, options.weeks_declined, options.assigned_elsewhere
    )


def asked(options: ExperimentOrchestration, drafts: Sequence[DraftedExperiment], outcomes: list[Outcome]) -> bool:
    """Let a person say which drafts are run; whether anybody did. What nobody answers is proposed again."""
    publish(options, outcomes, drafts)
    form = with_menu(LoopApproval, "leave_out", [about(one) for one in drafts])
    try:
        answer = ask(form, asked_in_words(drafts), options.approval_hours)
    except FlowPauseTimeout:
        announce(f"nobody answered within {options.approval_hours} hours: nothing is run, and all is proposed again")
        return False
    yes = [one for one in drafts if answer.run_them and about(one) not in answer.leave_out]
    answer_drafts(yes, answer.actor, answer.reason, yes=True)
    answer_drafts([one for one in drafts if one not in yes], answer.actor, answer.reason, yes=False)
    announce(f"{len(yes)} of {len(drafts)} proposed experiments approved by {answer.actor}: {answer.reason}")
    return True


def publish(options: ExperimentOrchestration, outcomes: list[Outcome], drafts: Sequence[DraftedExperiment]) -> None:
    """The report, while a question waits and after."""
    before = published_rows(EVERYTHING).get(EVERYTHING)
    publish_with_index(orchestration_report(outcomes, drafts, before, everyone=not options.workspace_ids))
