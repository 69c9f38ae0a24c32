"""Models: which need a person; and one, with its versions, who served when, and its drift check by check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from service.pages.charts import LineChart, Series, line_chart
from service.pages.drift_strip import strip_context
from service.pages.names import known_workspace, unknown
from tasks.errors import UnknownNameError
from tasks.models.drift.monitor import DriftThresholds
from tasks.models.records import ModelKey, ModelType
from tasks.models.store import ModelStore, list_models
from tasks.models.store.attention import (
    champion_counts,
    count_moves,
    drift_history,
    drifting_champions,
    recent_moves,
    waiting_versions,
)
from tasks.models.store.state import ServingFault, champion_faults
from tasks.warehouse import Warehouse

LOOK_BACK, SHOWN = timedelta(days=30), 20  # of each list; what is more stands folded, or on each model's page
FILES_READ = 2_000  # of models that serve: more take the first who looks longer than a page may
CHECKS_SHOWN, CHECKS_LISTED = 120, 15
SECONDS_A_DAY = 86_400


def models_context(warehouse: Warehouse) -> dict[str, Any]:
    """What is not as registered, what drifts, what waits, and what moved."""
    since = datetime.now(UTC) - LOOK_BACK
    reads_files = sum(champion_counts(warehouse).values()) <= FILES_READ
    faults = champion_faults(warehouse, reads_files=reads_files)
    drifting, waiting = drifting_champions(warehouse), waiting_versions(warehouse)
    return {
        "drifting": drifting,
        "faults": sorted((faults or {}).items()),
        "mlflow_answers": faults is not None,
        "reads_files": reads_files,
        "look_back": LOOK_BACK.days,
        "moves": recent_moves(warehouse, since, SHOWN),
        "moves_in_all": count_moves(warehouse, since),
        "shown": SHOWN,
        "pressing": len({name[:2] for name in faults or ()} | {_model_of(row) for row in (*drifting, *waiting)}),
        "waiting": waiting,
    }


def _model_of(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["workspace_id"], row["model_type"]


def known_model(warehouse: Warehouse, workspace_id: str, model_type: str) -> ModelKey:
    """Which model is meant.

    Raises:
        ProblemError: 404 for a workspace or a type that there is not.
    """
    known_workspace(warehouse, workspace_id)
    try:
        return ModelKey(workspace_id, ModelType.parse(model_type))
    except UnknownNameError:
        raise unknown("model") from None


def model_context(
    warehouse: Warehouse, workspace_id: str, model_type: str, as_of: datetime | None = None
) -> dict[str, Any]:
    """One model, with its strip as it was at an instant; None is now.

    Raises:
        ProblemError: 404 for a workspace or a type that there is not.
    """
    key = known_model(warehouse, workspace_id, model_type)
    workspace = known_workspace(warehouse, workspace_id)
    versions = [row for row in list_models(warehouse, workspace_id) if row["model_type"] == key.model_type.value]
    checks = drift_history(warehouse, workspace_id, key.model_type.value, CHECKS_SHOWN)
    store, thresholds = ModelStore(warehouse), DriftThresholds()
    faults = champion_faults(warehouse, [workspace_id], reads_files=True)
    return strip_context(warehouse, key, as_of) | {
        "checks": checks[-CHECKS_LISTED:][::-1],
        "deployments": store.deployments(key)[::-1],
        "drift": drift_chart(checks, thresholds.warning),
        "fault": _fault_of(faults or {}, key),
        "key": key,
        "mlflow_answers": faults is not None,
        "rollout": store.rollout(key)[::-1],
        "thresholds": thresholds,
        "versions": versions,
        "workspace": workspace,
    }


def _fault_of(faults: Mapping[tuple[str, str, str], ServingFault], key: ModelKey) -> ServingFault | None:
    """What is wrong with the version of this model that serves."""
    own = (fault for name, fault in faults.items() if name[:2] == (key.workspace_id, key.model_type.value))
    return next(own, None)


def drift_chart(checks: Sequence[Mapping[str, Any]], warning: float) -> LineChart | None:
    """Drift scores over time, one line a version; above the dashed line a check warns."""
    now = datetime.now(UTC)
    points: dict[str, list[tuple[float, float]]] = {}
    for check in checks:
        days = (check["checked_at"] - now).total_seconds() / SECONDS_A_DAY
        points.setdefault(check["version_name"], []).append((days, float(check["drift_score"])))
    series = [Series(name, own) for name, own in points.items()][::-1]
    top = max([2 * warning, *(score for one in series for _, score in one.points)])
    return line_chart(series, ("days before now", "drift score (0 to 1)"), level=warning, bounds=(0.0, top))
