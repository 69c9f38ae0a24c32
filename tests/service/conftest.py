"""A service over a warehouse of two customers, one of which has an organization, and keys of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from service.app import create_app
from tasks.access import AccessService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row

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


@pytest.fixture
def served_twice(warehouse: Warehouse) -> Iterator[Served]:
    """On each database."""
    yield from serve_customers(warehouse)
