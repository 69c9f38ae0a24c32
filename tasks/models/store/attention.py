"""Of all models at once, what a person has to know: champions that drift, versions that wait, what changed lately."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import aliased

from tasks.models.records import CRITICAL, REGISTERED, WARNING, WITHDRAWAL
from tasks.models.store.model_store import DONE
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import DriftCheck, ModelDeployment, ModelVersion


def drifting_champions(warehouse: Warehouse) -> list[dict[str, Any]]:
    """The newest drift check of each version that serves now, of those that warn or alarm, the worst first."""
    check, newer = DriftCheck, aliased(DriftCheck)
    champions = _champions().subquery()
    serves = and_(_same_model(check, champions.c), check.version_name == champions.c.version_name)
    later = and_(_same_model(newer, check), newer.version_name == check.version_name)
    newest = select(func.max(newer.checked_at)).where(later).scalar_subquery()
    columns = (check.workspace_id, check.model_type, check.version_name, check.drift_status, check.drift_score)
    alarms = check.drift_status.in_((CRITICAL, WARNING))
    statement = select(*columns, check.checked_at).join(champions, serves).where(alarms, check.checked_at == newest)
    order = (check.drift_status != CRITICAL, check.drift_score.desc(), check.workspace_id, check.model_type)
    return warehouse.rows(statement.order_by(*order))


def waiting_versions(warehouse: Warehouse) -> list[dict[str, Any]]:
    """The newest registered version of each model that is no older than its champion and has never served."""
    version, serving, served = ModelVersion, aliased(ModelVersion), ModelDeployment
    champions = _champions().subquery()
    of_champion = and_(_same_model(serving, champions.c), serving.version_name == champions.c.version_name)
    has_served = and_(_same_model(served, version), served.version_name == version.version_name, served.outcome == DONE)
    statement = (
        select(version.workspace_id, version.model_type, version.version_name, version.trained_at)
        .join(champions, _same_model(version, champions.c))
        .join(serving, of_champion)
        .where(version.status == REGISTERED, version.train_to >= serving.train_to)
        .where(~select(served.generation).where(has_served).exists())
        .order_by(version.workspace_id, version.model_type, version.trained_at)
    )
    newest = {(row["workspace_id"], row["model_type"]): row for row in warehouse.rows(statement)}
    return list(newest.values())


def recent_moves(warehouse: Warehouse, since: datetime, limit: int) -> list[dict[str, Any]]:
    """Promotions, rollbacks and withdrawals that were done since an instant, newest first."""
    table = ModelDeployment
    columns = (table.workspace_id, table.model_type, table.kind, table.version_name, table.reason, table.recorded_at)
    done = select(*columns).where(*_done_since(since))
    return warehouse.rows(done.order_by(table.recorded_at.desc(), table.workspace_id).limit(limit))


def count_moves(warehouse: Warehouse, since: datetime) -> int:
    """How many promotions, rollbacks and withdrawals were done since an instant."""
    counted = select(func.count().label("n")).where(*_done_since(since))
    return int(warehouse.rows(counted)[0]["n"])


def _done_since(since: datetime) -> tuple[ColumnElement[bool], ...]:
    return ModelDeployment.outcome == DONE, ModelDeployment.recorded_at >= since


def drift_history(warehouse: Warehouse, workspace_id: str, model_type: str, limit: int) -> list[dict[str, Any]]:
    """The newest drift checks of a model, whichever version served, the oldest first."""
    table = DriftCheck
    columns = (table.version_name, table.drift_status, table.drift_score, table.p_value, table.reasons)
    mine = select(*columns, table.recommendation, table.samples, table.checked_at).where(
        table.workspace_id == workspace_id, table.model_type == model_type
    )
    return warehouse.rows(mine.order_by(table.checked_at.desc()).limit(limit))[::-1]


def champion_counts(warehouse: Warehouse, workspace_ids: Sequence[str] | None = None) -> dict[str, int]:
    """How many models serve in each of these workspaces, or of all; none is named that has none."""
    champions = _champions(workspace_ids).subquery()
    counted = select(champions.c.workspace_id, func.count().label("n")).group_by(champions.c.workspace_id)
    return {row["workspace_id"]: row["n"] for row in warehouse.rows(counted)}


def serving_versions(warehouse: Warehouse, workspace_ids: Sequence[str] | None) -> list[dict[str, Any]]:
    """Workspace, type, name, number in MLflow and sha256 of every version that serves, in some workspaces or all."""
    version, champions = ModelVersion, _champions(workspace_ids).subquery()
    same = and_(_same_model(version, champions.c), version.version_name == champions.c.version_name)
    columns = (version.workspace_id, version.model_type, version.version_name, version.registry_version)
    return warehouse.rows(select(*columns, version.artifact_sha256).join(champions, same))


def _champions(workspace_ids: Sequence[str] | None = None) -> Select[Any]:
    """Workspace, model type and version of every model that serves, of some workspaces or all."""
    table, newer = ModelDeployment, aliased(ModelDeployment)
    last = select(func.max(newer.generation)).where(_same_model(newer, table), newer.outcome == DONE).scalar_subquery()
    serving = and_(table.outcome == DONE, table.kind != WITHDRAWAL, table.generation == last)
    statement = select(table.workspace_id, table.model_type, table.version_name).where(serving)
    return statement if workspace_ids is None else statement.where(table.workspace_id.in_(workspace_ids))


def _same_model(one: Any, other: Any) -> ColumnElement[bool]:
    return and_(one.workspace_id == other.workspace_id, one.model_type == other.model_type)
