"""The nightly chain: freeze rows, learn patterns, share what may be shared, keep models good, say how it ended."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.freezing import frozen
from flows.model_refresh import model_refresh
from flows.parameters import MetaLearning, ModelRefresh, PatternLearning, TransferLearning
from flows.pattern_learning import pattern_learning
from flows.transfer_learning import transfer_learning
from tasks.reporting import as_markdown, publish_markdown, step, summarise
from tasks.warehouse.steps import read_outcomes


@flow(name="meta-learning", flow_run_name="meta-learning · {options}")
def meta_learning(options: MetaLearning = MetaLearning()) -> dict[str, Any]:
    """Learn from what every workspace published: extraction, patterns, transfer, drift and retraining.

    All steps read the same frozen rows. A workspace that fails is reported and does not stop the others. Killed at
    any point, the flow is simply run again.
    """
    seconds: dict[str, float] = {}
    with step("extraction", seconds):
        chain = frozen(options)
    with step("patterns", seconds):
        pattern_learning(options.for_step(PatternLearning), chain)
    with step("transfer", seconds):
        transfer_learning(options.for_step(TransferLearning), chain)
    with step("models", seconds):
        model_refresh(options.for_step(ModelRefresh), chain)
    summary = summarise(read_outcomes(chain.run_id), seconds)
    publish_markdown("meta-learning-summary", as_markdown("Nightly chain", summary), "Done, failed, skipped, and why")
    return summary
