"""`/v1/experiments`: created, started, units assigned, outcomes recorded, looked at, decided."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Field

from service.assignment_queue import AssignmentQueue
from service.callers import Admin, Assigner, Reader, WorkspaceName, Writer
from service.first_imports import ONE_AT_A_TIME
from service.gate import Caller
from service.json_bodies import JsonRoute
from service.problems import ProblemError, not_found
from service.rooms import AllRooms, Rooms
from service.routes.answers import Body, Cursor, Limit, page, tagged
from tasks.json_output import plain

router = APIRouter(prefix="/v1/experiments", tags=["experiments"], route_class=JsonRoute)

MOST_UNITS = 10_000
MOST_ARMS = 100
Number = Annotated[float, Field(allow_inf_nan=False)]
Id = Annotated[str, Path(max_length=128)]
Text = Annotated[str, Field(max_length=1000)]
Unit = Annotated[str, Field(min_length=1, max_length=256)]
ContextBody = Annotated[
    dict[str, str | Number | bool | None],
    Field(max_length=20, description="Of a contextual experiment: what is known of the unit, by declared column."),
]
Segment = str | dict[str, str | int | float | bool | None] | None
OWN = ("allocation_strategy", "confidence_level", "experiment_type", "min_effect_size", "min_sample_size")


class ArmBody(Body):
    """One arm."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    description: Text | None = None
    weight: Number | None = None
    is_control: bool | None = None
    levels: dict[str, str] | None = None
    title: Annotated[str, Field(max_length=10_000)] | None = None
    body: Annotated[str, Field(max_length=100_000)] | None = None
    changes: Annotated[
        dict[str, str | Number | bool] | None,
        Field(max_length=20, description="Features of content that it sets, or `pattern`: its key."),
    ] = None


class ExperimentBody(Body):
    """A new experiment; the same name and design again is the same experiment."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    variants: Annotated[list[ArmBody], Field(min_length=2, max_length=MOST_ARMS)]
    metric_name: Annotated[str, Field(min_length=1, max_length=64)]
    workspace: Annotated[str | None, Field(max_length=128)] = None
    experiment_type: Literal["ab_test", "multivariate", "multi_armed_bandit", "sequential", "contextual"] = "ab_test"
    allocation_strategy: Literal["equal", "thompson", "ucb", "staged"] | None = None
    min_sample_size: Annotated[int, Field(ge=2, le=10**12)] = 100
    confidence_level: Number | None = None
    hypothesis: Text | None = None
    metric_kind: Literal["binary", "rate", "continuous", "count", "ratio"] | None = None
    direction: Literal["increase", "decrease"] | None = None
    bounds: tuple[Number | None, Number | None] | None = None
    baseline: Number | tuple[Number, Number] | None = None
    min_effect_size: Number | None = None
    secondary: Annotated[list[str | dict[str, Any]], Field(max_length=10)] = Field(default_factory=list)
    guardrails: Annotated[list[str | dict[str, Any]], Field(max_length=10)] = Field(default_factory=list)
    salt: Annotated[str | None, Field(max_length=256)] = None
    design: Annotated[
        dict[str, Any], Field(description="Further fields of the design, such as `traffic_share`; see the docs.")
    ] = Field(default_factory=dict)


class StartBody(Body):
    """When it starts."""

    started_at: AwareDatetime | None = None


class UnitBody(Body):
    """A unit that asks for its arm."""

    unit_id: Unit
    segment: Segment = None
    covariate: Number | None = None
    context: ContextBody | None = None


class UnitsBody(Body):
    """Units that ask for their arms together."""

    units: Annotated[list[UnitBody], Field(min_length=1, max_length=MOST_UNITS)]


class OutcomeBody(Body):
    """What came of one unit."""

    unit_id: Unit
    outcome: Number
    key: Annotated[str | None, Field(min_length=1, max_length=128)] = None
    denominator: Number | None = None
    occurred_at: AwareDatetime | None = None


class SingleOutcomeBody(OutcomeBody):
    """What came of one unit, and of which metric."""

    metric_name: Annotated[str | None, Field(max_length=64)] = None
    variant: Annotated[str | None, Field(max_length=128)] = None
    amend: bool = False


class OutcomesBody(Body):
    """What came of many units."""

    outcomes: Annotated[list[OutcomeBody], Field(min_length=1, max_length=MOST_UNITS)]
    metric_name: Annotated[str | None, Field(max_length=64)] = None
    amend: bool = False


class DecisionBody(Body):
    """How it ends: by its answer, with an arm that a person chooses, or without any."""

    winner: Annotated[str | None, Field(max_length=128)] = None
    stop: bool = False


class TrafficBody(Body):
    """Who takes part from now on."""

    traffic_share: Annotated[Number, Field(ge=0, le=1)]
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class WeightsBody(Body):
    """How units to come are divided."""

    weights: dict[str, Number]
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class WithdrawalBody(Body):
    """An approval of the loop that is taken back."""

    which: Annotated[str, Field(min_length=1, max_length=128, description="The approved experiment's name, key or id.")]
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    workspace: Annotated[str | None, Field(max_length=128)] = None


class SwitchOffBody(Body):
    """An arm that is given to nobody any more."""

    variant: Annotated[str, Field(max_length=128)]
    reason: Annotated[str, Field(min_length=1, max_length=1000)]


@router.get("")
def list_experiments(
    request: Request,
    caller: Reader,
    rooms: AllRooms,
    workspace: WorkspaceName = None,
    status: Annotated[Literal["draft", "running", "completed"] | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Experiments of a workspace, newest first, as last looked at."""
    rows = rooms.experiments.list_experiments(caller.workspace(workspace))
    return tagged(request, page([row for row in rows if status in (None, row["status"])], limit, cursor))


@router.post("", status_code=201, responses={200: {"description": "It was there already, with this design."}})
def create_experiment(body: ExperimentBody, caller: Writer, rooms: AllRooms) -> Response:
    """Design an experiment."""
    began = datetime.now(UTC)
    workspace_id = caller.workspace(body.workspace)
    for name in body.design:
        if name in OWN or name in ExperimentBody.model_fields:
            problem = {"field": f"body.design.{name}", "problem": "is a field of the experiment itself"}
            raise ProblemError(422, f"design.{name} is a field of the experiment itself: move it out", errors=[problem])
    given = body.model_dump(exclude={"workspace", "design", "variants"})
    arms = [arm.model_dump(exclude_none=True) for arm in body.variants]
    record = rooms.experiments.create_experiment(workspace_id=workspace_id, variants=arms, **given, **body.design)
    caller.record(workspace_id, record.experiment_id)
    status = 201 if record.created_at >= began else 200
    return JSONResponse(plain(record), status, {"Location": f"/v1/experiments/{record.experiment_id}"})


@router.post("/withdrawals")
def withdraw(body: WithdrawalBody, caller: Admin, rooms: AllRooms) -> JSONResponse:
    """Take back an approval of the loop that has not started; it rests, and is then proposed again."""
    workspace_id = caller.workspace(body.workspace)
    actor = caller.actor or f"key {caller.key.key_id}"
    row = rooms.orchestration.withdraw(workspace_id, body.which, actor, body.reason, datetime.now(UTC))
    caller.record(workspace_id, str(row["name"]))
    return JSONResponse(plain(row))


@router.get("/{experiment_id}")
def read_experiment(request: Request, experiment_id: Id, caller: Reader, rooms: AllRooms) -> Response:
    """One experiment as it stands."""
    require_own(rooms, caller, experiment_id)
    return tagged(request, rooms.experiments.get_experiment(experiment_id))


@router.post("/{experiment_id}/start")
def start_experiment(experiment_id: Id, caller: Writer, rooms: AllRooms, body: StartBody | None = None) -> JSONResponse:
    """Freeze the design and begin to assign; starting twice changes nothing."""
    owner = require_own(rooms, caller, experiment_id)
    record = rooms.experiments.start_experiment(experiment_id, None if body is None else body.started_at)
    caller.record(owner, experiment_id)
    return JSONResponse(plain(record))


@router.post("/{experiment_id}/assignments")
async def assign(
    request: Request, experiment_id: Id, body: UnitBody, caller: Assigner, rooms: AllRooms
) -> JSONResponse:
    """The unit's arm; the same unit always gets the same one. `variant` is null for a unit that takes no part."""
    owner = await own_experiment(rooms, caller, experiment_id)
    arms: AssignmentQueue = request.app.state.assignments
    unit, segment = checked_unit(body.unit_id, body.segment)
    arm = await arms.assign(caller, owner, experiment_id, unit, segment, body.covariate, body.context)
    return JSONResponse(as_answer(unit, arm))


@router.post("/{experiment_id}/assignments/batch")
def assign_many(experiment_id: Id, body: UnitsBody, caller: Assigner, rooms: AllRooms) -> JSONResponse:
    """Arms of many units, in their order, in one transaction."""
    owner = require_own(rooms, caller, experiment_id)
    arms = rooms.experiments.assign_variants(
        experiment_id,
        [one.unit_id for one in body.units],
        [one.segment for one in body.units],
        [one.covariate for one in body.units],
        contexts=[one.context for one in body.units],
    )
    caller.record(owner, f"{experiment_id}: {len(arms)} units")
    return JSONResponse(
        {"assignments": [as_answer(one.unit_id, arm) for one, arm in zip(body.units, arms, strict=True)]}
    )


@router.post("/{experiment_id}/outcomes")
def record_outcome(
    experiment_id: Id,
    body: SingleOutcomeBody,
    caller: Writer,
    rooms: AllRooms,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=128, description="Names this outcome among its unit's; the same as `key`."),
    ] = None,
) -> JSONResponse:
    """Record what came of one unit, once however often it is sent; it is stored when this answers."""
    owner = require_own(rooms, caller, experiment_id)
    if idempotency_key is not None and body.key not in (None, idempotency_key):
        problem = {"field": "header.idempotency-key", "problem": "differs from body.key; send one of them"}
        raise ProblemError(422, "Idempotency-Key differs from key; send one of them", errors=[problem])
    recorded = rooms.experiments.record_outcome(
        experiment_id,
        body.variant,
        body.outcome,
        unit_id=body.unit_id,
        key=body.key or idempotency_key,
        metric_name=body.metric_name,
        denominator=body.denominator,
        amend=body.amend,
        occurred_at=body.occurred_at,
    )
    caller.record(owner, f"{experiment_id}: {body.unit_id}")
    return JSONResponse(plain(recorded))


@router.post("/{experiment_id}/outcomes/batch")
def record_outcomes(experiment_id: Id, body: OutcomesBody, caller: Writer, rooms: AllRooms) -> JSONResponse:
    """Record many at once, all or none, but for rows that `refused` names; the same rows again change nothing."""
    owner = require_own(rooms, caller, experiment_id)
    rows = [one.model_dump() for one in body.outcomes]
    recorded = rooms.experiments.record_outcomes(experiment_id, rows, metric_name=body.metric_name, amend=body.amend)
    caller.record(owner, f"{experiment_id}: {len(rows)} outcomes")
    return JSONResponse(plain(recorded))


@router.get("/{experiment_id}/results")
def read_results(request: Request, experiment_id: Id, caller: Reader, rooms: AllRooms) -> Response:
    """What the newest look showed; takes none of its own. `result` is null before the first one."""
    require_own(rooms, caller, experiment_id)
    return tagged(request, rooms.experiments.last_result(experiment_id))


@router.post("/{experiment_id}/results")
def look_at_results(experiment_id: Id, caller: Writer, rooms: AllRooms) -> JSONResponse:
    """Look at the data now: everything known, with intervals that hold however often one looks."""
    owner = require_own(rooms, caller, experiment_id)
    analysis = rooms.experiments.analyze_experiment(experiment_id)
    caller.record(owner, experiment_id)
    return JSONResponse(plain(analysis))


@router.get("/{experiment_id}/decisions")
def read_decisions(request: Request, experiment_id: Id, caller: Reader, rooms: AllRooms) -> Response:
    """The log: every decision, with what was known, in order."""
    require_own(rooms, caller, experiment_id)
    return tagged(request, {"items": rooms.experiments.decisions(experiment_id)})


@router.post("/{experiment_id}/decide")
def decide(experiment_id: Id, caller: Admin, rooms: AllRooms, body: DecisionBody | None = None) -> JSONResponse:
    """End it: by its answer, with the arm named against the evidence, or, with `stop`, without any."""
    owner = require_own(rooms, caller, experiment_id)
    wanted = body or DecisionBody()
    if wanted.winner is None and not wanted.stop:
        record = rooms.experiments.decide_experiment(experiment_id)
    else:
        record = rooms.experiments.complete_experiment(experiment_id, wanted.winner)
    caller.record(owner, experiment_id)
    return JSONResponse(plain(record))


@router.post("/{experiment_id}/traffic-share")
def set_traffic_share(experiment_id: Id, body: TrafficBody, caller: Admin, rooms: AllRooms) -> JSONResponse:
    """Let a larger share of the units take part."""
    owner = require_own(rooms, caller, experiment_id)
    record = rooms.experiments.set_traffic_share(experiment_id, body.traffic_share, body.reason)
    caller.record(owner, experiment_id)
    return JSONResponse(plain(record))


@router.post("/{experiment_id}/weights")
def set_weights(experiment_id: Id, body: WeightsBody, caller: Admin, rooms: AllRooms) -> JSONResponse:
    """Divide the units to come by other weights."""
    owner = require_own(rooms, caller, experiment_id)
    record = rooms.experiments.set_weights(experiment_id, body.weights, body.reason)
    caller.record(owner, experiment_id)
    return JSONResponse(plain(record))


@router.post("/{experiment_id}/switch-off")
def switch_off(experiment_id: Id, body: SwitchOffBody, caller: Admin, rooms: AllRooms) -> JSONResponse:
    """Give an arm to no further unit."""
    owner = require_own(rooms, caller, experiment_id)
    record = rooms.experiments.switch_off(experiment_id, body.variant, body.reason)
    caller.record(owner, experiment_id)
    return JSONResponse(plain(record))


def require_own(rooms: Rooms, caller: Caller, experiment_id: str) -> str:
    """The workspace of an experiment that the caller's key opens.

    Raises:
        ProblemError: the same for one that is not there and for another workspace's, after the same one query.
    """
    owner = rooms.experiments.owner_among(experiment_id, caller.workspaces)
    if owner is None:
        raise not_found("experiment")
    return owner


async def own_experiment(rooms: Rooms, caller: Caller, experiment_id: str) -> str:
    """The same for what is asked hundreds of times a second: an experiment never changes its workspace."""
    owner = rooms.owners.get(experiment_id)
    if owner is None or owner not in caller.workspaces:
        owner = await to_thread.run_sync(require_own, rooms, caller, experiment_id)
        rooms.owners[experiment_id] = owner
    return owner


def checked_unit(unit_id: str, segment: Segment) -> tuple[str, str]:
    """A unit and its label as they are stored.

    Raises:
        InputError: for what no database keeps.
    """
    with ONE_AT_A_TIME:
        from tasks.experiments.assignment import require_unit
        from tasks.experiments.design import require_storable
        from tasks.experiments.segments import as_text

    return require_unit(unit_id), require_storable("a segment", as_text(segment))


def as_answer(unit_id: str, arm: Any) -> dict[str, Any]:
    """One assignment as programs read it."""
    if arm is None:
        return {"unit_id": unit_id, "variant": None}
    return {"unit_id": unit_id, "variant": arm.variant_id, "propensity": arm.propensity, "epoch": arm.epoch}
