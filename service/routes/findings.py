"""What was learned of a workspace: patterns, recommendations, what similar workspaces know; and the audit log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from service.callers import Admin, Reader, WorkspaceName
from service.json_bodies import JsonRoute
from service.rooms import AllRooms
from service.routes.answers import Cursor, Limit, cursor_of, instant_and_id, page, tagged

router = APIRouter(prefix="/v1", tags=["findings"], route_class=JsonRoute)
Kind = Annotated[str | None, Query(max_length=64)]


@router.get("/workspaces")
def list_workspaces(request: Request, caller: Reader) -> Response:
    """Ids of the workspaces that the key opens, and what it may do there."""
    return tagged(request, {"items": sorted(caller.workspaces), "scopes": list(caller.key.scopes)})


@router.get("/recommendations")
def list_recommendations(
    request: Request,
    caller: Reader,
    rooms: AllRooms,
    task_type: Annotated[str, Query(min_length=1, max_length=64)],
    k: Annotated[int, Query(ge=1, le=100)] = 3,
    workspace: WorkspaceName = None,
) -> Response:
    """What to do next for a task, best first; `status` and `reason` say why there are no more."""
    advice = rooms.patterns.get_pattern_recommendations(caller.workspace(workspace), task_type, k)
    return tagged(request, {"items": list(advice), "status": advice.status, "reason": advice.reason})


@router.get("/patterns")
def list_patterns(
    request: Request,
    caller: Reader,
    rooms: AllRooms,
    workspace: WorkspaceName = None,
    content_type: Kind = None,
    pattern_type: Annotated[Literal["winning", "losing"] | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Patterns that win and lose, strongest first within each content type; `analyses` say how far they look back."""
    workspace_id = caller.workspace(workspace)
    rows = [
        {"content_type": kind} | pattern.as_dict()
        for kind, pattern in rooms.patterns.stored_patterns(workspace_id)
        if content_type in (None, kind) and pattern_type in (None, pattern.pattern_type)
    ]
    return tagged(request, page(rows, limit, cursor) | {"analyses": rooms.patterns.analyses(workspace_id)})


@router.get("/insights")
def list_insights(
    request: Request,
    caller: Reader,
    rooms: AllRooms,
    workspace: WorkspaceName = None,
    k: Annotated[int, Query(ge=1, le=100)] = 5,
) -> Response:
    """What similar workspaces know; `status` says why where nothing may be said."""
    answer = dict(rooms.transfer.get_transfer_insights(caller.workspace(workspace), k))
    return tagged(request, answer)


@router.get("/learnings")
def list_learnings(
    request: Request,
    caller: Reader,
    rooms: AllRooms,
    q: Annotated[str, Query(min_length=1, max_length=2000, description="Any words.")],
    workspace: WorkspaceName = None,
    k: Annotated[int, Query(ge=1, le=100)] = 5,
) -> Response:
    """What was learned that answers a question best, and whether it still holds; none where nothing is about it."""
    learned = rooms.learnings.recall(q, caller.workspace(workspace), k)
    return tagged(request, {"items": [one.as_dict() for one in learned]})


@router.get("/backlog")
def list_backlog(
    request: Request,
    caller: Reader,
    rooms: AllRooms,
    workspace: WorkspaceName = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Experiments to run next, the most worth first, with what each is expected to bring and to cost."""
    rows = rooms.loop.backlog(caller.workspace(workspace), datetime.now(UTC))
    return tagged(request, page([one.as_dict() for one in rows], limit, cursor))


@router.get("/defaults")
def list_defaults(
    request: Request,
    caller: Reader,
    rooms: AllRooms,
    workspace: WorkspaceName = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What is done by default since an experiment proved it, what no longer is, and what won without proving enough."""
    return tagged(request, page(rooms.loop.known_defaults(caller.workspace(workspace)), limit, cursor))


@router.get("/audit")
def list_entries(
    request: Request,
    caller: Admin,
    rooms: AllRooms,
    workspace: WorkspaceName = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The audit log of a workspace, newest first: with which key, for whom, what, to what, and when."""
    before = None if cursor is None else instant_and_id(cursor)
    rows = rooms.access.entries([caller.workspace(workspace)], before, limit + 1)
    shown = rows[:limit]
    more = cursor_of(shown[-1]["recorded_at"].isoformat(), shown[-1]["entry_id"]) if len(rows) > limit else None
    return tagged(request, {"items": shown, "next": more})
