"""Frozen rows for a flow that is run by itself; in the nightly chain, flows get those of the chain."""

from __future__ import annotations

from prefect.runtime import flow_run

from flows.chunks import each_chunk
from flows.parameters import RowSelection
from tasks.warehouse.snapshots import Chain
from tasks.warehouse.standing import StepQuestion
from tasks.warehouse.steps import extract_chunk, newest_row, plan_chunks


def extract(options: RowSelection, *questions: StepQuestion) -> Chain:
    """Freeze the rows that the form selects, workspaces and window, for this run and the flows it calls.

    Args:
        options: the form.
        questions: what those flows ask of the rows: a workspace for which all their answers stand is not read. A past
            night is always read, and its answers are not remembered.
    """
    chunks, window = plan_chunks(
        options.workspace_ids, options.workspaces_per_chunk, options.lookback_days, options.as_of
    )
    newest = newest_row(options.workspace_ids) if options.as_of else None
    is_newest = newest is None or newest < window[1]
    run_id = str(flow_run.id)
    remembered = () if options.as_of else questions
    return Chain(run_id, each_chunk(extract_chunk, chunks, window, run_id, remembered, options.recompute), is_newest)
