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
from tasks.models.store.attention import count_moves, drift_history, drifting_champions, recent_moves, waiting_versions
from tasks.warehouse import Warehouse

LOOK_BACK, SHOWN = timedelta(days=30), 20  # of each list; what is more stands folded, or on each model's page
CHECKS_SHOWN, CHECKS_LISTED = 120, 15
SECONDS_A_DAY = 86_400


def models_context(warehouse: Warehouse) -> dict[str, Any]:
    """What drifts, what waits, and what moved."""
    since = datetime.now(UTC) - LOOK_BACK
    return {
        "drifting": drifting_champions(warehouse),
        "look_back": LOOK_BACK.days,
        "moves": recent_moves(warehouse, since, SHOWN),
        "moves_in_all": count_moves(warehouse, since),
        "shown": SHOWN,
        "waiting": waiting_versions(warehouse),
    }


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
    return strip_context(warehouse, key, as_of) | {
        "checks": checks[-CHECKS_LISTED:][::-1],
        "deployments": store.deployments(key)[::-1],
        "drift": drift_chart(checks, thresholds.warning),
        "key": key,
        "rollout": store.rollout(key)[::-1],
        "thresholds": thresholds,
        "versions": versions,
        "workspace": workspace,
    }


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
