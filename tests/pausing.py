"""Runs that pause for a person, and a person who answers their form through the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateName
from prefect.exceptions import ObjectNotFound

from tests.running_platform import eventually


def answered(flow: Flow[..., Any], options: Any, meanwhile: Callable[[Any], None], **answer: Any) -> Any:
    """Start a flow that asks first, answer its form, give what the flow returned.

    `meanwhile` looks at the world while the run waits; it is given the form: its description and its schema.
    """
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(copy_context().run, flow, options)
        run = eventually(_paused)[0]
        meanwhile(eventually(lambda: _form(run)))
        with get_client(sync_client=True) as client:
            client.resume_flow_run(run.id, run_input=answer)
        return running.result(timeout=120)


def _form(run: Any) -> tuple[str, dict[str, Any]] | None:
    """Stored a moment after the run says that it is paused."""
    keys = run.state.state_details.run_input_keyset
    with get_client(sync_client=True) as client:
        try:
            said, schema = (client.read_flow_run_input(run.id, keys[name]) for name in ("description", "schema"))
        except ObjectNotFound:
            return None
    return json.loads(said), json.loads(schema)


def _paused() -> list[Any]:
    is_paused = FlowRunFilterState(name=FlowRunFilterStateName(any_=["Paused"]))
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=FlowRunFilter(state=is_paused))
