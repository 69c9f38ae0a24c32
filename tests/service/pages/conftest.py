"""Pages as a browser asks for them, without the front door, which has tests of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from tasks.warehouse import Warehouse

Pages = Callable[[Warehouse], TestClient]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    """The same test on both databases; on PostgreSQL one test reads a page of each kind by default."""
    made: Warehouse = request.getfixturevalue(f"{request.param}_warehouse")
    return made


@pytest.fixture
def pages() -> Iterator[Pages]:
    """A browser at the pages of a warehouse; what fails inside is answered, as it would be."""
    with ExitStack() as opened:

        def browser(warehouse: Warehouse) -> TestClient:
            app = create_app(warehouse)
            opened.callback(app.state.warehouse.close)
            return TestClient(app, raise_server_exceptions=False)

        yield browser
