"""`python -m tests.service.assignment_rate`: how long one assignment over HTTP takes at 500 units a second.

The service runs as `raptorflow serve` runs it, in a process of its own; the client asks by an open loop, so that a slow
answer makes nobody ask less. Two figures are printed: the waits as a clock saw them, which other work on the machine
lengthens, and the processor time that the service took for one assignment, which it does not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np

from flows.platform.addresses import free_port
from tasks.access import AccessService
from tasks.experiments.service import ExperimentService
from tasks.settings import get_settings
from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.service.conftest import ARMS
from tests.service.test_killed_service import serve_from
from tests.subprocess_helper import in_subprocess


async def ask(port: int, path: str, key: str, rate: float, units: int) -> list[float]:
    """Seconds that each of the units waited for its arm."""
    waits: list[float] = []
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers=headers, limits=limits, timeout=60
    ) as client:

        async def one(unit: int) -> None:
            began = time.perf_counter()
            answer = await client.post(path, json={"unit_id": f"unit {unit}"})
            answer.raise_for_status()
            waits.append(time.perf_counter() - began)

        start, tasks = time.perf_counter(), []
        for unit in range(units):
            delay = start + unit / rate - time.perf_counter()
            if delay > 0:
                await asyncio.sleep(delay)
            tasks.append(asyncio.create_task(one(unit)))
        await asyncio.gather(*tasks)
    return waits


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def until_it_answers(client: httpx.AsyncClient) -> None:
    """Wait for a service that starts."""
    for _ in range(600):
        try:
            await client.get("/health")
            return
        except httpx.TransportError:
            await asyncio.sleep(0.1)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--units", type=int, default=5000)
    parser.add_argument("--postgres", help="Address of an empty database; SQLite when left out.")
    options = parser.parse_args()
    with TemporaryDirectory() as home:
        os.environ["RAPTORFLOW_HOME"] = home
        get_settings.cache_clear()
        warehouse = Warehouse(options.postgres or f"sqlite:///{home}/warehouse.db")
        upgrade(warehouse)
        store(warehouse, Workspace, [workspace_row()])
        engine = ExperimentService(warehouse=warehouse)
        identifier = engine.create_experiment("titles", "acme", ARMS, "clicks", metric_kind="binary").experiment_id
        engine.start_experiment(identifier)
        _, key = AccessService(warehouse).create("rate", ["assign"], workspace_id="acme")
        port = free_port()
        process = in_subprocess(serve_from, warehouse.url, home, port)
        assert process.pid is not None
        try:
            asyncio.run(_measure(port, f"/v1/experiments/{identifier}/assignments", key, process.pid, options))
        finally:
            process.kill()


async def _measure(port: int, path: str, key: str, pid: int, options: argparse.Namespace) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        await until_it_answers(client)
    await ask(port, path, key, 50, 200)
    await asyncio.sleep(3)
    for name, first in (("new units", 0), ("units seen before", 0)):
        before = cpu_seconds(pid)
        waits = np.array(await ask(port, path, key, options.rate, options.units + 200 * (first == 0)))
        cpu = (cpu_seconds(pid) - before) / len(waits)
        p50, p99 = np.quantile(waits, [0.5, 0.99]) * 1000
        print(
            f"{name}: {len(waits)} at {options.rate:.0f}/s: median {p50:.1f} ms, p99 {p99:.1f} ms by the clock "
            f"(load {os.getloadavg()[0]:.0f}); processor time of the service {cpu * 1000:.2f} ms each "
            f"= {100 * cpu * options.rate:.0f} % of a core at this rate"
        )


if __name__ == "__main__":
    main()
