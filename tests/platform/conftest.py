"""One platform for all tests of this folder: starting one costs half a minute."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running_platform import RunningPlatform, running_platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with running_platform(tmp_path_factory.mktemp("platform")) as running:
        yield running
