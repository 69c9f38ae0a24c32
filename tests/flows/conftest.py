"""One Prefect server for all tests that run flows: starting one costs ten seconds or more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli import main
from flows.platform.addresses import free_port
from tests.running_platform import PATIENCE

Command = Callable[..., tuple[int, str, str]]

# The platform's server without its front door: these tests are about flows, and their clients carry no login.
WITHOUT_DOOR = "import flows.platform.prefect_server as s; s.collect_beside(); import prefect.cli as p; p.app()"
START_SECONDS = 180 * int(PATIENCE)


def wait_until_healthy(address: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(START_SECONDS * 4):
        if server.poll() is not None:
            raise RuntimeError(f"the Prefect server ended with status {server.returncode} while starting")
        try:
            urllib.request.urlopen(f"{address}/health", timeout=2)
        except OSError:
            time.sleep(0.25)
        else:
            return
    raise RuntimeError(f"the Prefect server was not healthy after {START_SECONDS} s")


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Prefect server's API that lives as long as the session."""
    port = free_port()
    environment = os.environ | {
        "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    }
    command = [
        sys.executable,
        "-c",
        WITHOUT_DOOR,
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-ui",
    ]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/api", server)
        yield f"http://127.0.0.1:{port}/api"
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture
def chain_environment(prefect_api: str, home: Path) -> dict[str, str]:
    """The environment of a subprocess that runs flows against the shared server, in this test's home."""
    return os.environ | {
        "PREFECT_API_URL": prefect_api,
        "PREFECT_HOME": str(home / "prefect"),
        "RAPTORFLOW_HOME": str(home),
    }


@pytest.fixture
def at_prefect_api(prefect_api: str) -> Iterator[None]:
    """Flows that a test calls run on that server: `pytestmark = pytest.mark.usefixtures("at_prefect_api")`."""
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        yield


@pytest.fixture
def raptorflow(
    sqlite_template: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """`raptorflow …` in this process, over an empty warehouse: exit status, standard output, standard error."""
    os.umask(0o077)  # as the command line sets it; the fixture of the home puts it back
    home.mkdir()
    shutil.copy(sqlite_template, home / "warehouse.db")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["raptorflow", *arguments])
        with patch.dict(os.environ), pytest.raises(SystemExit) as ended:
            main()
        status: Any = ended.value.code
        return status, *capsys.readouterr()

    return run
