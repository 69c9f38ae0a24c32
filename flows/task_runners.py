"""Where the tasks of a flow run: in threads of its own process, or on a Dask cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tasks.errors import InputError
from tasks.settings import get_settings

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner


# Most of the work is Python's own: threads beyond the cores only take the interpreter's lock from each other, and each
# holds a chunk in memory. Ten of them cost a fifth more CPU than two (80 workspaces, two cores).
MOST_THREADS = 4
# A worker process that begins from nothing imports all of this by itself.
IMPORTED_ONCE = [
    "distributed",
    "flows.meta_learning",
    "flows.program_report",
    "flows.experiment_analysis",
    "tasks.models.training",
    "tasks.models.serving",
    "tasks.models.registry.mlflow_registry",
    "matplotlib.pyplot",
    "sklearn.feature_extraction.text",
]


class UnreachableServerError(InputError):
    """Raised when a cluster's workers could not tell Prefect what they do."""

    def __init__(self) -> None:
        super().__init__(
            "--task-runner dask with a cluster elsewhere needs a Prefect server that its workers reach: start one with "
            "`raptorflow up`, or set PREFECT_API_URL to the address of one, with /api"
        )


def task_runner() -> TaskRunner[Any]:
    """What RAPTORFLOW_TASK_RUNNER asks for; read when a flow is imported."""
    settings = get_settings()
    if settings.task_runner == "threads":
        from prefect.settings import get_current_settings
        from prefect.task_runners import ThreadPoolTaskRunner

        asked_for = get_current_settings().tasks.runner.thread_pool_max_workers
        return ThreadPoolTaskRunner(max_workers=asked_for or threads())
    from flows.dask_runner import ClusterTaskRunner

    return ClusterTaskRunner(address=settings.dask_address)


def threads() -> int:
    """How many chunks one process works through at a time."""
    return min(os.cpu_count() or 1, MOST_THREADS)


@contextmanager
def local_cluster() -> Iterator[str]:
    """A Dask cluster of this machine's processes, one a core, for as long as a run lasts; gives its address."""
    import dask
    from distributed import LocalCluster
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context().set_forkserver_preload(IMPORTED_ONCE)  # type: ignore[no-untyped-call]
        # Prefect's threads outlast what they did, so that a worker is ended by force: no news for who ran it.
        quiet = logging.ERROR
        with LocalCluster(threads_per_worker=1, dashboard_address=None, silence_logs=quiet) as cluster:  # type: ignore[no-untyped-call]
            yield cluster.scheduler_address
