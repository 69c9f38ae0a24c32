"""Pages as a browser asks for them, without the front door, which has tests of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from tasks.warehouse import Warehouse

Pages = Callable[[Warehouse], TestClient]


@pytest.fixture
def pages() -> Pages:
    """A browser at the pages of a warehouse; what fails inside is answered, as it would be."""
    return lambda warehouse: TestClient(create_app(warehouse), raise_server_exceptions=False)
