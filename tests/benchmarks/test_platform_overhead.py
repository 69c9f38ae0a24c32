"""What Prefect adds to the nightly chain, beside the same calls without it, and how long the platform takes to start.

`RAPTORFLOW_BENCH_WORKSPACES` sets the number of workspaces (default 200).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.meta_learning import meta_learning
from flows.parameters import MetaLearning
from flows.platform.children import descendants
from flows.task_runners import threads
from tasks.models.steps import refresh_models
from tasks.patterns.steps import learn_patterns
from tasks.settings import get_settings
from tasks.transfer.steps import contribute_effects, release_insights
from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.steps import extract_chunk, plan_chunks
from tests.factories import content_row, store_content
from tests.platform.probes import no_op
from tests.running_platform import RunningPlatform, running_platform

WORKSPACES = int(os.environ.get("RAPTORFLOW_BENCH_WORKSPACES", "200"))
POSTS = 250
OPTIONS = MetaLearning(model_types=["ENGAGEMENT_PREDICTOR"])

pytestmark = pytest.mark.benchmark


def fresh_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home whose warehouse holds small workspaces that post twice a day."""
    monkeypatch.setenv("RAPTORFLOW_HOME", str(home))
    get_settings.cache_clear()
    home.mkdir(parents=True)
    warehouse = Warehouse()
    upgrade(warehouse)
    rng = np.random.default_rng(8)
    rows = [
        content_row(12 * i, workspace_id=f"w{w:03}", content_id=f"c{i}", engagements=int(rng.poisson(20)))
        for w in range(WORKSPACES)
        for i in range(POSTS)
    ]
    store_content(warehouse, rows)
    warehouse.engine.dispose()


def without_prefect() -> None:
    """The chain's calls in its order, in as many threads as the flows take."""
    chunks, window = plan_chunks.fn([], OPTIONS.workspaces_per_chunk, OPTIONS.lookback_days, None)
    with ThreadPoolExecutor(threads()) as pool:
        frozen = list(pool.map(partial(extract_chunk.fn, window=window, run_id="bench"), chunks))
        list(pool.map(lambda chunk: learn_patterns.fn(chunk, [], "plain"), frozen))
        list(pool.map(lambda chunk: contribute_effects.fn(chunk, "plain"), frozen))
        release_insights.fn(OPTIONS.epsilon, OPTIONS.delta, "plain")
        list(pool.map(lambda chunk: refresh_models.fn(chunk, OPTIONS.model_types, False, "plain"), frozen))


def seconds_of(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def cpu_seconds(pids: Sequence[int] = ()) -> float:
    """CPU this process has used, and these others."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in pids]
    return process_time() + sum(int(ticks) for pair in fields for ticks in pair) / os.sysconf("SC_CLK_TCK")


def wall_and_cpu(work: Callable[[], object], servers: Sequence[int] = ()) -> np.ndarray:
    before = cpu_seconds(servers)
    wall = seconds_of(work)
    return np.array([wall, cpu_seconds(servers) - before])


def only_this_chain(platform: RunningPlatform) -> None:
    """No schedule fires while it is measured: the probe's would, and start a process."""
    with platform.client() as client:
        for deployment in client.read_deployments():
            client.pause_deployment(deployment.id)


def test_the_chain_costs_little_more_with_a_server_than_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_platform(tmp_path / "platform") as platform:
        ready = re.search(r"ready in (\d+) s", platform.log.read_text())
        assert ready is not None
        print(f"BAR platform ready: {ready[1]} s (bar 40 s)")
        only_this_chain(platform)
        with temporary_settings(platform.prefect_settings | {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            no_op()
            nothing = min(seconds_of(no_op) for _ in range(5))
            run_id = platform.start("no-op/no-op")
            asked = seconds_of(lambda: platform.wait(run_id, "Completed"))
            print(f"a flow that does nothing: {nothing:.2f} s in its process, {asked:.1f} s from asking to Completed")
            fresh_home(tmp_path / "warm", monkeypatch)
            meta_learning(OPTIONS.model_copy(update={"workspace_ids": ["w000"]}))
            fresh_home(tmp_path / "before", monkeypatch)
            before = wall_and_cpu(without_prefect)
            fresh_home(tmp_path / "with", monkeypatch)
            measured = wall_and_cpu(lambda: meta_learning(OPTIONS), descendants(platform.process.pid))
    fresh_home(tmp_path / "after", monkeypatch)
    plain = (before + wall_and_cpu(without_prefect)) / 2  # before and after: what else the machine does weighs alike
    print(f"chain over {WORKSPACES} workspaces: {measured[0]:.1f} s with a server, {plain[0]:.1f} s without")
    print(f"of CPU, servers included: {measured[1]:.1f} s and {plain[1]:.1f} s, {measured[1] / plain[1]:.2f}")
    print(f"BAR orchestration overhead: {measured[0] / plain[0]:.2f} (bar 1.25)")
