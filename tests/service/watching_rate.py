"""`python -m tests.service.watching_rate`: what those who watch a model's strip cost the service.

Outcomes come over HTTP all the while. What is printed is processor time of the service, which other work on the machine
does not lengthen: with nobody watching, with one, and with fifty.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import socket
import threading
import time
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from flows.platform.addresses import free_port
from flows.platform.login import login
from tasks.access import AccessService
from tasks.settings import get_settings
from tasks.warehouse import Warehouse, upgrade
from tests.service.assignment_rate import cpu_seconds, until_it_answers
from tests.service.pages.test_drift_strip import LIVE
from tests.service.test_killed_service import serve_from
from tests.subprocess_helper import in_subprocess
from tests.tasks.models.served_versions import let_serve, predict

VIEWERS = (0, 1, 50, 1, 50)
OUTCOMES = "/v1/predictions/CONVERSION_PREDICTOR/outcomes"


class Watching(threading.Thread):
    """Viewers that read and look at nothing, so that they take little from the machine."""

    def __init__(self, port: int, viewers: int) -> None:
        super().__init__(daemon=True)
        request = f"GET {LIVE} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {login().header}\r\n\r\n"
        self.lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(viewers)]
        for line in self.lines:
            line.sendall(request.encode())
        self.strips, self.is_over = 0, False

    def run(self) -> None:
        while not self.is_over:
            ready, _, _ = select.select(self.lines, [], [], 0.2)
            for line in ready:
                self.strips += line.recv(1 << 20).count(b'class="verdict"')

    def end(self) -> None:
        self.is_over = True
        self.join()
        for line in self.lines:
            line.close()


async def send_outcomes(client: httpx.AsyncClient, key: str, first: int, rate: float, n: int) -> None:
    """Outcomes one by one, by an open loop."""
    start, tasks = time.perf_counter(), []
    for i in range(n):
        await asyncio.sleep(max(0.0, start + i / rate - time.perf_counter()))
        body = {"outcomes": [{"row_id": f"t{first + i}", "value": i % 2}]}
        tasks.append(asyncio.create_task(_sent(client, key, body)))
    await asyncio.gather(*tasks)


async def _sent(client: httpx.AsyncClient, key: str, body: dict[str, Any]) -> None:
    for is_last in (False, True):
        try:
            answer = await client.post(OUTCOMES, json=body, headers={"authorization": f"Bearer {key}"})
            answer.raise_for_status()
        except httpx.TransportError:  # the service had let go of the idle connection: sent again, it counts once
            if is_last:
                raise
        else:
            return


async def measure(address: str, key: str, pid: int, rate: float, seconds: float) -> None:
    """Print one line for each number of viewers."""
    n = int(rate * seconds)
    limits = httpx.Limits(max_connections=200, keepalive_expiry=2.0)  # before the service lets go of what is idle
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
        await until_it_answers(client)
        await send_outcomes(client, key, 0, 10, 20)
        for turn, viewers in enumerate(VIEWERS):
            watching = Watching(client.base_url.port or 80, viewers)
            watching.start()
            await asyncio.sleep(3)
            watching.strips = 0
            before, began = cpu_seconds(pid), time.perf_counter()
            await send_outcomes(client, key, 20 + turn * n, rate, n)
            used, passed = cpu_seconds(pid) - before, time.perf_counter() - began
            print(
                f"{viewers} watch, {rate:.0f} outcomes/s: {used:.2f} processor seconds in {passed:.0f} s, "
                f"{1000 * used / n:.2f} ms an outcome; {watching.strips} strips were sent",
                flush=True,
            )
            watching.end()
            await asyncio.sleep(1)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    with TemporaryDirectory() as home:
        os.environ["RAPTORFLOW_HOME"] = home
        get_settings.cache_clear()
        warehouse = Warehouse(f"sqlite:///{home}/warehouse.db")
        upgrade(warehouse)
        let_serve(warehouse)
        predict(warehouse, {f"t{i}": 0.3 for i in range(20 + int(len(VIEWERS) * options.rate * options.seconds))})
        _, key = AccessService(warehouse).create("rate", ["write"], workspace_id="acme", per_minute=1_000_000)
        port = free_port()
        process = in_subprocess(serve_from, warehouse.url, home, port)
        assert process.pid is not None
        try:
            asyncio.run(measure(f"http://127.0.0.1:{port}", key, process.pid, options.rate, options.seconds))
        finally:
            process.kill()


if __name__ == "__main__":
    main()
