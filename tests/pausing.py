"""Runs that pause for a person, and a person who answers their form through the API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any
from unittest.mock import patch

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateName
from prefect.exceptions import ObjectNotFound

from flows import approvals
from tests.running_platform import eventually


def answered(flow: Flow[..., Any], options: Any, meanwhile: Callable[[Any], None], **answer: Any) -> Any:
    """Start a flow that asks first, answer its form, give what the flow returned.

    `meanwhile` looks at the world while the run waits; it is given the form: its description and its schema.

    A run that nobody answers waits for days. Whatever fails here fails at once: nobody waits for its thread, and one
    that an earlier test left waiting on the shared server is not taken for this one.
    """
    earlier = {run.id for run in _paused()}
    with patch.object(approvals, "SECONDS_BETWEEN_LOOKS", 1):
        return _answered(flow, options, meanwhile, answer, earlier)


def _answered(
    flow: Flow[..., Any], options: Any, meanwhile: Callable[[Any], None], answer: dict[str, Any], earlier: set[Any]
) -> Any:
    running = _started(flow, options)

    def waiting() -> list[Any]:
        if running.done():  # it did not ask: what it returned instead is no answer, what it raised is the reason
            raise AssertionError(f"the run ended without asking: {running.result()}")
        return [run for run in _paused() if run.id not in earlier]

    run = eventually(waiting)[0]
    meanwhile(eventually(lambda: _form(run)))
    with get_client(sync_client=True) as client:
        resumed = client.resume_flow_run(run.id, run_input=answer)
    assert resumed.status.value == "ACCEPT", resumed
    return running.result(timeout=120)


def _started(flow: Flow[..., Any], options: Any) -> Future[Any]:
    """The flow's end; its thread is a daemon, which neither a failed test nor the interpreter's end waits for."""
    ended: Future[Any] = Future()

    def run() -> None:
        try:
            ended.set_result(flow(options))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            ended.set_exception(error)

    threading.Thread(target=copy_context().run, args=(run,), name=f"asks: {flow.name}", daemon=True).start()
    return ended


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
