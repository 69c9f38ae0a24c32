"""Runs that were cut off when their platform ended."""

from __future__ import annotations

# One that is suspended has no process: it starts again when it is resumed.
HAD_A_PROCESS = {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING", "PAUSED"]}, "name": {"not_any_": ["Suspended"]}}


def mark_interrupted() -> int:
    """Mark every run of a deployment that still counts as running as crashed; only before any worker has started.

    One that was paused for a person had a process too, which is gone: answered, it would run for ever and do nothing.

    Returns:
        how many there were. What such a run had finished stays; run again, it writes nothing twice.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.states import Crashed

    running = FlowRunFilter.model_validate({"state": HAD_A_PROCESS, "deployment_id": {"is_null_": False}})
    message = "The platform ended while this ran. Run it again; what it had finished is not written twice."
    marked = 0
    with get_client(sync_client=True) as client:
        while runs := client.read_flow_runs(flow_run_filter=running, limit=200):
            for run in runs:
                client.set_flow_run_state(run.id, Crashed(message=message), force=True)
            marked += len(runs)
    return marked
