"""Functions run in processes of their own, forked from one that has imported already what takes seconds to import."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any

from flows.task_runners import IMPORTED_ONCE as OF_A_NIGHT

IMPORTED_ONCE = [*OF_A_NIGHT, "mlflow", "sklearn.ensemble", "tasks.experiments"]
SECONDS = 240


def forks() -> ForkServerContext:
    """Where the processes come from, and the barriers and events they may share."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED_ONCE)
    return context


def in_subprocess(work: Callable[..., Any], *given: Any) -> BaseProcess:
    """Start `work(*given)`, an importable function, in a process of its own; `kill` it, or wait with `ended`."""
    process = forks().Process(target=work, args=given, daemon=True)
    process.start()
    return process


def ended(process: BaseProcess, seconds: float = SECONDS) -> int:
    """Its exit status once it has ended, negative for the signal that killed it."""
    process.join(seconds)
    assert process.exitcode is not None, f"it still ran after {seconds} s"
    return process.exitcode
