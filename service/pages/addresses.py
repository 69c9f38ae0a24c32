"""Where things are: every id goes into an address as a parameter, whatever signs it holds.

An id in a path would break: browsers resolve `..`, and servers decode `%2F`.
"""

from __future__ import annotations

import os
from types import SimpleNamespace
from urllib.parse import urlencode
from uuid import UUID

from service.first_imports import ONE_AT_A_TIME
from tasks.settings import mlflow_model_page


def workspace(workspace_id: str) -> str:
    """A workspace's page."""
    return f"/workspace?{urlencode({'id': workspace_id})}"


def backlog(workspace_id: str) -> str:
    """What a workspace tests next."""
    return f"/backlog?{urlencode({'id': workspace_id})}"


def draft(workspace_id: str) -> str:
    """Where a draft for a workspace is held against its patterns."""
    return f"/draft?{urlencode({'id': workspace_id})}"


def learnings(workspace_id: str) -> str:
    """What a workspace has learned."""
    return f"/learnings?{urlencode({'id': workspace_id})}"


def experiment(experiment_id: str) -> str:
    """An experiment's page."""
    return f"/experiment?{urlencode({'id': experiment_id})}"


def model(workspace_id: str, model_type: str) -> str:
    """A model's page."""
    return f"/model?{urlencode({'id': workspace_id, 'type': model_type})}"


def model_live(workspace_id: str, model_type: str) -> str:
    """Where a model's page hears of what happens."""
    return f"/model/live?{urlencode({'id': workspace_id, 'type': model_type})}"


def debate(debate_id: str) -> str:
    """A debate's page."""
    return f"/debate?{urlencode({'id': debate_id})}"


def run(run_id: str) -> str:
    """A run's page."""
    return f"/run?{urlencode({'id': run_id})}"


def filtered(path: str, **parameters: object) -> str:
    """A list under a filter; parameters that are None or empty are left out."""
    chosen = {name: value for name, value in parameters.items() if value not in (None, "", 1)}
    return f"{path}?{urlencode(chosen)}" if chosen else path


def prefect_run(run_id: str) -> str | None:
    """A run in Prefect's pages; None where no server of Prefect's is known, or the run is none of its."""
    api = os.environ.get("PREFECT_API_URL", "").rstrip("/").removesuffix("/api")
    pages = os.environ.get("PREFECT_UI_URL", "").rstrip("/") or api  # a container knows the server by another name
    try:
        known = UUID(run_id)
    except ValueError:
        return None
    return f"{pages}/runs/flow-run/{known}" if pages.startswith("http") else None


def mlflow_model(workspace_id: str, model_type: str) -> str | None:
    """A registered model in MLflow's pages; None where no server of MLflow's is known."""
    with ONE_AT_A_TIME:
        from tasks.models.records import ModelKey, ModelType

    return mlflow_model_page(ModelKey(workspace_id, ModelType(model_type)).registered_name)


LINKS = SimpleNamespace(
    workspace=workspace,
    backlog=backlog,
    draft=draft,
    learnings=learnings,
    experiment=experiment,
    model=model,
    model_live=model_live,
    debate=debate,
    run=run,
    filtered=filtered,
)
