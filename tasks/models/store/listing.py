"""What the warehouse holds of all models, for people: every version, its traffic, the newest drift checks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from tasks.models.records import WITHDRAWAL
from tasks.models.store.model_store import DONE
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import DriftCheck, ModelDeployment, ModelRollout, ModelVersion


def list_models(warehouse: Warehouse, workspace_id: str | None = None) -> list[dict[str, Any]]:
    """Every version, newest first: registered or not, its share of the predictions, and its held-out loss."""
    statement = select(ModelVersion.__table__).order_by(ModelVersion.trained_at.desc(), ModelVersion.workspace_id)
    if workspace_id is not None:
        statement = statement.where(ModelVersion.workspace_id == workspace_id)
    shares = _shares(warehouse)
    names = ("workspace_id", "model_type", "version_name", "status", "registry_version", "n_rows", "train_to")
    return [
        {name: row[name] for name in names}
        | _serves(shares.get((row["workspace_id"], row["model_type"]), {}).get(row["version_name"], 0))
        | {name: row["evaluation"][name] for name in ("loss", "baseline_loss", "metrics")}
        for row in warehouse.rows(statement)
    ]


def list_drift_checks(warehouse: Warehouse, workspace_id: str | None = None) -> list[dict[str, Any]]:
    """The newest drift check of every model."""
    statement = select(DriftCheck.__table__).order_by(DriftCheck.checked_at)
    if workspace_id is not None:
        statement = statement.where(DriftCheck.workspace_id == workspace_id)
    newest = {(row["workspace_id"], row["model_type"]): row for row in warehouse.rows(statement)}
    return [newest[key] for key in sorted(newest)]


def _serves(share_percent: int) -> dict[str, Any]:
    return {"serves": share_percent > 0, "share_percent": share_percent}


def _shares(warehouse: Warehouse) -> dict[tuple[str, str], dict[str, int]]:
    """Per cent of the predictions that each version of each model gives: the champion all, but for a rollout's part."""
    done = select(ModelDeployment.__table__).where(ModelDeployment.outcome == DONE)
    steps = select(ModelRollout.__table__).order_by(ModelRollout.recorded_at, ModelRollout.step)
    shares: dict[tuple[str, str], dict[str, int]] = {}
    for row in warehouse.rows(done.order_by(ModelDeployment.generation)):
        withdrawn = row["kind"] == WITHDRAWAL
        shares[row["workspace_id"], row["model_type"]] = {} if withdrawn else {row["version_name"]: 100}
    newest = {(row["workspace_id"], row["model_type"]): row for row in warehouse.rows(steps)}
    for key, step in newest.items():
        if 0 < step["share_percent"] < 100 and step["champion"] in shares.get(key, {}):
            share = step["share_percent"]
            shares[key] = {step["champion"]: 100 - share, step["version_name"]: share}
    return shares
