"""The tasks of a flow on a Dask cluster, handed over without asking which of them are alike."""

from __future__ import annotations

from functools import partial

from prefect_dask.client import PrefectDaskClient
from prefect_dask.task_runners import DaskTaskRunner


class ClusterTaskRunner(DaskTaskRunner):
    """Prefect's runner, whose tasks are never alike: each has an id of its own.

    Dask takes a task for a pure function and computes a hash of all it is given, Prefect's whole context included:
    .2 s of the run's process for each, in which no worker gets anything to do.
    """

    @property
    def client(self) -> PrefectDaskClient:
        """The cluster's client, made when it is first asked for."""
        client = super().client
        if "submit" not in vars(client):
            vars(client)["submit"] = partial(client.submit, pure=False)
        return client
