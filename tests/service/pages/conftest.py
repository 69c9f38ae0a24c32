"""Pages as a browser asks for them, without the front door, which has tests of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import TransferRelease
from tests.factories import store
from tests.generators.agencies import write_agency

Pages = Callable[[Warehouse], TestClient]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    """The same test on both databases; on PostgreSQL one test reads a page of each kind by default."""
    made: Warehouse = request.getfixturevalue(f"{request.param}_warehouse")
    return made


@dataclass(frozen=True)
class Agency:
    """Sixty workspaces that tests only look at, one of them hostile, and a browser at their pages."""

    names: list[str]
    warehouse: Warehouse
    browser: TestClient


@pytest.fixture(scope="session")
def agency(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    """Written once: what a test changes, it changes in a warehouse of its own."""
    folder = tmp_path_factory.mktemp("agency")
    shutil.copy(sqlite_template, folder / "warehouse.db")
    warehouse = Warehouse(f"sqlite:///{folder / 'warehouse.db'}")
    names = write_agency(warehouse, 60, nights=2, hostile=True)
    row = {"period": "2026-11-01", "status": "published", "catalogue_version": 1, "epsilon": 1.0, "delta": 1e-6}
    row |= {"rho": 0.1, "noise_scale": 3.2, "as_of": datetime.now(UTC), "run_id": "test"}
    store(warehouse, TransferRelease, [row])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAPTORFLOW_HOME", str(folder))
        app = create_app(warehouse)
    yield Agency(names, warehouse, TestClient(app, raise_server_exceptions=False))
    app.state.warehouse.close()


@pytest.fixture
def pages() -> Iterator[Pages]:
    """A browser at the pages of a warehouse; what fails inside is answered, as it would be."""
    with ExitStack() as opened:

        def browser(warehouse: Warehouse) -> TestClient:
            app = create_app(warehouse)
            opened.callback(app.state.warehouse.close)
            return TestClient(app, raise_server_exceptions=False)

        yield browser
