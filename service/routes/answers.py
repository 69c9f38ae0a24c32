"""How answers look: plain JSON of the house's records, in pages, with tags for what did not change."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import BaseModel

from service.problems import ProblemError
from tasks.json_output import plain

KIND = "application/json"
Limit = Annotated[int, Query(ge=1, le=500, description="Most items of one page.")]
Cursor = Annotated[str | None, Query(max_length=512, description="`next` of the page before.")]


class Body(BaseModel, extra="forbid"):
    """What a request says; a field that means nothing is refused, for it is likely misspelled."""


def tagged(request: Request, value: Any) -> Response:
    """The answer, or 304 where the one that asks has it already."""
    body = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if has_tag(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=KIND, headers=headers)


def has_tag(given: str | None, tag: str) -> bool:
    """Whether `If-None-Match` names this tag; weak ones count, as RFC 9110 has it."""
    named = [] if given is None else [one.strip().removeprefix("W/") for one in given.split(",")]
    return tag in named or "*" in named


def page(rows: Sequence[Any], limit: int, cursor: str | None) -> dict[str, Any]:
    """Some of the rows, and where the next page begins; rows keep their order between two pages."""
    start = _place(cursor)
    end = start + limit
    return {"items": rows[start:end], "total": len(rows), "next": cursor_of(str(end)) if end < len(rows) else None}


def cursor_of(*parts: str) -> str:
    """A place in a list as a word that is sent back as it came."""
    return base64.urlsafe_b64encode("\n".join(parts).encode()).decode()


def parts_of_cursor(cursor: str, how_many: int) -> list[str]:
    """What `cursor_of` was given.

    Raises:
        ProblemError: for a word that is none of ours.
    """
    try:
        parts = base64.urlsafe_b64decode(cursor.encode()).decode().split("\n")
    except (binascii.Error, UnicodeError):
        parts = []
    if len(parts) != how_many:
        raise _strange_cursor()
    return parts


def instant_and_id(cursor: str) -> tuple[datetime, str]:
    """A place in a list that is in order of time.

    Raises:
        ProblemError: for a word that is none of ours.
    """
    at, identifier = parts_of_cursor(cursor, 2)
    try:
        instant = datetime.fromisoformat(at)
    except ValueError as error:
        raise _strange_cursor() from error
    if instant.tzinfo is None or not identifier.isalnum():
        raise _strange_cursor()
    return instant, identifier


def _place(cursor: str | None) -> int:
    if cursor is None:
        return 0
    (place,) = parts_of_cursor(cursor, 1)
    if not place.isascii() or not place.isdecimal() or len(place) > 9:
        raise _strange_cursor()
    return int(place)


def _strange_cursor() -> ProblemError:
    problem = "cursor is `next` of the page before, as it came"
    return ProblemError(422, problem, errors=[{"field": "query.cursor", "problem": problem}])
