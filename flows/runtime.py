"""Settles Prefect and MLflow for embedded use: their state in our home, their chatter out of people's sight."""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from pydantic import ValidationError

from flows.platform.environment import join_running, temporary_server
from flows.platform.temporary_server import begin_temporary_server
from flows.task_runners import UnreachableServerError, local_cluster
from tasks.errors import InputError, UnknownNameError
from tasks.private_files import private_folder
from tasks.settings import Settings, get_settings

if TYPE_CHECKING:
    from prefect import Flow

TASK_RUNNERS = get_args(Settings.model_fields["task_runner"].annotation)
# Module entrypoints, never paths: a path loads a flow twice and puts flows/ on sys.path.
ENTRYPOINTS = {
    "meta-learning": "flows.meta_learning.meta_learning",
    "content-ingestion": "flows.content_ingestion.content_ingestion",
    "pattern-learning": "flows.pattern_learning.pattern_learning",
    "transfer-learning": "flows.transfer_learning.transfer_learning",
    "model-refresh": "flows.model_refresh.model_refresh",
    "experiment-analysis": "flows.experiment_analysis.experiment_analysis",
    "experiment-management": "flows.experiment_management.experiment_management",
    "experiment-orchestration": "flows.experiment_orchestration.experiment_orchestration",
    "programme-report": "flows.program_report.program_report",
    "debate-synthesis": "flows.debate_synthesis.debate_synthesis",
    "model-promotion": "flows.model_promotion.model_promotion",
    "model-rollback": "flows.model_rollback.model_rollback",
    "release-exchange": "flows.release_exchange.release_exchange",
    "housekeeping": "flows.housekeeping.housekeeping",
}


def prepare(quiet: bool = True) -> None:
    """Set what Prefect and MLflow read when they are imported; what a person has set stays as it is.

    Args:
        quiet: this process runs flows by hand, on the platform of this home where one runs, and keeps Prefect's own
            log from people; `up` does not: its children inherit this, and their runs need theirs.
    """
    home = get_settings().home.resolve()
    private_folder(home)
    defaults = {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MPLBACKEND": "Agg",
    }
    if quiet:
        join_running()
        if "PREFECT_API_URL" not in os.environ and "prefect" not in sys.modules:  # which has read its settings
            defaults |= temporary_server()
        defaults |= {"PREFECT_LOGGING_LEVEL": "CRITICAL", "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL"}
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def load_flow(name: str) -> Flow[..., Any]:
    """The flow of that name.

    Raises:
        UnknownNameError: if there is no such flow.
    """
    _require_known(name)
    prepare()
    module, _, attribute = ENTRYPOINTS[name].rpartition(".")
    flow: Flow[..., Any] = getattr(importlib.import_module(module), attribute)
    return flow


def _require_known(name: str) -> None:
    if name not in ENTRYPOINTS:
        raise UnknownNameError("flow", name, ENTRYPOINTS)


@contextmanager
def embedded() -> Iterator[None]:
    """Run flows by hand: Prefect in this process unless PREFECT_API_URL names a server."""
    prepare()
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # Its heartbeat thread makes every flow wait up to a second at its end; nobody watches a run in this process.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield
    # The in-process server prints 'Error flushing events' while it is torn down, after all work is stored.
    logging.getLogger("prefect").setLevel(logging.CRITICAL + 1)


@contextmanager
def server_meanwhile() -> Iterator[None]:
    """Have Prefect's server start while other work goes on: it takes ten seconds, most of them another core's."""
    prepare()
    wait = begin_temporary_server()
    yield
    wait()


def run_by_hand(name: str, pairs: list[str], task_runner: str | None = None) -> Any:
    """Run a flow with `key=value` pairs as its form.

    Raises:
        UnknownNameError: if there is no such flow, parameter or task runner.
        InputError: if a value is wrong, or a cluster is wanted without a server that it can reach.
    """
    _require_known(name)
    runner = task_runner or get_settings().task_runner
    if runner not in TASK_RUNNERS:
        raise UnknownNameError("task runner", runner, TASK_RUNNERS)
    prepare()
    if runner == "dask":
        _require_reachable_server()
    wait = begin_temporary_server()  # which comes up while the flow is loaded
    with _tasks_on(runner):
        flow = load_flow(name)
        options = _options(flow, pairs)
        wait()
        from prefect import tags

        with embedded(), tags("by-hand"):
            return flow(options)


def _require_reachable_server() -> None:
    """A cluster that is made here reaches the run's temporary server; one that is there may be on other machines, and
    nobody reaches the server within this process that an empty address asks for.
    """
    is_named = "PREFECT_API_URL" in os.environ
    if not os.environ.get("PREFECT_API_URL") and (is_named or get_settings().dask_address):
        raise UnreachableServerError


@contextmanager
def _tasks_on(task_runner: str) -> Iterator[None]:
    """Set where tasks run before any flow is imported; a Dask cluster is RAPTORFLOW_DASK_ADDRESS, or made here."""
    with ExitStack() as stack:
        if task_runner == "dask":
            os.environ["RAPTORFLOW_TASK_RUNNER"] = task_runner
            if not get_settings().dask_address:
                os.environ["RAPTORFLOW_DASK_ADDRESS"] = stack.enter_context(local_cluster())
            get_settings.cache_clear()
        yield


def _options(flow: Flow[..., Any], pairs: list[str]) -> Any:
    """The flow's form, filled from `key=value`; each value is JSON where it parses as such, else text."""
    form = get_type_hints(flow.fn)["options"]
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"--param takes key=value, not '{pair}'")
        if key not in form.model_fields:
            raise UnknownNameError(f"parameter of {flow.name}", key, form.model_fields)
        values[key] = _json_or_text(text)
    try:
        return form.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(["--param", ".".join(map(str, first["loc"]))]).strip()
        raise InputError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from error


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or more digits or depth than Python reads
        return text
