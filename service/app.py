"""The application: middleware, problems, the API's routes and the pages."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.routing import Route

from service import pages, problems
from service.assignment_queue import AssignmentQueue
from service.body_limit import BodyLimit
from service.callers import declare_keys
from service.first_imports import ONE_AT_A_TIME
from service.flags import Flags
from service.gate import KeyGate
from service.head_requests import HeadRequests
from service.hook_courier import HookCourier
from service.outcome_queue import OutcomeQueue
from service.pages.drift_watch import DriftWatch
from service.request_figures import Figures, RequestFigures
from service.rooms import Rooms
from service.routes import debates, experiments, findings, flags, metrics, models, runs
from service.routes.metrics import ServiceMetrics
from service.scoring import Scoring
from service.security_headers import SecurityHeaders
from service.tool_server import ADDRESS as TOOLS_ADDRESS
from service.tool_server import ToolsOverHttp
from service.warehouse_access import WarehouseAccess
from tasks.settings import Settings, get_settings
from tasks.warehouse import Warehouse

SECONDS_BEFORE_WARMING = 1.0  # first it answers
SECONDS_A_THREAD_MAY_KEEP = 0.0005  # the interpreter, while the loop waits: Python's 5 ms are a whole answer's


def create_app(warehouse: Warehouse | None = None, *, own_process: bool = False) -> FastAPI:
    """The service over one warehouse. It checks no Host and asks no browser who it is: the front door does.

    Args:
        warehouse: the warehouse; None takes the settings' one.
        own_process: whether nothing else runs in this process, so that it is set up for short waits.
    """
    app = FastAPI(
        lifespan=_lifespan, title="RaptorFlow", version="1", openapi_url="/openapi.json", docs_url=None, redoc_url=None
    )
    app.state.own_process = own_process
    access = WarehouseAccess(warehouse)
    app.state.warehouse, app.state.gate, app.state.rooms = access, KeyGate(access), Rooms(access)
    app.state.scoring, app.state.debates = Scoring(access.url), set()
    app.state.courier = HookCourier(access)
    app.state.assignments = AssignmentQueue(app.state.rooms)
    app.state.outcomes, app.state.watch = OutcomeQueue(app.state.rooms), DriftWatch(access)
    app.state.flags = Flags(app.state.rooms, app.state.assignments)
    app.state.figures, app.state.metrics = Figures(), ServiceMetrics(app)
    _let_pages_ask(app, get_settings())
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(HeadRequests)
    app.add_middleware(RequestFigures, figures=app.state.figures)
    problems.install(app)
    app.add_api_route("/health", health, methods=["GET"], include_in_schema=False)
    app.state.api = [routes.router for routes in (experiments, flags, findings, models, debates, runs)]
    for router in app.state.api:
        app.include_router(router, responses=problems.RESPONSES)
    declare_keys(app)
    app.state.tools = ToolsOverHttp(app)
    # GET opens a stream on which nothing is ever sent, as nothing of a request is kept: one key could hold any number.
    app.router.routes.append(Route(TOOLS_ADDRESS, app.state.tools, methods=["POST"]))
    app.include_router(metrics.router)
    app.include_router(pages.router)
    return app


def _let_pages_ask(app: FastAPI, settings: Settings) -> None:
    """Tell browsers that declared pages of others may ask with a key of theirs; the front door lets them through."""
    _ = settings.proxies  # a network that is none stops the start, not the first request that names a person
    if settings.foreign_pages:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.foreign_pages,
            allow_methods=["GET", "POST"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "If-None-Match",
                "X-API-Key",
                "X-Workspace",
            ],
            expose_headers=["ETag", "Retry-After"],
        )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    own_process: bool = app.state.own_process
    if own_process:
        sys.setswitchinterval(SECONDS_A_THREAD_MAY_KEEP)
    warming = threading.Timer(SECONDS_BEFORE_WARMING, _warm_up, kwargs={"own_process": own_process})
    warming.daemon = True
    warming.start()
    app.state.courier.start()
    yield
    warming.cancel()
    await app.state.tools.close()
    await app.state.assignments.close()
    app.state.courier.stop()
    app.state.scoring.close()
    app.state.warehouse.close()


def _warm_up(*, own_process: bool) -> None:
    """Do what the first assignment would wait seconds for, once requests are answered."""
    _import_rooms()
    if own_process:
        gc.freeze()  # what was imported stays: walking it for garbage stopped every answer for a quarter of a second


def _import_rooms() -> None:
    with ONE_AT_A_TIME:
        import tasks.experiments.service  # noqa: F401


async def health() -> dict[str, str]:
    """Whether the service answers; it asks nobody else."""
    return {"status": "ok"}
