"""The chain on a cluster of processes leaves the tables it leaves in threads."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from distributed import Client, LocalCluster
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_TASK_RUNNER_THREAD_POOL_MAX_WORKERS,
    temporary_settings,
)
from prefect.task_runners import ThreadPoolTaskRunner

from flows.meta_learning import meta_learning
from flows.parameters import MetaLearning
from flows.task_runners import IMPORTED_ONCE, local_cluster, task_runner, threads
from tests.chain_homes import at_home, chain_environment, posts, require_same, store_posts, tables

ROOT = Path(__file__).resolve().parents[2]
WORKSPACES = 2
CHAIN = {"model_types": "ENGAGEMENT_PREDICTOR", "workspaces_per_chunk": 1}


@pytest.mark.slow
def test_two_dask_workers_leave_the_same_tables_as_threads(prefect_api: str, tmp_path: Path) -> None:
    rows = posts(WORKSPACES, days=120)
    in_threads, on_dask = tmp_path / "threads", tmp_path / "dask"
    for home in (in_threads, on_dask):
        store_posts(home, rows)
    with (
        at_home(in_threads),
        temporary_settings({PREFECT_API_URL: prefect_api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        meta_learning(MetaLearning.model_validate(CHAIN))
    environment = chain_environment(prefect_api, on_dask)
    with at_home(on_dask), LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        command = [sys.executable, "-m", "flows.cli", "run", "meta-learning", "--task-runner", "dask"]
        command += [word for name, value in CHAIN.items() for word in ("-p", f"{name}={value}")]
        environment |= {"RAPTORFLOW_DASK_ADDRESS": cluster.scheduler_address}
        ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        with Client(cluster) as client:
            ran_tasks = client.run(lambda: __import__("sys").modules.get("tasks.patterns.steps") is not None)
    assert list(ran_tasks.values()) == [True, True], "both workers had a part in it"
    require_same(tables(on_dask), tables(in_threads))


@pytest.mark.slow
def test_worker_processes_begin_with_what_was_imported_once() -> None:
    with local_cluster() as address, Client(address) as client:
        imported = client.run(lambda: [*__import__("sys").modules])
        parents = client.run(lambda: Path(f"/proc/{os.getppid()}/cmdline").read_text())
    assert len(imported) == (os.cpu_count() or 1)
    for modules, parent in zip(imported.values(), parents.values(), strict=True):
        assert set(IMPORTED_ONCE) <= set(modules)
        assert "forkserver" in parent


@pytest.mark.parametrize("name", IMPORTED_ONCE)
def test_what_worker_processes_begin_with_is_there(name: str) -> None:
    assert find_spec(name) is not None


def test_a_flow_takes_no_more_threads_than_cores_unless_a_person_says_so() -> None:
    assert task_runner() == ThreadPoolTaskRunner(max_workers=threads())
    assert threads() <= (os.cpu_count() or 1)
    with temporary_settings({PREFECT_TASK_RUNNER_THREAD_POOL_MAX_WORKERS: 7}):
        assert task_runner() == ThreadPoolTaskRunner(max_workers=7)


def test_a_cluster_that_cannot_reach_prefect_is_refused(tmp_path: Path) -> None:
    nowhere = chain_environment("", tmp_path)
    elsewhere = {name: value for name, value in nowhere.items() if name != "PREFECT_API_URL"}
    elsewhere |= {"RAPTORFLOW_DASK_ADDRESS": "tcp://127.0.0.1:9"}
    command = [sys.executable, "-m", "flows.cli", "run", "meta-learning", "--task-runner"]
    for name, environment, says in (
        ("dask", nowhere, "set PREFECT_API_URL"),
        ("dask", elsewhere, "set PREFECT_API_URL"),
        ("dusk", nowhere, "did you mean 'dask'?"),
    ):
        ran = subprocess.run([*command, name], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 2, ran.stderr
        assert says in ran.stderr
        assert len(ran.stderr.strip().splitlines()) == 1
