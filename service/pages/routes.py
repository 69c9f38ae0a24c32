"""The pages' addresses. What makes a page is imported when it is first asked for: the service starts light."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service.pages.names import Identifier
from service.pages.page_route import PageRoute
from service.pages.rendering import page
from service.warehouse_access import OpenWarehouse

LONGEST_TEXT = 200
Text = Annotated[str, Query(max_length=LONGEST_TEXT)]
PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/")
def home(
    request: Request,
    warehouse: OpenWarehouse,
    q: Text = "",
    need: Text = "",
    industry: Text = "",
    organisation: Text = "",
    order: Text = "need",
    number: PageNumber = 1,
) -> HTMLResponse:
    """What needs a person, and all workspaces."""
    from service.pages.home import Wanted, home_context

    wanted = Wanted.of(q, need, industry, organisation, order, number)
    return page(request, "home.html", home_context(warehouse, wanted))


@router.get("/workspace")
def workspace(request: Request, warehouse: OpenWarehouse, workspace_id: Identifier) -> HTMLResponse:
    """One workspace."""
    from service.pages.workspaces import workspace_context

    return page(request, "workspace.html", workspace_context(warehouse, workspace_id))


@router.get("/experiments")
def experiments(
    request: Request, warehouse: OpenWarehouse, q: Text = "", status: Text = "", number: PageNumber = 1
) -> HTMLResponse:
    """All experiments."""
    from service.pages.experiments import WantedExperiments, experiments_context

    return page(request, "experiments.html", experiments_context(warehouse, WantedExperiments(q, status, number)))


@router.get("/experiment")
def experiment(request: Request, warehouse: OpenWarehouse, experiment_id: Identifier) -> HTMLResponse:
    """One experiment, looked at now."""
    from service.pages.experiments import experiment_context

    return page(request, "experiment.html", experiment_context(warehouse, experiment_id))
