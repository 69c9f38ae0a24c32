"""Runs that pause for a person, and a person who answers their form through the API."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateName

from tests.running_platform import eventually


def answered(flow: Flow[..., Any], options: Any, meanwhile: Callable[[], None], **answer: Any) -> Any:
    """Start a flow that asks first, look at the world while it waits, answer its form; gives what the flow returned."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(copy_context().run, flow, options)
        run = eventually(_paused)[0]
        meanwhile()
        with get_client(sync_client=True) as client:
            client.resume_flow_run(run.id, run_input=answer)
        return running.result(timeout=120)


def _paused() -> list[Any]:
    is_paused = FlowRunFilterState(name=FlowRunFilterStateName(any_=["Paused"]))
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=FlowRunFilter(state=is_paused))
