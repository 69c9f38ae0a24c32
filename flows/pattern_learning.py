"""What makes each workspace's content win or lose."""

from __future__ import annotations

from prefect import flow

from flows.chunks import outcomes_of_chunks
from flows.extraction import extract
from flows.parameters import PatternLearning
from flows.task_runners import task_runner
from tasks.patterns.steps import learn_patterns
from tasks.reporting import announce, artifact_key, publish_markdown
from tasks.reporting.pattern_report import counted, pattern_report, workspace_reports
from tasks.warehouse.outcomes import Outcome
from tasks.warehouse.snapshots import Chain


@flow(name="pattern-learning", flow_run_name="pattern-learning · {options}", task_runner=task_runner())
def pattern_learning(options: PatternLearning = PatternLearning(), chain: Chain | None = None) -> list[Outcome]:
    """Find the patterns of each workspace, and pay for all rules that were searched.

    Associations, not causes: adjusted for channel and season, held to a false discovery rate.
    """
    chain = chain or extract(options)
    outcomes = outcomes_of_chunks(learn_patterns, chain.chunks, options.content_types, chain.run_id)
    publish_markdown("pattern-learning-report", pattern_report(outcomes), "Patterns found")
    for workspace_id, page in workspace_reports(outcomes):
        publish_markdown(artifact_key("pattern-learning", workspace_id), page, f"What works for {workspace_id}")
    announce(counted(outcomes))
    return outcomes
