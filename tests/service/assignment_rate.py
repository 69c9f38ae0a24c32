"""`python -m tests.service.assignment_rate`: how long one assignment over HTTP takes at 500 units a second.

The service runs as `raptorflow serve` runs it, in a process of its own; the client asks by an open loop, so that a slow
answer makes nobody ask less. Printed are the waits as a clock saw them, which other work on the machine lengthens, of
all and in the middle one of the seconds, and the processor time that the service took for one assignment.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
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

LINES = 64


async def ask(port: int, path: str, key: str, rate: float, units: int) -> list[float]:
    """Seconds that each of the units waited for its arm, from the moment at which it was due.

    HTTP is written and read by hand: a client library takes more of a processor than the service does.
    """
    lines: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(LINES):
        lines.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    about = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"

    async def one(unit: int, due: float) -> float:
        reader, writer = line = await lines.get()
        body = json.dumps({"unit_id": f"unit {unit}"})
        writer.write(f"{about}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        assert head.startswith(b"http/1.1 200"), head
        lines.put_nowait(line)
        return time.perf_counter() - due

    start, tasks = time.perf_counter(), []
    for unit in range(units):
        due = start + unit / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(unit, due)))
    waits = await asyncio.gather(*tasks)
    while not lines.empty():
        lines.get_nowait()[1].close()
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
    gc.disable()  # the client's: it stood still for an eighth of a second, which is no wait for the service
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        await until_it_answers(client)
    await ask(port, path, key, 50, 200)
    await asyncio.sleep(3)
    for name, first in (("new units", 0), ("units seen before", 0)):
        before = cpu_seconds(pid)
        waits = np.array(await ask(port, path, key, options.rate, options.units + 200 * (first == 0)))
        cpu = (cpu_seconds(pid) - before) / len(waits)
        p50, p99 = np.quantile(waits, [0.5, 0.99]) * 1000
        seconds = [waits[k : k + int(options.rate)] for k in range(0, len(waits), int(options.rate))]
        usual = np.median([np.quantile(one, 0.99) for one in seconds]) * 1000
        print(
            f"{name}: {len(waits)} at {options.rate:.0f}/s: median {p50:.1f} ms, p99 {p99:.1f} ms by the clock, "
            f"of the middle second {usual:.1f} ms "
            f"(load {os.getloadavg()[0]:.0f}); processor time of the service {cpu * 1000:.2f} ms each "
            f"= {100 * cpu * options.rate:.0f} % of a core at this rate"
        )


if __name__ == "__main__":
    main()
