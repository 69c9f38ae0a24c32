"""Bodies of requests as JSON; an object in which a key stands twice is refused, where the parser would take the last.

What somebody sent twice by mistake, such as a unit's arm or its outcome, is not ours to choose from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from service.problems import ProblemError
from tasks.plain_text import visible

LONGEST_KEY = 60


class RepeatedKeyError(ValueError):
    """A key stands twice in an object of JSON."""

    def __init__(self, key: str) -> None:
        super().__init__(f"`{visible(key)[:LONGEST_KEY]}` stands twice in one object; send it once")


def read_json(body: bytes) -> Any:
    """What a body says.

    Raises:
        RepeatedKeyError: if a key stands twice in one of its objects.
        ValueError: if it is no JSON.
    """
    return json.loads(body, object_pairs_hook=_with_each_key_once)


def _with_each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        keys = [key for key, _ in pairs]
        raise RepeatedKeyError(next(key for key in keys if keys.count(key) > 1))
    return read


class JsonRequest(Request):
    """A request whose body is read as above."""

    async def json(self) -> Any:
        """What the body says.

        Raises:
            ProblemError: 422 if a key stands twice in one of its objects.
        """
        try:
            return read_json(await self.body())
        except RepeatedKeyError as error:
            problem = {"field": "body", "problem": str(error)}
            raise ProblemError(422, f"body: {error}", errors=[problem]) from error


class JsonRoute(APIRoute):
    """A route of the API."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, given requests that read bodies so."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            return await handle(JsonRequest(request.scope, request.receive))

        return answered
