"""`/v1/debates`: started, polled, read."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from service.callers import Reader, WorkspaceName, Writer
from service.first_imports import ONE_AT_A_TIME
from service.gate import Caller
from service.json_bodies import JsonRoute
from service.problems import ProblemError, not_found
from service.rooms import AllRooms, Rooms
from service.routes.answers import Body, Limit, tagged
from tasks.json_output import plain

router = APIRouter(prefix="/v1/debates", tags=["debates"], route_class=JsonRoute)

MOST_AT_ONCE = 4
SECONDS_BETWEEN_LOOKS = 0.05
Id = Annotated[str, Path(max_length=128)]
Label = Annotated[str, Field(min_length=1, max_length=2000)]
logger = logging.getLogger("raptorflow.service")


class QuestionBody(Body):
    """What is to be decided, by whom, and how."""

    problem: Annotated[str, Field(min_length=1, max_length=20_000)]
    options: Annotated[list[Label] | None, Field(min_length=2, max_length=8)] = None
    agent_roles: Annotated[
        list[Annotated[str, Field(max_length=128)]],
        Field(min_length=1, max_length=12, description="Roles or ids of experts, such as `copywriting_ninja`."),
    ]
    rounds: Annotated[int, Field(ge=1, le=5)] = 2
    consensus_strategy: Literal["majority_vote", "weighted_vote", "synthesis", "moderator"] | None = None
    context: dict[str, Any] | None = None
    workspace: Annotated[str | None, Field(max_length=128)] = None


@router.get("")
def list_debates(
    request: Request, caller: Reader, rooms: AllRooms, workspace: WorkspaceName = None, limit: Limit = 50
) -> Response:
    """The newest debates of a workspace: what was asked, what was decided, and how sure that is."""
    return tagged(request, {"items": rooms.debates.recent(caller.workspace(workspace), limit)})


@router.post("", status_code=202)
async def start_debate(
    request: Request,
    body: QuestionBody,
    caller: Writer,
    rooms: AllRooms,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=128)] = None,
) -> JSONResponse:
    """Begin a debate; it goes on by itself, and `GET` of its address says how it stands."""
    workspace_id = caller.workspace(body.workspace)
    debate_id = _id_of(workspace_id, idempotency_key)
    holding: set[asyncio.Task[None]] = request.app.state.debates
    if len(holding) >= MOST_AT_ONCE:
        raise ProblemError(503, f"{MOST_AT_ONCE} debates are held already; try again", headers={"Retry-After": "30"})
    question = body.model_dump(exclude={"workspace"}) | {"workspace_id": workspace_id}
    task = asyncio.create_task(_hold(rooms, question, debate_id))
    holding.add(task)
    task.add_done_callback(holding.discard)
    task.add_done_callback(_tell_failure)
    await _begun(task, rooms, workspace_id, debate_id)
    await to_thread.run_sync(caller.record, workspace_id, debate_id)
    where = f"/v1/debates/{debate_id}"
    return JSONResponse({"debate_id": debate_id, "status": "running", "where": where}, 202, {"Location": where})


@router.get("/{debate_id}")
def read_debate(request: Request, debate_id: Id, caller: Reader, rooms: AllRooms) -> Response:
    """The debate as it stands, its turns and what it rests on; `is_over` says whether the decision is the last word."""
    require_own_debate(rooms, caller, debate_id)
    is_over = rooms.debates.is_over(debate_id)  # looked at first: what is over by then is read whole
    return tagged(request, plain(rooms.debates.read(debate_id)) | {"is_over": is_over})


def require_own_debate(rooms: Rooms, caller: Caller, debate_id: str) -> None:
    """Raise the same problem for a debate that is not there and for another workspace's, after the same one query."""
    if not rooms.debates.is_of(debate_id, caller.workspaces):
        raise not_found("debate")


def _id_of(workspace_id: str, idempotency_key: str | None) -> str:
    """The same key of the same workspace names the same debate."""
    if idempotency_key is None:
        return f"api-{uuid.uuid4().hex}"
    about = f"{workspace_id}\n{idempotency_key}".encode()
    return f"api-{hashlib.blake2b(about, digest_size=16).hexdigest()}"


async def _hold(rooms: Rooms, question: dict[str, Any], debate_id: str) -> None:
    """Hold it to its end; how it ended stands in its record."""
    with ONE_AT_A_TIME:
        from tasks.swarm.agent_debate_orchestrator import AgentDebateOrchestrator

    orchestrator = AgentDebateOrchestrator(warehouse=rooms.warehouse.open())
    await orchestrator.orchestrate_debate(**question, debate_id=debate_id)


async def _begun(task: asyncio.Task[None], rooms: Rooms, workspace_id: str, debate_id: str) -> None:
    """Return once it is written, and so can be read; raise what is wrong with the question."""
    while not await to_thread.run_sync(rooms.debates.is_of, debate_id, [workspace_id]):
        ended, _ = await asyncio.wait({task}, timeout=SECONDS_BETWEEN_LOOKS)
        if ended:
            await task
            return


def _tell_failure(task: asyncio.Task[None]) -> None:
    """Its record says that it failed, and why; the log says that one did."""
    if not task.cancelled() and task.exception() is not None:
        logger.warning("a debate ended early: %s", type(task.exception()).__name__)
