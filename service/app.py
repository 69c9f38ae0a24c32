"""The application: middleware, problems, the API's routes and the pages."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from service import pages, problems
from service.assignment_queue import AssignmentQueue
from service.body_limit import BodyLimit
from service.callers import DECLARED
from service.flags import Flags
from service.gate import Gate
from service.rooms import Rooms
from service.routes import debates, experiments, findings, flags, models, runs
from service.scoring import Scoring
from service.security_headers import SecurityHeaders
from service.warehouse_access import WarehouseAccess
from tasks.warehouse import Warehouse


def create_app(warehouse: Warehouse | None = None) -> FastAPI:
    """The service over one warehouse. It checks no Host and asks no browser who it is: the front door does.

    Args:
        warehouse: the warehouse; None takes the settings' one.
    """
    app = FastAPI(
        lifespan=_lifespan, title="RaptorFlow", version="1", openapi_url="/openapi.json", docs_url=None, redoc_url=None
    )
    access = WarehouseAccess(warehouse)
    app.state.warehouse, app.state.gate, app.state.rooms = access, Gate(access), Rooms(access)
    app.state.scoring, app.state.debates = Scoring(access.url), set()
    app.state.assignments = AssignmentQueue(app.state.rooms)
    app.state.flags = Flags(app.state.rooms, app.state.assignments)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    problems.install(app)
    app.add_api_route("/health", health, methods=["GET"], include_in_schema=False)
    for routes in (experiments, flags, findings, models, debates, runs):
        app.include_router(routes.router, dependencies=DECLARED, responses=problems.RESPONSES)
    app.include_router(pages.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    warming = threading.Thread(target=_import_rooms, name="warming", daemon=True)
    warming.start()
    yield
    app.state.scoring.close()


def _import_rooms() -> None:
    """Import what the first assignment would wait seconds for, once requests are answered."""
    import tasks.experiments.service  # noqa: F401


async def health() -> dict[str, str]:
    """Whether the service answers; it asks nobody else."""
    return {"status": "ok"}
