"""The service behind the front door: `-m flows.platform.service_server --host … --port …`.

Pages ask for the platform's login, as Prefect's and MLflow's do. What programs call asks for a key of its own.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from flows.platform.addresses import is_local, reached_at, require_free_port
from flows.platform.environment import join_running, require_strong_login
from flows.platform.errors import NoKeysError
from flows.platform.front_door import App, FrontDoor
from flows.platform.log_lines import configuration, in_json
from flows.platform.login import login, new_link
from tasks.errors import RaptorflowError
from tasks.settings import get_settings

SECONDS_TO_FINISH = 5  # what is being answered once a signal came; a strip that somebody watches never ends by itself
SECONDS_KEPT_ALIVE = 75  # an idle connection: longer than clients keep theirs, or requests meet a closed one
OPEN_PATHS = ("/health",)
WITH_KEYS = ("/v1/", "/ofrep/", "/openapi.json", "/mcp")
AGENTS_KEY = "RAPTORFLOW_KEY"


def serve_by_hand(host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve alone, as `raptorflow serve` does, and say where; Ctrl-C ends it.

    Raises:
        OpenAddressError: if others could reach it and no login was chosen.
        NoKeysError: if others could reach it and there is no key.
        PortInUseError: if the port is taken.
    """
    require_strong_login(host)
    require_keys(host)
    require_free_port(host, "the service", port, "--port")
    address = f"http://{reached_at(host)}:{port}"
    say(
        f"the service listens at {address}\n  Open  {new_link(address)}   signs your browser in, once\nCtrl-C stops it."
    )
    join_running()  # so that runs can be started where a platform is up
    serve(host, port)


def answer_agent(*, writes: bool) -> None:
    """Answer one agent on standard input and output, with the key of the environment, as `raptorflow mcp` does.

    Raises:
        ToolKeyError: if there is none, or it is none that may read.
    """
    from service.app import create_app
    from service.tool_server import HOW_TO_GET_A_KEY, ToolKeyError, serve_agent

    key = os.environ.pop(AGENTS_KEY, "")  # processes that this one starts are not shown it
    if not key or not key.isascii():
        raise ToolKeyError(f"an agent asks with a key: set {AGENTS_KEY}; {HOW_TO_GET_A_KEY}")
    join_running()  # so that runs can be started where a platform is up
    serve_agent(create_app(), key, writes=writes)


def require_keys(host: str) -> None:
    """Raise `NoKeysError` where others may ask and there is nothing they could show."""
    from tasks.access import AccessService

    if not is_local(host) and not AccessService().has_good_keys():
        raise NoKeysError(host)


def serve(host: str, port: int) -> None:
    """Serve until a signal ends it."""
    import uvicorn

    from service.app import create_app

    uvicorn.run(
        behind_front_door(create_app(own_process=True)),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=SECONDS_KEPT_ALIVE,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
        proxy_headers=False,  # who asks is who is connected; RAPTORFLOW_TRUSTED_PROXIES says whom to believe more
        log_config=configuration() if in_json() else uvicorn.config.LOGGING_CONFIG,
    )


def behind_front_door(app: App) -> FrontDoor:
    """The service as browsers and programs may ask it."""
    names = get_settings().public_names
    return FrontDoor(
        app, login(), names=names, origins=get_settings().foreign_pages, open_paths=OPEN_PATHS, with_keys=WITH_KEYS
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="The service, for those who know its login or have a key.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4300)
    options = parser.parse_args()
    os.umask(0o077)
    try:
        require_keys(options.host)
        serve(options.host, options.port)
    except RaptorflowError as error:
        sys.exit(f"raptorflow: {error}")


if __name__ == "__main__":
    main()
