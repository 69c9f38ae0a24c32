"""What makes each workspace's content win or lose."""

from __future__ import annotations

from prefect import flow

from flows.chunks import outcomes_of_chunks
from flows.extraction import extract
from flows.parameters import PatternLearning
from flows.task_runners import task_runner
from tasks.patterns.steps import check_content_types, learn_patterns, patterns_question
from tasks.reporting import announce, publish_markdown, publish_with_index, published_rows, report_rows
from tasks.reporting.pattern_report import (
    CLIENTS,
    EVERYTHING,
    all_rows,
    client_key,
    client_pages,
    clients_page,
    controls_of,
    counted,
    pattern_report,
)
from tasks.warehouse.outcomes import Outcome
from tasks.warehouse.snapshots import Chain


@flow(name="pattern-learning", flow_run_name="pattern-learning · {options}", task_runner=task_runner())
def pattern_learning(options: PatternLearning = PatternLearning(), chain: Chain | None = None) -> list[Outcome]:
    """Find the patterns of each workspace, and pay for all rules that were searched.

    Associations, not causes: adjusted for channel and season, held to a false discovery rate.
    """
    if options.content_types:
        check_content_types(options.content_types)
    chain = chain or extract(options, patterns_question(options.content_types, options.lookback_days))
    outcomes = outcomes_of_chunks(learn_patterns, chain.chunks, options.content_types, chain.run_id)
    publish(outcomes, everyone=not options.workspace_ids)
    announce(counted(outcomes))
    return outcomes


def publish(outcomes: list[Outcome], *, everyone: bool) -> None:
    """A page for each workspace whose patterns changed, and the report for whoever runs the platform."""
    before = published_rows(EVERYTHING).get(EVERYTHING)
    known = report_rows(before, all_rows(outcomes), {outcome.workspace_id for outcome in outcomes}, everyone=everyone)
    for workspace_id, page in client_pages(outcomes, known):
        publish_markdown(client_key(workspace_id), page, f"What works for {workspace_id}")
    publish_markdown(CLIENTS, clients_page(known.rows), "Pages that can be shown to clients")
    publish_with_index(pattern_report(known, controls_of(outcomes)))
