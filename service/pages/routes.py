"""The pages' addresses. What makes a page is imported when it is first asked for: the service starts light."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import HTMLResponse, Response

from service.first_imports import ONE_AT_A_TIME
from service.pages.drift_watch import DriftWatch, StripResponse
from service.pages.names import Identifier, instant_of
from service.pages.page_route import PageRoute
from service.pages.rendering import page
from service.warehouse_access import OpenWarehouse

LONGEST_TEXT = 200
Text = Annotated[str, Query(max_length=LONGEST_TEXT)]
TypeName = Annotated[str, Query(alias="type", max_length=LONGEST_TEXT)]
PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/")
def home(
    request: Request,
    warehouse: OpenWarehouse,
    q: Text = "",
    need: Text = "",
    industry: Text = "",
    organization: Text = "",
    order: Text = "need",
    number: PageNumber = 1,
) -> HTMLResponse:
    """What needs a person, and all workspaces."""
    with ONE_AT_A_TIME:
        from service.pages.home import SHARED, Wanted, home_context

    wanted = Wanted.of(q, need, industry, organization, order, number)
    return page(request, "home.html", home_context(warehouse, wanted, SHARED.of(warehouse)))


@router.get("/workspace")
def workspace(request: Request, warehouse: OpenWarehouse, workspace_id: Identifier) -> HTMLResponse:
    """One workspace."""
    with ONE_AT_A_TIME:
        from service.pages.workspaces import workspace_context

    return page(request, "workspace.html", workspace_context(warehouse, workspace_id))


@router.get("/learnings")
def learnings(request: Request, warehouse: OpenWarehouse, workspace_id: Identifier, q: Text = "") -> HTMLResponse:
    """What a workspace has learned: the newest, or what answers a question."""
    with ONE_AT_A_TIME:
        from service.pages.learnings import learnings_context

    return page(request, "learnings.html", learnings_context(warehouse, workspace_id, q))


@router.get("/experiments")
def experiments(
    request: Request, warehouse: OpenWarehouse, q: Text = "", status: Text = "", number: PageNumber = 1
) -> HTMLResponse:
    """All experiments."""
    with ONE_AT_A_TIME:
        from service.pages.experiments import WantedExperiments, experiments_context

    return page(request, "experiments.html", experiments_context(warehouse, WantedExperiments(q, status, number)))


@router.get("/experiment")
def experiment(request: Request, warehouse: OpenWarehouse, experiment_id: Identifier) -> HTMLResponse:
    """One experiment, looked at now."""
    with ONE_AT_A_TIME:
        from service.pages.experiments import experiment_context

    return page(request, "experiment.html", experiment_context(warehouse, experiment_id))


@router.get("/calendar")
def calendar(
    request: Request,
    warehouse: OpenWarehouse,
    q: Text = "",
    status: Text = "",
    week: Text = "",
    number: PageNumber = 1,
) -> HTMLResponse:
    """Experiments over weeks."""
    with ONE_AT_A_TIME:
        from service.pages.calendar import WantedWeeks, calendar_context

    return page(request, "calendar.html", calendar_context(warehouse, WantedWeeks(q, status, week, number)))


@router.get("/backlog")
def backlog(request: Request, warehouse: OpenWarehouse, workspace_id: Identifier) -> HTMLResponse:
    """What a workspace tests next."""
    with ONE_AT_A_TIME:
        from service.pages.backlog import backlog_context

    return page(request, "backlog.html", backlog_context(warehouse, workspace_id))


async def _draft_of_form(request: Request) -> Any:
    with ONE_AT_A_TIME:
        from service.pages.draft import read_draft

    return await read_draft(request)


@router.get("/draft")
def draft_form(request: Request, warehouse: OpenWarehouse, workspace_id: Identifier) -> HTMLResponse:
    """An empty form for a draft."""
    with ONE_AT_A_TIME:
        from service.pages.draft import Draft, form_context

    return page(request, "draft.html", form_context(warehouse, workspace_id, Draft()))


@router.post("/draft")
def draft(
    request: Request,
    warehouse: OpenWarehouse,
    workspace_id: Identifier,
    draft: Annotated[Any, Depends(_draft_of_form)],
    x_part: Annotated[str, Header()] = "",
) -> HTMLResponse:
    """What is known of a draft: the whole page, or its result alone for the page's script. Nothing is kept."""
    with ONE_AT_A_TIME:
        from service.pages.draft import form_context, result_context

    context = form_context(warehouse, workspace_id, draft)
    if draft.has_text:
        wanted = draft.as_asked(context["workspace"]["timezone"])
        context |= result_context(request.app.state.scoring.score(workspace_id, wanted))
    return page(request, "draft_result.html" if x_part == "result" else "draft.html", context)


@router.get("/models")
def models(request: Request, warehouse: OpenWarehouse) -> HTMLResponse:
    """Models that need a person, and what moved."""
    with ONE_AT_A_TIME:
        from service.pages.models import models_context

    return page(request, "models.html", models_context(warehouse))


@router.get("/model")
def model(
    request: Request, warehouse: OpenWarehouse, workspace_id: Identifier, model_type: TypeName, as_of: Text = ""
) -> HTMLResponse:
    """One model: its versions, who served when, and its drift, now or as it was seen at an instant."""
    with ONE_AT_A_TIME:
        from service.pages.models import model_context

    context = model_context(warehouse, workspace_id, model_type, instant_of(as_of))
    return page(request, "model.html", context)


@router.get("/model/live")
def model_live(request: Request, warehouse: OpenWarehouse, workspace_id: Identifier, model_type: TypeName) -> Response:
    """The model's strip each time it changes, as server-sent events."""
    with ONE_AT_A_TIME:
        from service.pages.models import known_model

    watch: DriftWatch = request.app.state.watch
    key = known_model(warehouse, workspace_id, model_type)
    return StripResponse(watch, key)


@router.get("/debates")
def debates(request: Request, warehouse: OpenWarehouse) -> HTMLResponse:
    """The newest debates."""
    with ONE_AT_A_TIME:
        from service.pages.debates import debates_context

    return page(request, "debates.html", debates_context(warehouse))


@router.get("/debate")
def debate(request: Request, warehouse: OpenWarehouse, debate_id: Identifier) -> HTMLResponse:
    """One debate."""
    with ONE_AT_A_TIME:
        from service.pages.debates import debate_context

    return page(request, "debate.html", debate_context(warehouse, debate_id))


@router.get("/runs")
def runs(request: Request, warehouse: OpenWarehouse) -> HTMLResponse:
    """The newest runs."""
    with ONE_AT_A_TIME:
        from service.pages.runs import runs_context

    return page(request, "runs.html", runs_context(warehouse))


@router.get("/run")
def run(request: Request, warehouse: OpenWarehouse, run_id: Identifier) -> HTMLResponse:
    """One run: how its steps ended, and for whom not well."""
    with ONE_AT_A_TIME:
        from service.pages.runs import run_context

    return page(request, "run.html", run_context(warehouse, run_id))


@router.get("/releases")
def releases(request: Request, warehouse: OpenWarehouse) -> HTMLResponse:
    """Private releases: what each cost and how noisy it is."""
    with ONE_AT_A_TIME:
        from service.pages.releases import releases_context

    return page(request, "releases.html", releases_context(warehouse))
