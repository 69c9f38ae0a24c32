"""What went wrong, as problem details (RFC 9457): one object with status, title, detail and, for input, each field.

No answer holds a traceback, an address with its password, or a word of another workspace: what is not one of the
house's own errors is told as "internal error", and its reason goes to the log alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, get_args

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from tasks.errors import InputError, RaptorflowError, UnknownNameError, WarehouseError, WrongTimeError
from tasks.warehouse.database import UNAVAILABLE

KIND = "application/problem+json"
RETRY_SECONDS = 2
MOST_FIELDS = 20
LONGEST_WORDS = 600
FIXES = {"finite_number": "leave out what was not measured"}  # by pydantic's kinds of error that say none themselves
SECONDS_BETWEEN_WARNINGS = 60.0
BUSY = "the warehouse is busy or away; send the same request again"
NO_WORDS = HTTPStatus.NOT_FOUND.phrase  # the router's own, for an address that it does not know
NO_ADDRESS = "there is no such address; GET /openapi.json lists all"
ASKED_FOR = (
    "workspace",
    "experiment",
    "debate",
    "key",
    "approved experiment",
)  # what stands in an address; other names are input
logger = logging.getLogger("raptorflow.service")


class ProblemError(Exception):
    """An answer that is a problem.

    Args:
        status: HTTP status.
        detail: one sentence that says what to do.
        errors: per field, where it is (`body.title`) and what it should be.
        headers: of the answer, such as `Retry-After`.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Iterable[dict[str, str]] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status, self.detail, self.headers = status, shortened(detail), headers or {}
        self.errors = [{name: shortened(text) for name, text in error.items()} for error in errors]
        super().__init__(self.detail)

    def response(self) -> JSONResponse:
        """The answer that says so."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = self.errors
        return JSONResponse(body, self.status, self.headers, KIND)


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do, in one sentence."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "problem"],
                "properties": {"field": {"type": "string"}, "problem": {"type": "string"}},
            },
        },
    },
}
TOLD = {
    401: "No key, or none that stands.",
    403: "The key has not the scope.",
    404: "It is not there, or the key does not open it.",
    409: "As things stand it cannot be done.",
    413: "The request is longer than 4 MB.",
    422: "Something is wrong with the request: each field, and what it should be.",
    429: "The key asks too often; `Retry-After` says when it may again.",
    503: "The warehouse is locked or away; the same request may be sent again.",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": {KIND: {"schema": SCHEMA}}} for status, words in TOLD.items()
}


def shortened(words: str) -> str:
    """A sentence without the middle of what somebody sent that it repeats: its beginning says what, its end the fix."""
    half = LONGEST_WORDS // 2
    return words if len(words) <= LONGEST_WORDS else f"{words[:half]} … {words[-half:]}"


def not_found(what: str) -> ProblemError:
    """The one answer to an id that is not there and to one of another workspace."""
    return ProblemError(404, f"no such {what}, or not one that this key may read")


def unavailable(detail: str) -> ProblemError:
    """The warehouse is locked or away; the same request may be sent again."""
    return ProblemError(503, detail, headers={"Retry-After": str(RETRY_SECONDS)})


def install(app: FastAPI) -> None:
    """Answer every error with a problem."""
    app.add_exception_handler(ProblemError, _of_problem)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RaptorflowError, _of_house)
    for kind in UNAVAILABLE:
        app.add_exception_handler(kind, _of_database)
    app.add_exception_handler(Exception, _of_anything)


async def _of_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    return error.response()


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [_problem(one, request) for one in error.errors()[:MOST_FIELDS]]
    first = f"{errors[0]['field']}: {errors[0]['problem']}" if errors else "the request cannot be read"
    return ProblemError(422, first, errors=errors).response()


async def _of_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, ProblemError):  # raised as the body was read
        return error.__cause__.response()
    if error.status_code == 400:
        problem = {"field": "body", "problem": "cannot be read as JSON"}
        return ProblemError(422, "the body cannot be read as JSON", errors=[problem]).response()
    words = NO_ADDRESS if error.status_code == 404 and error.detail == NO_WORDS else str(error.detail)
    return ProblemError(error.status_code, words, headers=dict(error.headers or {})).response()


def status_of(error: RaptorflowError) -> int:
    """The status that tells an error of the house."""
    if isinstance(error, WarehouseError):
        return 503
    if isinstance(error, UnknownNameError) and error.what in ASKED_FOR:
        return 404
    return 422 if isinstance(error, InputError) and not isinstance(error, WrongTimeError) else 409


def words_of(error: RaptorflowError) -> str:
    """What is said of it: an address is nobody's business, and what is not there is not named."""
    status = status_of(error)
    if status == 503:
        return "the warehouse cannot be used now; its operator sees why with `raptorflow doctor`"
    if status == 404 and isinstance(error, UnknownNameError):
        return not_found(error.what).detail
    return str(error)


async def _of_house(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RaptorflowError)
    status = status_of(error)
    if status in (409, 503):
        _seldom.warning(str(error))
    return (unavailable(words_of(error)) if status == 503 else ProblemError(status, words_of(error))).response()


async def _of_database(_request: Request, error: Exception) -> JSONResponse:
    _seldom.warning(f"the warehouse: {type(error).__name__}")
    return unavailable(BUSY).response()


class _Seldom:
    """Warns of one thing once in a while: a warehouse that is away is told by every request."""

    def __init__(self) -> None:
        self._warned: dict[str, float] = {}

    def warning(self, words: str) -> None:
        now = time.monotonic()
        if now - self._warned.get(words, -SECONDS_BETWEEN_WARNINGS) >= SECONDS_BETWEEN_WARNINGS:
            self._warned = {known: at for known, at in self._warned.items() if now - at < SECONDS_BETWEEN_WARNINGS}
            self._warned[words] = now
            logger.warning("%s", words)


_seldom = _Seldom()


async def _of_anything(_request: Request, error: Exception) -> JSONResponse:
    logger.error("internal error", exc_info=error)
    return ProblemError(500, "internal error; the service's log holds the reason").response()


def _problem(error: Mapping[str, Any], request: Request) -> dict[str, str]:
    where, problem = tuple(error["loc"]), str(error["msg"])
    if error["type"] == "json_invalid":
        where, problem = where[:1], f"cannot be read as JSON at character {where[-1]}"
    elif where == ("body",) and isinstance(error.get("input"), bytes):
        problem = "send JSON, and say so: Content-Type: application/json"
    elif error["type"] == "extra_forbidden" and (fields := _fields_beside(where, request)):
        problem = f"there is no such field; known are {', '.join(fields)}"
    elif fix := FIXES.get(error["type"]):
        problem = f"{problem}; {fix}"
    return {"field": ".".join(map(str, where)), "problem": problem}


def _fields_beside(where: tuple[Any, ...], request: Request) -> list[str]:
    """What the body may hold where it holds something else; nothing where that is no plain object."""
    body = getattr(request.scope.get("route"), "body_field", None)
    kind = getattr(getattr(body, "field_info", None), "annotation", None)
    for part in where[1:-1]:
        inside = get_args(kind) if isinstance(part, int) else [_fields(kind).get(part)]
        kind = inside[0] if len(inside) == 1 else None
    return list(_fields(kind))


def _fields(kind: Any) -> dict[str, Any]:
    model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else BaseModel
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}
