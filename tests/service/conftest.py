"""A service over a warehouse of two customers, one of which has an organization, and keys of each."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.testclient import TestClient

from flows.platform.addresses import free_port
from flows.platform.front_door import App
from service import hook_courier, scoring
from service.app import create_app
from tasks.access import AccessService, secret_texts
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row

SECONDS_TO_START = 60
ADDRESS = "http://127.0.0.1:4300"
ARMS = [{"name": "control", "is_control": True}, {"name": "short"}]


@dataclass
class Served:
    """An application, its warehouse, and what its tests ask it with."""

    app: FastAPI
    warehouse: Warehouse
    client: TestClient

    def key(self, *scopes: str, workspace: str | None = "acme", **options: Any) -> dict[str, str]:
        """Headers with a new key."""
        options = {"workspace_id": workspace} | options
        _, text = AccessService(self.warehouse).create("test", scopes or ("admin",), **options)
        return {"authorization": f"Bearer {text}"}

    def experiment(self, key: dict[str, str], name: str = "titles", *, start: bool = True, **more: Any) -> str:
        """The id of an experiment that runs."""
        body = {"name": name, "variants": ARMS, "metric_name": "clicks", "metric_kind": "binary"} | more
        created = self.client.post("/v1/experiments", headers=key, json=body)
        assert created.status_code == 201, created.text
        identifier = str(created.json()["experiment_id"])
        if start:
            assert self.client.post(f"/v1/experiments/{identifier}/start", headers=key).status_code == 200
        return identifier

    def experiment_once(self, key: dict[str, str]) -> str:
        """The id of the one experiment that tests share which leave it as it is."""
        known = self.client.get("/v1/experiments", headers=key).json()["items"]
        return str(known[0]["experiment_id"]) if known else self.experiment(key)


@pytest.fixture(autouse=True)
def _fast_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that take no 40 ms each; what they cost is none of these tests' business."""
    monkeypatch.setattr(secret_texts, "COST", 2**4)


@pytest.fixture(autouse=True)
def _no_courier(monkeypatch: pytest.MonkeyPatch) -> None:
    """No round of deliveries among the queries that tests count."""
    monkeypatch.setattr(hook_courier, "SECONDS_BETWEEN_ROUNDS", 1e6)


@contextmanager
def listening(app: App) -> Iterator[str]:
    """The application at an address of its own, for clients that speak HTTP."""
    config = uvicorn.Config(app, host="127.0.0.1", port=free_port(), log_level="warning", proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + SECONDS_TO_START
    while not server.started:
        assert time.monotonic() < until, "the service did not start"
        time.sleep(0.02)
    yield f"http://127.0.0.1:{config.port}"
    server.should_exit = True
    thread.join(SECONDS_TO_START)


def serve_customers(warehouse: Warehouse) -> Iterator[Served]:
    """The service over two customers."""
    rows = [workspace_row(workspace_id="acme", organisation_id="group"), workspace_row(workspace_id="umbrella")]
    store(warehouse, Workspace, [*rows, workspace_row(workspace_id="acme-uk", organisation_id="group")])
    app = create_app(warehouse)
    with TestClient(app, raise_server_exceptions=False, base_url=ADDRESS) as client:
        yield Served(app, warehouse, client)


@pytest.fixture
def served(sqlite_warehouse: Warehouse) -> Iterator[Served]:
    """On SQLite."""
    yield from serve_customers(sqlite_warehouse)


@pytest.fixture(scope="module")
def served_to_all(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for all tests of a file that leave nothing behind which another would see."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(sqlite_template, folder / "warehouse.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAPTORFLOW_HOME", str(folder))
        patch.setattr(hook_courier, "SECONDS_BETWEEN_ROUNDS", 1e6)
        yield from serve_customers(Warehouse(f"sqlite:///{folder / 'warehouse.db'}"))


@pytest.fixture
def served_twice(warehouse: Warehouse) -> Iterator[Served]:
    """On each database: one test of each subject."""
    yield from serve_customers(warehouse)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])])
def served_mostly(request: pytest.FixtureRequest) -> Iterator[Served]:
    """On SQLite, and on PostgreSQL with the slow tests."""
    yield from serve_customers(request.getfixturevalue(f"{request.param}_warehouse"))


@pytest.fixture
def scored_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scoring in this process; one slow test starts the one beside it."""

    class Here:
        def submit(self, work: Any, *given: Any) -> Any:
            answer = work(*given)

            class Done:
                @staticmethod
                def result(_seconds: float) -> Any:
                    return answer

            return Done()

    monkeypatch.setattr(scoring.Scoring, "_started", lambda _self: Here())


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """A server that answers as Prefect's does, and what it was asked to start."""
    app, started = FastAPI(), list[dict[str, Any]]()

    @app.get("/api/deployments/name/{flow}/{name}")
    def deployment(flow: str, name: str) -> dict[str, str]:
        return {"id": f"of {flow} {name}"}

    @app.post("/api/deployments/{identifier}/create_flow_run")
    async def create(identifier: str, request: Request) -> dict[str, Any]:
        wanted = await request.json()
        started.append(wanted | {"id": f"00000000-0000-4000-8000-{len(started):012}", "state_name": "Scheduled"})
        return started[-1]

    @app.post("/api/flow_runs/filter")
    async def paused(request: Request) -> list[dict[str, Any]]:
        wanted = (await request.json())["flow_runs"]["state"]["type"]["any_"]
        return [one for one in started if one.get("state", {}).get("type") in wanted]

    @app.get("/api/flow_runs/{identifier}", response_model=None)
    def run(identifier: str) -> dict[str, Any] | JSONResponse:
        known = [one for one in started if one["id"] == identifier]
        return known[0] if known else JSONResponse({"detail": "Flow run not found"}, 404)

    with listening(app) as address:
        monkeypatch.setenv("PREFECT_API_URL", f"{address}/api")
        yield started
