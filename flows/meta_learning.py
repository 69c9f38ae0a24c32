"""The nightly chain: freeze rows, learn patterns, share what may be shared, keep models good, say how it ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from prefect import State, flow
from prefect.states import Completed

from flows.backfill import form_of_night, plan_rows, planned_nights
from flows.chunks import outcomes_of_chunks
from flows.dry_run import show_plan
from flows.extraction import extract
from flows.model_refresh import model_refresh, question_of
from flows.parameters import MetaLearning, ModelRefresh, PatternLearning, TransferLearning
from flows.pattern_learning import pattern_learning
from flows.platform.temporary_server import server_is_temporary
from flows.task_runners import task_runner
from flows.transfer_learning import transfer_learning
from tasks.learnings.steps import note_findings_told, remember_learnings, untold_findings
from tasks.models.steps import critical_drift
from tasks.patterns.steps import patterns_question
from tasks.reporting import Event, announce, emit, publish_table, publish_with_index, published_rows, step
from tasks.reporting.findings_digest import digest_of
from tasks.reporting.pattern_report import best_of
from tasks.reporting.summary import EVERYTHING, summarize, summary_report
from tasks.transfer.steps import transfer_question
from tasks.warehouse.steps import newly_silent, note_silence_told, only_teller, read_outcomes

MOST_NAMED = 20
REPORTS = {
    "raptorflow": "all reports",
    "pattern-learning-report": "patterns found",
    "transfer-learning-release": "the private release",
    "model-refresh-report": "models",
}


@flow(name="meta-learning", flow_run_name="meta-learning · {options}", task_runner=task_runner())
def meta_learning(options: MetaLearning = MetaLearning()) -> dict[str, Any] | State[dict[str, Any]]:
    """Learn from what every workspace published: extraction, patterns, transfer, drift and retraining.

    All steps read the same frozen rows. A workspace that fails is reported and does not stop the others. Killed at
    any point, the flow is simply run again. With a range of dates, past nights are run again, oldest first, each on
    the window it would have read then; twice changes nothing.
    """
    if options.dry_run:
        plan = plan_rows(planned_nights(options))
        return show_plan("meta-learning", plan, f"nights that would be run, oldest first: {len(plan)}")
    if options.backfill_from is not None:
        return run_nights(options)
    seconds: dict[str, float] = {}
    with step("extraction", seconds):
        looked_for = patterns_question(options.content_types, options.lookback_days)
        chain = extract(options, looked_for, transfer_question(), question_of(options))
    with step("patterns", seconds):
        patterns = pattern_learning(options.for_step(PatternLearning), chain)
    if chain.is_newest:  # what workspaces share is their present: a past night would put it back
        tell_of_silence()
        with step("transfer", seconds):
            transfer_learning(options.for_step(TransferLearning), chain)
    with step("models", seconds):
        model_refresh(options.for_step(ModelRefresh), chain)
    with step("learnings", seconds):
        outcomes_of_chunks(remember_learnings, [chunk.workspace_ids for chunk in chain.chunks], chain.run_id)
    if chain.is_newest:
        tell_of_findings()
    summary = summarize(read_outcomes(chain.run_id), seconds)
    before = published_rows(EVERYTHING).get(EVERYTHING)
    everyone = not options.workspace_ids
    publish_with_index(summary_report(summary, before, best_of(patterns), REPORTS, everyone=everyone))
    return marked(summary)


def tell_of_silence() -> None:
    """Tell of workspaces from which nothing new comes any more: once each, all of a night together.

    Where the server ends with the run, no automation hears the event: the next night under `raptorflow up` tells it.
    """
    with only_teller():
        now = datetime.now(UTC)
        silent = newly_silent(now)
        if silent:
            announce_silence(silent)
        if not server_is_temporary():
            note_silence_told(now)


def announce_silence(silent: list[str]) -> None:
    """Say it in the run's log and, by an event, to operators."""
    more = f"; and {len(silent) - MOST_NAMED} more" if len(silent) > MOST_NAMED else ""
    words = f"Input stopped arriving ({len(silent)}): {'; '.join(silent[:MOST_NAMED])}{more}"
    announce(words)
    emit(Event.INPUT_STOPPED, "input", {"summary": words, "n_stopped": len(silent)})


def tell_of_findings() -> None:
    """Tell operators what was found since they were last told: one message a night, by an event.

    Where the server ends with the run, no automation hears the event: the next night under `raptorflow up` tells it.
    """
    with only_teller():
        findings = untold_findings()
        if findings:
            words = digest_of(findings, critical_drift())
            announce(words.partition("\n")[0])
            emit(Event.FINDINGS_TOLD, "findings", {"summary": words, "n_found": len(findings)})
            if not server_is_temporary():
                note_findings_told([one["learning_id"] for one in findings], datetime.now(UTC))


def marked(summary: dict[str, Any]) -> dict[str, Any] | State[dict[str, Any]]:
    """The summary; where workspaces failed, the run's state says how many, wherever runs are listed."""
    failed, known = summary["workspaces"]["failed"], sum(summary["workspaces"].values())
    return Completed(message=f"{failed} of {known} workspaces failed", data=summary) if failed else summary


def run_nights(options: MetaLearning) -> dict[str, Any]:
    """Run each night of a range as a chain of its own; only one that reaches the newest row shares its effects."""
    planned, rows = planned_nights(options), []
    for night in planned:
        ended = cast(dict[str, Any], meta_learning(form_of_night(options, night)))  # of a state, what it holds
        rows.append({"night": f"{night['night']:%Y-%m-%d}"} | ended["workspaces"])
        announce(f"night {rows[-1]['night']} is run, {len(rows)} of {len(planned)}")
    publish_table("meta-learning-backfill", rows, "Nights run again, and how many workspaces are done, skipped, failed")
    return {"nights": rows}
