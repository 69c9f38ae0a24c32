"""`/ofrep/v1/…`: OpenFeature's Remote Evaluation Protocol, arms for every OpenFeature SDK, without a library of ours.

Its description: https://github.com/open-feature/protocol.

A flag is an experiment, by its name; the context's `targetingKey` is the unit. An evaluation of an experiment that runs
assigns the unit and stores its exposure. So a bulk evaluation exposes the unit to all that run, unless the context
names some: `"experiments": ["titles"]`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import JSONResponse

from service.callers import Assigner
from service.flags import Flag, Flags, Unit
from service.gate import Caller
from service.json_bodies import RepeatedKeyError, read_json
from service.routes.answers import has_tag
from service.routes.experiments import checked_unit
from tasks.errors import InputError

router = APIRouter(prefix="/ofrep/v1", tags=["feature flags"])

Workspace = Annotated[
    str | None, Header(alias="X-Workspace", max_length=128, description="Whose, where the key opens several.")
]
CONTEXT = {
    "type": "object",
    "properties": {
        "targetingKey": {"type": "string", "description": "The unit: a user, a session, whatever is randomized."},
        "segment": {"description": "A label known before, or several by name, to report effects by."},
        "experiments": {"type": "array", "items": {"type": "string"}, "description": "Of a bulk evaluation: which."},
    },
}
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "properties": {"context": CONTEXT}}}},
    }
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The context cannot be used: `errorCode` and `errorDetails` say why."},
}


class ContextError(Exception):
    """A context that cannot be used, with the protocol's word for why."""

    def __init__(self, code: str, details: str) -> None:
        self.code, self.details = code, details
        super().__init__(details)


@router.post(
    "/evaluate/flags/{key:path}",
    openapi_extra=BODY,
    responses=ANSWERS | {404: {"description": "There is no such flag."}},
)
async def evaluate_flag(
    request: Request, key: Annotated[str, Path(max_length=128)], caller: Assigner, x_workspace: Workspace = None
) -> JSONResponse:
    """The arm of one experiment for the context's unit."""
    workspace_id, flags = caller.workspace(x_workspace), flags_of(request)
    flag = (await flags.of(workspace_id)).get(key)
    if flag is None:
        return _failed(404, {"key": key, "errorCode": "FLAG_NOT_FOUND", "errorDetails": "no experiment has this name"})
    try:
        context = await _context(request)
        answer = await flags.evaluate(caller, workspace_id, flag, _unit(context), context)
    except ContextError as error:
        return _failed(400, flag.failure(error.code, error.details))
    except InputError as error:
        return _failed(400, flag.failure("INVALID_CONTEXT", str(error)))
    return JSONResponse(answer, 400 if "errorCode" in answer else 200)


@router.post(
    "/evaluate/flags",
    openapi_extra=BODY,
    responses=ANSWERS | {304: {"description": "What `If-None-Match` names is what there is."}},
)
async def evaluate_flags(request: Request, caller: Assigner, x_workspace: Workspace = None) -> Response:
    """The arms of all experiments, or of those that the context names, for its unit."""
    workspace_id, flags = caller.workspace(x_workspace), flags_of(request)
    try:
        context = await _context(request)
        unit, named = _unit(context), _named(context)
    except (ContextError, InputError) as error:
        code = error.code if isinstance(error, ContextError) else "INVALID_CONTEXT"
        return _failed(400, {"errorCode": code, "errorDetails": str(error)})
    wanted = [one for one in (await flags.of(workspace_id)).values() if named is None or one.key in named]
    evaluated = [_evaluated(flags, caller, workspace_id, flag, unit, context) for flag in wanted]
    body = json.dumps({"flags": await asyncio.gather(*evaluated)}, ensure_ascii=False).encode()
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    if has_tag(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, media_type="application/json", headers={"ETag": tag})


async def _evaluated(
    flags: Flags, caller: Caller, workspace_id: str, flag: Flag, unit: Unit, context: dict[str, Any]
) -> dict[str, Any]:
    """One of many: that one cannot be evaluated is told beside the others."""
    try:
        return await flags.evaluate(caller, workspace_id, flag, unit, context)
    except InputError as error:
        return flag.failure("GENERAL", str(error))


async def _context(request: Request) -> dict[str, Any]:
    try:
        body = read_json(await request.body() or b"{}")
    except RepeatedKeyError as error:
        raise ContextError("PARSE_ERROR", f"the body: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ContextError("PARSE_ERROR", "the body is no JSON") from error
    context = body.get("context", {}) if isinstance(body, dict) else None
    if not isinstance(context, dict):
        raise ContextError("INVALID_CONTEXT", "the body is an object with an object `context`")
    return context


def _unit(context: dict[str, Any]) -> Unit:
    """Unit and label."""
    given, segment = context.get("targetingKey"), context.get("segment")
    if given is None or given == "":
        return None, ""
    if not isinstance(given, str):
        raise ContextError("INVALID_CONTEXT", "context.targetingKey is a text")
    labels = segment.values() if isinstance(segment, dict) else [segment]
    if not all(isinstance(label, str | int | float | None) for label in labels):
        raise ContextError("INVALID_CONTEXT", "context.segment is a text, or labels by name")
    return checked_unit(given, segment)


def _named(context: dict[str, Any]) -> frozenset[str] | None:
    names = context.get("experiments")
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ContextError("INVALID_CONTEXT", "context.experiments is a list of names")
    return frozenset(names)


def flags_of(request: Request) -> Flags:
    """The flags of the application that answers."""
    flags: Flags = request.app.state.flags
    return flags


def _failed(status: int, body: dict[str, Any]) -> JSONResponse:
    return JSONResponse(body, status)
