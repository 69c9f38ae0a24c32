"""`/v1/runs`: flows started for one workspace, through the platform's Prefect server, and how they stand."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from service.callers import Admin, Reader
from service.json_bodies import JsonRoute
from service.prefect_api import prefect_client, sound_object
from service.problems import ProblemError, not_found, unavailable
from service.routes.answers import Body, tagged

router = APIRouter(prefix="/v1/runs", tags=["runs"], route_class=JsonRoute)

# Flows that look at the workspaces they are given and at nobody else's, and what of their forms a key may fill in.
OPTIONS = {
    "meta-learning": {"lookback_days", "recompute", "force_retrain", "only_look", "min_new_samples", "dry_run"},
    "pattern-learning": {"lookback_days", "recompute"},
    "model-refresh": {"lookback_days", "recompute", "force_retrain", "only_look", "promote", "min_new_samples"},
    "experiment-analysis": {"complete", "needs_approval", "approval_hours"},
}
KNOWN = ("id", "name", "state_name", "state_type", "start_time", "end_time", "total_run_time", "created")


class RunBody(Body):
    """Which flow, for whom."""

    deployment: Annotated[str, Field(max_length=64, description="Such as `pattern-learning`.")]
    options: dict[str, bool | int] = Field(default_factory=dict)
    workspace: Annotated[str | None, Field(max_length=128)] = None


@router.post("", status_code=202)
def start_run(
    body: RunBody,
    caller: Admin,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=128)] = None,
) -> JSONResponse:
    """Start a flow for a workspace; the same Idempotency-Key starts it once."""
    workspace_id = caller.workspace(body.workspace)
    _require_known(body)
    with prefect_client() as prefect:
        answer = prefect.get(f"/deployments/name/{body.deployment}/{body.deployment}")
        if answer.status_code == 404:
            raise unavailable("the platform has no such deployment yet; `raptorflow deploy` makes them")
        wanted: dict[str, Any] = {
            "parameters": {"options": body.options | {"workspace_ids": [workspace_id]}},
            "tags": [_tag(workspace_id)],
        }
        if idempotency_key is not None:
            wanted["idempotency_key"] = f"{workspace_id}/{idempotency_key}"
        started = prefect.post(f"/deployments/{sound_object(answer)['id']}/create_flow_run", json=wanted)
    if started.status_code in (409, 422):
        raise ProblemError(422, "the flow's form refuses these options; its page in Prefect shows what it takes")
    run = sound_object(started)
    caller.record(workspace_id, f"{body.deployment}: {run['id']}")
    where = f"/v1/runs/{run['id']}"
    return JSONResponse(_shown(run), 202, {"Location": where})


@router.get("/{run_id}")
def read_run(
    request: Request, run_id: Annotated[uuid.UUID, Path(description="As starting it said.")], caller: Reader
) -> Response:
    """How a run stands that was started here for a workspace the key opens."""
    with prefect_client() as prefect:
        answer = prefect.get(f"/flow_runs/{run_id}")
    run = {} if answer.status_code == 404 else sound_object(answer)
    tags = run.get("tags")
    if not isinstance(tags, list) or not any(_tag(name) in tags for name in caller.workspaces):
        raise not_found("run")
    return tagged(request, _shown(run))


def _require_known(body: RunBody) -> None:
    """Raise for a flow that no key starts, and for an option that it has not."""
    if body.deployment not in OPTIONS:
        problem = {"field": "body.deployment", "problem": f"is one of {', '.join(OPTIONS)}"}
        raise ProblemError(422, f"deployment is one of {', '.join(OPTIONS)}", errors=[problem])
    for name in sorted(set(body.options) - OPTIONS[body.deployment]):
        known = ", ".join(sorted(OPTIONS[body.deployment]))
        problem = {"field": f"body.options.{name}", "problem": f"is none of {known}"}
        raise ProblemError(422, f"options.{name} is none of {known}", errors=[problem])


def _tag(workspace_id: str) -> str:
    return f"workspace: {workspace_id}"


def _shown(run: dict[str, Any]) -> dict[str, Any]:
    return {name: run.get(name) for name in KNOWN}
