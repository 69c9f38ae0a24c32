"""What workspaces may learn from each other."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.chunks import outcomes_of_chunks
from flows.extraction import extract
from flows.parameters import TransferLearning
from flows.task_runners import task_runner
from tasks.reporting import announce, publish_with_index, published_rows, report_rows
from tasks.reporting.release_report import EVERYTHING, all_rows, release_report
from tasks.transfer.steps import contribute_effects, measure_releases, release_insights, transfer_question
from tasks.warehouse.snapshots import Chain


@flow(name="transfer-learning", flow_run_name="transfer-learning · {options}", task_runner=task_runner())
def transfer_learning(options: TransferLearning = TransferLearning(), chain: Chain | None = None) -> dict[str, Any]:
    """Let each workspace estimate for itself, and publish one private release a period.

    Nothing exact crosses organizations: not a number, not even how many took part. A night that finds the period's
    release published leaves it as it is.
    """
    chain = chain or extract(options, transfer_question())
    outcomes = outcomes_of_chunks(contribute_effects, chain.chunks, chain.run_id)
    released = release_insights(options.epsilon, options.delta, chain.run_id)
    others = measure_releases()
    before, looked_at = published_rows(EVERYTHING).get(EVERYTHING), {"", *(one.workspace_id for one in outcomes)}
    known = report_rows(before, all_rows(outcomes, released), looked_at, everyone=not options.workspace_ids)
    publish_with_index(release_report(known, released, others))
    announce(f"release of period {released['period']}: {released['status']}")
    return released
