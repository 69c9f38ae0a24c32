"""How a page fails: as a page, in a sentence that names the way on; never a traceback, never JSON."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from service.pages.rendering import error_page
from service.problems import RETRY_SECONDS, ProblemError, status_of
from tasks.errors import RaptorflowError, WarehouseError
from tasks.warehouse.database import UNAVAILABLE

logger = logging.getLogger("raptorflow.service")
BUSY = "The warehouse is busy or away. Load the page again; `raptorflow doctor` says what is wrong."
BROKEN = "Something went wrong while this page was made; the service's log holds the reason."


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, with its errors shown."""
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:  # noqa: BLE001 - whatever it was, a person is told, and the log keeps it
                return _page_of(request, error)

        return shown


def _page_of(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return error_page(request, error.status_code, str(error.detail))
    if isinstance(error, ProblemError):
        return error_page(request, error.status, error.detail, error.headers)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return error_page(request, 422, f"{first['loc'][-1]}: {first['msg']}")
    if isinstance(error, (WarehouseError, *UNAVAILABLE)):
        logger.warning("%s", error)
        return error_page(request, 503, BUSY, {"retry-after": str(RETRY_SECONDS)})
    return _of_house(request, error)


def _of_house(request: Request, error: Exception) -> Response:
    if isinstance(error, RaptorflowError):
        return error_page(request, status_of(error), str(error))
    logger.error("a page failed", exc_info=error)
    return error_page(request, 500, BROKEN)
