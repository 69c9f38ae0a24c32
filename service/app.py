"""The application: middleware, problems, the API's routes and the pages."""

from __future__ import annotations

from fastapi import FastAPI

from service import pages, problems
from service.assignment_queue import AssignmentQueue
from service.callers import DECLARED
from service.flags import Flags
from service.gate import Gate
from service.rooms import Rooms
from service.routes import experiments, flags
from service.security_headers import SecurityHeaders
from service.warehouse_access import WarehouseAccess
from tasks.warehouse import Warehouse


def create_app(warehouse: Warehouse | None = None) -> FastAPI:
    """The service over one warehouse. It checks no Host and asks no browser who it is: the front door does.

    Args:
        warehouse: the warehouse; None takes the settings' one.
    """
    app = FastAPI(title="RaptorFlow", version="1", openapi_url="/openapi.json", docs_url=None, redoc_url=None)
    access = WarehouseAccess(warehouse)
    app.state.warehouse, app.state.gate, app.state.rooms = access, Gate(access), Rooms(access)
    app.state.assignments = AssignmentQueue(app.state.rooms)
    app.state.flags = Flags(app.state.rooms, app.state.assignments)
    app.add_middleware(SecurityHeaders)
    problems.install(app)
    app.add_api_route("/health", health, methods=["GET"], include_in_schema=False)
    for routes in (experiments, flags):
        app.include_router(routes.router, dependencies=DECLARED)
    app.include_router(pages.router)
    return app


async def health() -> dict[str, str]:
    """Whether the service answers; it asks nobody else."""
    return {"status": "ok"}
