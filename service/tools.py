"""The API's operations as tools for agents: one list, derived from the routes, and called through them.

A tool is its route's function: its name, its words, its parameters, path, query and body in one object. A call is the
same request that a program would send, in this process, with the same key: so scopes, whose data a key opens, limits
and the audit log are the API's own, and nothing is decided here but which tools are shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute

from service.body_limit import MOST_BYTES
from service.callers import SCOPES
from service.gate import COUNTED
from service.security_headers import Receive, Send
from service.security_headers import Scope as Connection
from tasks.access import Scope
from tasks.errors import InputError
from tasks.plain_text import visible

PREFIX = "/v1/"
BODY, PATH, QUERY, HEADER = "body", "path", "query", "header"
STREAM = "text/event-stream"  # what goes on for ever is no answer to an agent
HERE = "http://127.0.0.1"
NOWHERE = ("", 0)  # no address, so none of a trusted proxy
SECONDS = 90.0
LONGEST_WORDS, LONGEST_TEXT = 300, 4000
Json = dict[str, Any]


class ToolCallError(InputError):
    """A tool that is not there, or that cannot be called so."""


@dataclass(frozen=True, slots=True)
class ApiTool:
    """One operation of the API.

    Attributes:
        scope: that a key needs for it.
        only_reads: whether it changes nothing.
        places: where each argument goes: path, query, header or body.
        names: of arguments that are called otherwise in the request.
        schema: of the arguments, as JSON Schema.
    """

    name: str
    description: str
    method: str
    path: str
    scope: Scope
    only_reads: bool
    places: Mapping[str, str]
    names: Mapping[str, str]
    schema: Json

    def request(self, arguments: Mapping[str, Any]) -> Json:
        """`method`, `url`, `params`, `headers` and `content` of the request that these arguments make.

        Raises:
            ToolCallError: for an argument that it has not, or one that no address or JSON holds.
        """
        if unknown := sorted(set(arguments) - set(self.places)):
            known = ", ".join(self.places) or "none"
            raise ToolCallError(f"{self.name} has no argument {_shown(unknown[0])}; it takes {known}")
        given: dict[str, Json] = {place: {} for place in (PATH, QUERY, HEADER, BODY)}
        for name, value in arguments.items():
            place = self.places[name]
            if value is None and place != BODY:
                continue  # as left out
            given[place][self.names.get(name, name)] = value if place == BODY else _as_text(name, value, place)
        if missing := [name for name, place in self.places.items() if place == PATH and arguments.get(name) is None]:
            raise ToolCallError(f"{self.name} needs {missing[0]}")
        url = self.path.format_map({name: quote(value, safe="") for name, value in given[PATH].items()})
        content = _as_json(given[BODY]) if BODY in self.places.values() else None
        kind = {} if content is None else {"content-type": "application/json"}
        return {
            "method": self.method,
            "url": url,
            "params": given[QUERY],
            "headers": kind | given[HEADER],
            "content": content,
        }


class ApiTools:
    """The tools of one application.

    Args:
        app: the application whose routes they are.
        writes: whether those that change something are among them.
        counted: whether the requests that calls come with count already, as of their key.
    """

    def __init__(self, app: FastAPI, *, writes: bool, counted: bool = False) -> None:
        self._app, self._counted = app, counted
        self._tools = {tool.name: tool for tool in tools_of(app) if writes or tool.only_reads}

    def known_to(self, scopes: Iterable[Scope]) -> list[ApiTool]:
        """Tools that a key with these scopes may use."""
        held = set(scopes)
        return [tool for tool in self._tools.values() if tool.scope in held]

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        headers: Mapping[str, str],
        came_from: tuple[str, int] | None = None,
    ) -> tuple[bool, str]:
        """Whether it went well, and the answer: JSON, or in one line what is wrong.

        Args:
            name: of a tool.
            arguments: as the agent gave them.
            headers: of the request: its key, and for whom it asks.
            came_from: the address that sent the call, which decides whether it may say for whom; None: this process.
        """
        tool = self._tools.get(name)
        if tool is None:
            return False, f"there is no tool {_shown(name)} here; list the tools to see which there are"
        try:
            wanted = tool.request(arguments)
        except ToolCallError as error:
            return False, str(error)
        answer = await self.ask(wanted | {"headers": wanted["headers"] | dict(headers)}, came_from)
        return (True, answer.text) if answer.is_success else (False, _problem(answer))

    async def ask(self, request: Mapping[str, Any], came_from: tuple[str, int] | None = None) -> httpx.Response:
        """Send one request to the application, in this process."""
        transport = httpx.ASGITransport(self._handled, raise_app_exceptions=False, client=came_from or NOWHERE)
        # Bytes as they came over HTTP, which is read as Latin-1; what has no such bytes is no key, and refused as one.
        headers = {name: text.encode("latin-1", "replace") for name, text in request.get("headers", {}).items()}
        async with httpx.AsyncClient(transport=transport, base_url=HERE, timeout=SECONDS) as client:
            return await client.request(**{**request, "headers": headers})

    async def _handled(self, scope: Connection, receive: Receive, send: Send) -> None:
        await self._app({**scope, COUNTED: self._counted}, receive, send)


@lru_cache(maxsize=2)
def tools_of(app: FastAPI) -> tuple[ApiTool, ...]:
    """Every operation under `/v1/` that answers once; in the order of the routes."""
    described = app.openapi()
    components = described.get("components", {}).get("schemas", {})
    return tuple(
        _tool(route, method, scope, described["paths"][route.path][method.lower()], components)
        for route in _routes(app)
        if (scope := _scope(route)) is not None
        for method in sorted(route.methods or ())
        if not _streams(described["paths"][route.path][method.lower()])
    )


def _routes(app: FastAPI) -> Iterable[APIRoute]:
    described = app.openapi()["paths"]
    routes = (route for router in app.state.api for route in router.routes if isinstance(route, APIRoute))
    return (route for route in routes if route.path.startswith(PREFIX) and route.path in described)


def _scope(route: APIRoute) -> Scope | None:
    needed = (SCOPES[one.call] for one in route.dependant.dependencies if one.call in SCOPES)
    return next(needed, None)


def _streams(operation: Json) -> bool:
    return any(STREAM in answer.get("content", {}) for answer in operation["responses"].values())


def _tool(route: APIRoute, method: str, scope: Scope, operation: Json, components: Json) -> ApiTool:
    places, names, properties, required = dict[str, str](), dict[str, str](), Json(), list[str]()
    for one in operation.get("parameters", ()):
        name = one["name"].replace("-", "_")
        places[name], names[name] = one["in"], one["name"]
        properties[name] = _inlined(one["schema"], components) | (
            {"description": one["description"]} if "description" in one else {}
        )
        required += [name] if one.get("required") else []
    body = _inlined(_body(operation), components)
    body = next((one for one in body.get("anyOf", ()) if one.get("type") == "object"), body)
    for name, schema in body.get("properties", {}).items():
        places[name], properties[name] = BODY, schema
    required += body.get("required", [])
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    only_reads = method == "GET" or scope == Scope.READ
    words = operation.get("description") or operation["summary"]
    return ApiTool(route.name, words, method, route.path, scope, only_reads, places, names, schema)


def _body(operation: Json) -> Json:
    content: Json = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema: Json = content.get("schema", {})
    return schema


def _inlined(schema: Any, components: Json) -> Any:
    """The schema with what it refers to in its place; nothing of ours refers to itself."""
    if isinstance(schema, list):
        return [_inlined(one, components) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(components[schema["$ref"].rpartition("/")[2]], components)
    return {
        name: _inlined(value, components)
        for name, value in schema.items()
        if not (name == "title" and isinstance(value, str))  # pydantic's, which says the name again
    }


def _as_text(name: str, value: Any, place: str) -> str:
    """An argument as an address or a header holds it."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ToolCallError(f"{name} is a text or a number")
    text = str(value)
    if len(text) > LONGEST_TEXT:
        raise ToolCallError(f"{name} is longer than {LONGEST_TEXT} characters; shorten it")
    if place == PATH and (not text.strip(".") or "/" in text or "\\" in text):
        raise ToolCallError(f"{name} is an id as another tool gave it, without a slash")
    if any(ord(character) < 32 or "\ud800" <= character <= "\udfff" for character in text):
        raise ToolCallError(f"{name} holds a sign that no id and no name has")
    if place == HEADER and not text.isascii():
        raise ToolCallError(f"{name} is in letters, digits and signs of ASCII")
    return text


def _as_json(body: Json) -> bytes:
    try:
        content = json.dumps(body, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise ToolCallError("an argument holds a number that is none, or is nested too deeply") from error
    if len(content) > MOST_BYTES:
        raise ToolCallError("the arguments are longer than 4 MB; send them in parts")
    return content


def _problem(answer: httpx.Response) -> str:
    """What an answer says is wrong, in one line."""
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = answer.reason_phrase
    return f"{answer.status_code}: {_shown(detail, LONGEST_WORDS)}"


def _shown(text: str, most: int = 64) -> str:
    line = visible(text).replace("\n", " ")
    return line if len(line) <= most else f"{line[:most]}…"
