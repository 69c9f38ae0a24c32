"""The Prefect server of a run by hand: one process beside it, for as long as it lasts.

Prefect can start such a server by itself, and loads all of the server's code into the run's process to do so. Started
here, it costs that process nothing, and comes up while the run loads its flow.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable

from flows.platform.addresses import answers, free_port
from flows.platform.children import Child, end
from tasks.settings import get_settings

SECONDS_TO_START = 120.0
# As Prefect's own temporary server has them: no pages, fewer services, and this process is all there is of it.
ITS_OWN = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
APP = "prefect.server.api.server:create_app"
_started: list[Child] = []


def begin_temporary_server() -> Callable[[], None]:
    """Start a server, unless one is named or this process has read Prefect's settings already; gives what waits for it.

    It ends with this process, after Prefect has told it all that it has to tell.
    """
    if "PREFECT_API_URL" in os.environ or "prefect" in sys.modules:
        return _nothing_to_wait_for
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    serving = ["-m", "uvicorn", "--factory", APP, "--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    log = get_settings().home.resolve() / "logs" / "temporary-server.log"
    server = Child("Prefect's temporary server", serving, os.environ | ITS_OWN, log, lambda: answers(f"{api}/health"))
    # Before Prefect is imported: what is registered first is called last.
    atexit.register(end, [server])
    server.start()
    _started.append(server)
    # Links to a server that is gone tomorrow are none.
    os.environ |= {"PREFECT_API_URL": api, "PREFECT_UI_URL": ""}
    return lambda: server.wait_ready(SECONDS_TO_START)


def server_is_temporary() -> bool:
    """Whether this run's server ends with it: it has no pages to answer a question on, and no automation hears it."""
    return bool(_started)


def _nothing_to_wait_for() -> None:
    """Another server is there already, or Prefect starts its own."""
