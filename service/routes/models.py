"""`/v1/models`, `/v1/predictions`, `/v1/score`: what serves, what it says of rows and drafts, and who may change it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Field

from service.callers import Admin, Reader, WorkspaceName, Writer
from service.first_imports import ONE_AT_A_TIME
from service.json_bodies import JsonRoute
from service.outcome_queue import OutcomeQueue
from service.rooms import AllRooms
from service.routes.answers import Body, Cursor, Limit, page, tagged
from service.scoring import Scoring

router = APIRouter(prefix="/v1", tags=["models"], route_class=JsonRoute)

MOST_ROWS = 5000
Type = Annotated[
    Literal[
        "ENGAGEMENT_PREDICTOR", "TONE_CLASSIFIER", "CONVERSION_PREDICTOR", "SENTIMENT_ANALYZER", "TOPIC_CLASSIFIER"
    ],
    Path(description="Which of the five."),
]
STORABLE = r"^[^\x00]*$"  # PostgreSQL keeps no NUL
Reason = Annotated[str, Field(min_length=1, max_length=1000, pattern=STORABLE)]
Name = Annotated[str | None, Field(max_length=128, pattern=STORABLE)]
Word = Annotated[str, Field(min_length=1, max_length=128, pattern=STORABLE)]


class DraftBody(Body):
    """A post that is not published yet; what is left out counts as in most posts, and the time as now."""

    title: Annotated[str | None, Field(max_length=10_000)] = None
    body: Annotated[str | None, Field(max_length=100_000)] = None
    media_type: Annotated[str | None, Field(max_length=64)] = None
    channel: Annotated[str | None, Field(max_length=64)] = None
    content_type: Annotated[str | None, Field(max_length=64)] = None
    published_at: AwareDatetime | None = None
    workspace: Name = None


class PredictionsBody(Body):
    """Rows of the warehouse that are to be predicted."""

    row_ids: Annotated[list[Word], Field(min_length=1, max_length=MOST_ROWS)]
    workspace: Name = None


class CameBody(Body):
    """What came of one row: its label (0 or 1 for conversions), or engagement on the log scale of `expected`."""

    row_id: Word
    value: Word | bool | Annotated[float, Field(allow_inf_nan=False)]


class CameOfRowsBody(Body):
    """What came of rows that were predicted."""

    outcomes: Annotated[list[CameBody], Field(min_length=1, max_length=MOST_ROWS)]
    workspace: Name = None


class PromotionBody(Body):
    """What is to serve: a version, or the newest challenger."""

    reason: Reason
    version: Name = None
    expected_generation: Annotated[int | None, Field(ge=0, le=10**9)] = None
    workspace: Name = None


class RollbackBody(Body):
    """What is to serve again: a version, or what served before."""

    reason: Reason
    version: Name = None
    workspace: Name = None


async def scoring_of(request: Request) -> Scoring:
    """The process beside the application that answers; for `Depends`."""
    scoring: Scoring = request.app.state.scoring
    return scoring


async def outcomes_of(request: Request) -> OutcomeQueue:
    """What writes the outcomes of the application that answers; for `Depends`."""
    outcomes: OutcomeQueue = request.app.state.outcomes
    return outcomes


Beside = Annotated[Scoring, Depends(scoring_of)]
Outcomes = Annotated[OutcomeQueue, Depends(outcomes_of)]


@router.get("/models")
def list_model_versions(
    request: Request,
    caller: Reader,
    rooms: AllRooms,
    workspace: WorkspaceName = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Every version, newest first: its part, its share of the predictions, how good it is, and its drift."""
    with ONE_AT_A_TIME:
        from tasks.models import list_models

    return tagged(request, page(list_models(rooms.warehouse.open(), caller.workspace(workspace)), limit, cursor))


@router.post("/score")
def score(body: DraftBody, caller: Reader, scoring: Beside) -> JSONResponse:
    """What a draft is worth: expected engagement with its interval, patterns met and missed, posts like it."""
    workspace_id = caller.workspace(body.workspace)
    return JSONResponse(scoring.score(workspace_id, body.model_dump(exclude={"workspace"})))


@router.post("/predictions/{model_type}")
def predict(model_type: Type, body: PredictionsBody, caller: Writer, scoring: Beside) -> JSONResponse:
    """Predictions of stored posts or contacts by what serves, logged; ids the workspace does not have are left out."""
    workspace_id = caller.workspace(body.workspace)
    items = scoring.predict(workspace_id, model_type, body.row_ids)
    caller.record(workspace_id, f"{model_type}: {len(items)} rows")
    return JSONResponse({"items": items})


@router.post("/predictions/{model_type}/outcomes")
async def record_what_came(model_type: Type, body: CameOfRowsBody, caller: Writer, outcomes: Outcomes) -> JSONResponse:
    """What came of predicted rows: drift is seen by it at once. The first outcome of a row stands, so send it again."""
    workspace_id = caller.workspace(body.workspace)
    values = {one.row_id: one.value for one in reversed(body.outcomes)}
    return JSONResponse(await outcomes.record(caller, workspace_id, model_type, values))


@router.post("/models/{model_type}/promote")
def promote(model_type: Type, body: PromotionBody, caller: Admin, scoring: Beside) -> JSONResponse:
    """Let a registered version serve."""
    return _moved("promote_model", model_type, body, caller, scoring, expected_generation=body.expected_generation)


@router.post("/models/{model_type}/rollback")
def roll_back(model_type: Type, body: RollbackBody, caller: Admin, scoring: Beside) -> JSONResponse:
    """Let an earlier version serve again."""
    return _moved("rollback_model", model_type, body, caller, scoring)


def _moved(
    kind: str, model_type: str, body: PromotionBody | RollbackBody, caller: Admin, scoring: Scoring, **more: Any
) -> JSONResponse:
    workspace_id = caller.workspace(body.workspace)
    name = "version" if kind == "promote_model" else "target_version"
    options = {name: body.version, "reason": body.reason, "actor": f"key {caller.key.key_id}"} | more
    moved = scoring.move(kind, workspace_id, model_type, options)
    caller.record(workspace_id, f"{model_type}: {body.version or 'the next in line'}")
    return JSONResponse(moved)
