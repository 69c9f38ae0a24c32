"""Prefect's server behind the front door: `-m flows.platform.prefect_server --host … --port …`.

Cyclic garbage is collected beside its event loop. SQLite lets one connection write at a time. The others wait for it,
up to a minute, each in a thread that holds its own connection's mutex. To finalize a statement of such a connection
takes the same mutex. Where the collector does that on the event loop's thread, the loop stands still, and with it the
commit that all are waiting for: the server answers nobody for a minute. Seen as `Garbage-collecting` on top of the main
thread's stack (faulthandler) while `/proc/locks` showed the server itself to hold the write lock. In a thread of its
own the collector waits alone.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import threading
import time
from urllib.parse import quote

from flows.platform.addresses import Addresses
from flows.platform.front_door import App, FrontDoor
from flows.platform.log_lines import PREFECTS_LINES, in_json
from flows.platform.login import login
from flows.platform.menus import FormMenus
from flows.platform.metrics import MetricsPage
from flows.platform.one_writer import write_one_at_a_time
from flows.platform.rewriting import rewritten
from flows.platform.sign_in import Receive, Scope, Send
from tasks.settings import get_settings

OPEN_PATHS = ("/api/health", "/api/ready")
UI_SETTINGS = "/ui-settings"
REPORTS = "/raptorflow/reports/"  # tasks/reporting/links.py writes such links
FOREIGN_PAGES = ("PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS", "PREFECT_SERVER_CORS_ALLOWED_ORIGINS")
SECONDS_BETWEEN_SWEEPS = 1.0
SWEEPS_BETWEEN_FULL_ONES = 60  # a full one walks everything there is, and nobody else runs meanwhile


def collect_beside() -> threading.Thread:
    """Switch automatic collection off, and collect in a thread that lasts as long as the process."""
    gc.disable()
    sweeper = threading.Thread(target=_sweep, name="garbage", daemon=True)
    sweeper.start()
    return sweeper


def _sweep() -> None:
    sweeps = 0
    while True:
        time.sleep(SECONDS_BETWEEN_SWEEPS)
        sweeps += 1
        gc.collect(2 if sweeps % SWEEPS_BETWEEN_FULL_ONES == 0 else 1)


def serve(host: str, port: int) -> None:
    """Serve until a signal ends it. Prefect asks for the login too: its web sockets do so in words of their own."""
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = login().text
    if not any(name in os.environ for name in FOREIGN_PAGES):
        os.environ[FOREIGN_PAGES[0]] = f"http://{host}:{port}"  # Prefect's default is every page there is
    if in_json():
        os.environ |= PREFECTS_LINES
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    write_one_at_a_time()
    server = get_current_settings().server
    itself, laid_aside = Addresses(host, port).prefect_api, get_current_settings().home / "dlq"
    counted = MetricsPage(create_app(final=True), itself, login().text, laid_aside)
    app = behind_front_door(counted, server.api.cors_allowed_origins)
    uvicorn.run(
        app,
        host=host,
        port=port,
        timeout_keep_alive=server.api.keepalive_timeout,
        ws_ping_interval=server.api.websocket_ping_interval,
        ws_ping_timeout=server.api.websocket_ping_timeout,
        log_level=server.logging_level.lower(),
        log_config=None if in_json() else uvicorn.config.LOGGING_CONFIG,  # None: as Prefect has set up its own
    )


def behind_front_door(app: App, origins: str) -> FrontDoor:
    """The server as browsers and programs may ask it.

    Args:
        app: the server.
        origins: foreign pages that Prefect's own setting lets ask, separated by commas; `*` where somebody chose that.
    """
    names = get_settings().public_names
    foreign = [origin.strip() for origin in origins.split(",")]
    return FrontDoor(
        NewestReports(FormMenus(WithoutOwnLogin(app))),
        login(),
        names=names,
        origins=foreign,
        open_paths=OPEN_PATHS,
        sockets_ask=True,
    )


class WithoutOwnLogin:
    """Tells Prefect's pages that they need not ask for a password: whoever sees them has signed in."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand everything on; of the pages' settings, change one."""
        if scope["type"] != "http" or not scope["path"].endswith(UI_SETTINGS):
            await self._app(scope, receive, send)
            return
        await rewritten(self._app, scope, receive, send, _without_login)


async def _without_login(settings: bytes) -> bytes:
    return json.dumps(json.loads(settings) | {"auth": None}).encode()


class NewestReports:
    """Leads from a report's key to its newest page: Prefect's own page of a key shows when there were which."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Redirect whoever follows a link of a report's; hand on all else."""
        if scope["type"] != "http" or not scope["path"].startswith(REPORTS):
            await self._app(scope, receive, send)
            return
        key = quote(scope["path"].removeprefix(REPORTS), safe="")
        there = await self._newest(key) or f"/artifacts/key/{key}"
        await send({"type": "http.response.start", "status": 302, "headers": [(b"location", there.encode())]})
        await send({"type": "http.response.body", "body": b""})

    async def _newest(self, key: str) -> str | None:
        import httpx

        inside = httpx.ASGITransport(app=self._app)
        headers = {"authorization": login().header}
        async with httpx.AsyncClient(transport=inside, base_url="http://localhost", headers=headers) as client:
            wanted = {"artifacts": {"key": {"any_": [key]}}, "limit": 1}
            newest = (await client.post("/api/artifacts/latest/filter", json=wanted)).json()
        return f"/artifacts/artifact/{newest[0]['latest_id']}" if isinstance(newest, list) and newest else None


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Prefect's server, for those who know its login.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4200)
    options = parser.parse_args()
    collect_beside()
    serve(options.host, options.port)


if __name__ == "__main__":
    main()
