"""Every flow learns from frozen rows: those its chain hands over, or its own when it is run by itself."""

from __future__ import annotations

from prefect.runtime import flow_run

from flows.chunks import each_chunk
from flows.parameters import Scope
from tasks.warehouse.snapshots import Chain
from tasks.warehouse.steps import extract_chunk, newest_row, plan_chunks


def frozen(options: Scope, chain: Chain | None = None) -> Chain:
    """The chain given, or one of this run's own over the workspaces and the window the form asks for."""
    if chain is not None:
        return chain
    chunks, window = plan_chunks(
        options.workspace_ids, options.workspaces_per_chunk, options.lookback_days, options.as_of
    )
    newest = newest_row(options.workspace_ids) if options.as_of else None
    is_newest = newest is None or newest < window[1]
    run_id = str(flow_run.id)
    return Chain(run_id, each_chunk(extract_chunk, chunks, window, run_id), is_newest)
