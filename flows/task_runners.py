"""Where the tasks of a flow run: in threads of its own process, or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tasks.errors import InputError
from tasks.settings import get_settings

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner


class UnreachableServerError(InputError):
    """Raised when a cluster's workers could not tell Prefect what they do."""

    def __init__(self) -> None:
        super().__init__(
            "--task-runner dask needs a Prefect server that the cluster's workers reach: start one with "
            "`raptorflow up` and set PREFECT_API_URL to its address with /api"
        )


def task_runner() -> TaskRunner[Any]:
    """What RAPTORFLOW_TASK_RUNNER asks for; read when a flow is imported."""
    settings = get_settings()
    if settings.task_runner == "threads":
        from prefect.task_runners import ThreadPoolTaskRunner

        return ThreadPoolTaskRunner()
    from prefect_dask.task_runners import DaskTaskRunner

    runner: TaskRunner[Any] = DaskTaskRunner(address=settings.dask_address)
    return runner


@contextmanager
def local_cluster() -> Iterator[str]:
    """A Dask cluster of this machine's processes, one a core, for as long as a run lasts; gives its address."""
    from distributed import LocalCluster

    with LocalCluster(threads_per_worker=1, dashboard_address=None) as cluster:  # type: ignore[no-untyped-call]
        yield cluster.scheduler_address
