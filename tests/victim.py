"""The nightly chain, or the loop of experiments, in a process of its own that can kill itself at a chosen point."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from mlflow import MlflowClient
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from sqlalchemy import Engine, event

from flows.experiment_orchestration import experiment_orchestration
from flows.meta_learning import meta_learning
from flows.parameters import ExperimentOrchestration, MetaLearning
from tasks.warehouse.database import Warehouse
from tests.chain_homes import at_home
from tests.subprocess_helper import ended, in_subprocess

# While it writes to a table, right after that was committed, or when MLflow has just made a version that our own
# tables do not know of yet.
When = Literal["while-writing", "after-writing", "registered"]
Form = MetaLearning | ExperimentOrchestration


def run_chain(home: Path, prefect_api: str, options: Form, death: tuple[When, str] | None = None) -> int:
    """Run the form's flow in a home; the exit status, negative for the signal that killed it. Stderr is home/stderr."""
    return ended(in_subprocess(_live, home, prefect_api, options, death))


def _live(home: Path, prefect_api: str, options: Form, death: tuple[When, str] | None) -> None:
    with (home / "stderr").open("ab") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    if death is not None:
        _doom(*death)
    with at_home(home), temporary_settings({PREFECT_API_URL: prefect_api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        if isinstance(options, MetaLearning):
            meta_learning(options)
        else:
            experiment_orchestration(options)


def _doom(when: When, table: str) -> None:
    if when == "registered":
        _die_after_registration()
    else:
        _die_at_insert(table, at_once=when == "while-writing")


def _die() -> None:
    """Without a goodbye."""
    os.kill(os.getpid(), signal.SIGKILL)


def _die_after_registration() -> None:
    create = MlflowClient.create_model_version

    def create_and_die(*args: Any, **kwargs: Any) -> None:
        create(*args, **kwargs)
        _die()

    MlflowClient.create_model_version = create_and_die


def _die_at_insert(table: str, *, at_once: bool) -> None:
    begin, written = Warehouse.begin, []

    @event.listens_for(Engine, "after_cursor_execute")
    def executed(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if f"INSERT INTO {table} " in statement:
            written.append(statement)
            if at_once:
                _die()

    @contextmanager
    def begin_and_die(self: Warehouse) -> Iterator[Any]:
        with begin(self) as connection:
            yield connection
        if written:
            _die()

    Warehouse.begin = begin_and_die  # type: ignore[method-assign]
