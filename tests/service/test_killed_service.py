"""A service that is killed at any moment has lost no outcome that it acknowledged, and no arm that it gave."""

from __future__ import annotations

import os
import signal
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import pytest

from flows.platform.addresses import free_port
from flows.platform.service_server import serve
from tasks.access import AccessService, secret_texts
from tasks.experiments.service import ExperimentService
from tasks.settings import get_settings
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.service.conftest import ARMS, SECONDS_TO_START
from tests.subprocess_helper import ended, in_subprocess

CLIENTS = 8
ACKNOWLEDGED_BEFORE_THE_KILL = 24


def serve_from(address: str, home: str, port: int) -> None:
    os.environ["RAPTORFLOW_DATABASE_URL"] = address
    os.environ["RAPTORFLOW_HOME"] = home
    get_settings.cache_clear()
    serve("127.0.0.1", port)


class Client(threading.Thread):
    """Assigns units and records their outcomes, one by one, and remembers what was acknowledged."""

    def __init__(self, number: int, one: str, headers: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self.number, self.one, self.headers = number, one, headers
        self.arms: dict[str, str] = {}
        self.outcomes: list[str] = []
        self.refused = ""

    def run(self) -> None:
        with httpx.Client(headers=self.headers, timeout=60) as client:
            for k in range(10_000):
                unit = f"client {self.number} unit {k}"
                try:
                    arm = client.post(f"{self.one}/assignments", json={"unit_id": unit}).raise_for_status()
                    self.arms[unit] = arm.json()["variant"]
                    client.post(f"{self.one}/outcomes", json={"unit_id": unit, "outcome": k % 2}).raise_for_status()
                    self.outcomes.append(unit)
                except httpx.HTTPStatusError as refused:
                    self.refused = refused.response.text
                    return
                except httpx.TransportError:
                    return  # killed


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])])
def test_a_killed_service_has_lost_nothing_that_it_acknowledged(
    kind: str, request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse: Warehouse = request.getfixturevalue(f"{kind}_warehouse")
    store(warehouse, Workspace, [workspace_row()])
    engine = ExperimentService(warehouse=warehouse)
    identifier = engine.create_experiment("titles", "acme", ARMS, "clicks", metric_kind="binary").experiment_id
    engine.start_experiment(identifier)
    monkeypatch.setattr(secret_texts, "COST", 2**14)  # the other process checks it in earnest
    _, key = AccessService(warehouse).create("test", ["write"], workspace_id="acme")
    address, port = warehouse.url, free_port()
    process = in_subprocess(serve_from, address, str(home), port)
    try:
        _killed_while_it_works(process, port, identifier, key, warehouse)
    finally:
        process.kill()


def _killed_while_it_works(process: BaseProcess, port: int, identifier: str, key: str, warehouse: Warehouse) -> None:
    _wait_until_ready(port)
    one = f"http://127.0.0.1:{port}/v1/experiments/{identifier}"
    clients = [Client(k, one, {"authorization": f"Bearer {key}"}) for k in range(CLIENTS)]
    for client in clients:
        client.start()
    until = time.monotonic() + 120
    while sum(len(client.outcomes) for client in clients) < ACKNOWLEDGED_BEFORE_THE_KILL:
        assert not "".join(client.refused for client in clients)
        assert time.monotonic() < until, "the service took no outcomes"
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    assert ended(process) == -signal.SIGKILL
    for client in clients:
        client.join(60)
    arms = {unit: arm for client in clients for unit, arm in client.arms.items()}
    acknowledged = [unit for client in clients for unit in client.outcomes]
    assert len(acknowledged) >= ACKNOWLEDGED_BEFORE_THE_KILL
    stored = ExperimentService(warehouse=warehouse).assigned_variants(identifier, list(arms))
    assert [None if arm is None else arm.variant_id for arm in stored] == list(arms.values())
    rows = [{"unit_id": unit, "outcome": int(unit.rpartition(" ")[2]) % 2} for unit in acknowledged]
    again = ExperimentService(warehouse=warehouse).record_outcomes(identifier, rows)
    assert (again.recorded, again.unchanged) == (0, len(acknowledged)), "an acknowledged outcome was lost"


def _wait_until_ready(port: int) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    pytest.fail("the service did not start")
