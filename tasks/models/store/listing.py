"""What the warehouse holds of all models, for people: every version, its traffic, the newest drift checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from tasks.models.drift.wording import drift_in_words
from tasks.models.records import REGISTERED, WITHDRAWAL
from tasks.models.store.model_store import DONE
from tasks.models.training.metrics import main_figure
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import DriftCheck, ModelDeployment, ModelRollout, ModelVersion

SECONDS_A_DAY = 86_400


def registered_versions(warehouse: Warehouse) -> list[str]:
    """Names of the versions that can be made champion, of all workspaces, the newest first."""
    names = select(ModelVersion.version_name).where(ModelVersion.status == REGISTERED)
    return [row["version_name"] for row in warehouse.rows(names.order_by(ModelVersion.trained_at.desc()))]


def list_models(warehouse: Warehouse, workspace_id: str | None = None) -> list[dict[str, Any]]:
    """Every version, newest first: registered or not, its part, its share of the predictions, and how good it is.

    `role` is champion, challenger, previous or None; `metric`, `value` and `baseline` are its own figure on its newest
    held-out rows; `age_days` is since the latest row it learned from; `drift` is of the newest check, in words.
    """
    statement = select(ModelVersion.__table__).order_by(ModelVersion.trained_at.desc(), ModelVersion.workspace_id)
    if workspace_id is not None:
        statement = statement.where(ModelVersion.workspace_id == workspace_id)
    shares, parts = _shares(warehouse), _roles(warehouse)
    drifted = {
        (row["workspace_id"], row["model_type"], row["version_name"]): row for row in list_drift_checks(warehouse)
    }
    names = ("workspace_id", "model_type", "version_name", "status", "registry_version", "n_rows", "train_to")
    return [
        {name: row[name] for name in names}
        | _serves(shares.get((row["workspace_id"], row["model_type"]), {}).get(row["version_name"], 0))
        | {name: row["evaluation"][name] for name in ("loss", "baseline_loss", "metrics")}
        | _figure(row["evaluation"]["metrics"])
        | {"role": _role(row, parts), "age_days": (datetime.now(UTC) - row["train_to"]).total_seconds() / SECONDS_A_DAY}
        | _drift(drifted.get((row["workspace_id"], row["model_type"], row["version_name"])))
        for row in warehouse.rows(statement)
    ]


def list_drift_checks(warehouse: Warehouse, workspace_id: str | None = None) -> list[dict[str, Any]]:
    """The newest drift check of every model."""
    statement = select(DriftCheck.__table__).order_by(DriftCheck.checked_at)
    if workspace_id is not None:
        statement = statement.where(DriftCheck.workspace_id == workspace_id)
    newest = {(row["workspace_id"], row["model_type"]): row for row in warehouse.rows(statement)}
    return [newest[key] for key in sorted(newest)]


def _figure(metrics: dict[str, float]) -> dict[str, Any]:
    name, value, baseline = main_figure(metrics) or (None, None, None)
    return {"metric": name, "value": value, "baseline": baseline}


def _drift(check: dict[str, Any] | None) -> dict[str, Any]:
    names = ("drift_status", "drift_score")
    if check is None:
        return dict.fromkeys((*names, "drift"))
    return {name: check[name] for name in names} | {"drift": drift_in_words(check)}


@dataclass(frozen=True, slots=True)
class _Roles:
    """Of one model: who serves, who did before, whoever ever did, and what the champion learned up to."""

    champion: str | None
    previous: str | None
    have_served: frozenset[str]
    learned_to: datetime | None


def _role(row: dict[str, Any], roles: dict[tuple[str, str], _Roles]) -> str | None:
    known = roles.get((row["workspace_id"], row["model_type"]))
    if known is None or row["status"] != REGISTERED:
        return None
    if row["version_name"] == known.champion:
        return "champion"
    if row["version_name"] == known.previous:
        return "previous"
    is_new = row["version_name"] not in known.have_served
    return "challenger" if is_new and known.learned_to is not None and row["train_to"] >= known.learned_to else None


def _roles(warehouse: Warehouse) -> dict[tuple[str, str], _Roles]:
    done = select(ModelDeployment.__table__).where(ModelDeployment.outcome == DONE)
    versions = select(
        ModelVersion.workspace_id, ModelVersion.model_type, ModelVersion.version_name, ModelVersion.train_to
    )
    learned = {
        (row["workspace_id"], row["model_type"], row["version_name"]): row["train_to"]
        for row in warehouse.rows(versions)
    }
    served: dict[tuple[str, str], list[str | None]] = {}
    for row in warehouse.rows(done.order_by(ModelDeployment.generation)):
        name = None if row["kind"] == WITHDRAWAL else row["version_name"]
        served.setdefault((row["workspace_id"], row["model_type"]), []).append(name)
    return {
        key: _Roles(
            names[-1],
            next((name for name in reversed(names[:-1]) if name not in (None, names[-1])), None),
            frozenset(name for name in names if name is not None),
            None if names[-1] is None else learned.get((*key, names[-1])),
        )
        for key, names in served.items()
    }


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
