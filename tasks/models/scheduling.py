"""How often a model type is refreshed: a real Prefect schedule, remembered in the warehouse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.errors import require_between
from tasks.models.records import ModelType, Schedule

REFRESH = "model-refresh"  # flow and deployment


def plan_of(model_type: ModelType, frequency_days: int, min_new_samples: int, drift_threshold: float) -> dict[str, Any]:
    """A schedule from now on, as it is stored.

    Raises:
        OutOfRangeError: if a number lies outside its bounds.
    """
    require_between("frequency_days", frequency_days, 1, 365)
    require_between("min_new_samples", min_new_samples, 20, 1_000_000)
    require_between("drift_threshold", drift_threshold, 0.0, 1.0)
    plan: dict[str, Any] = {"model_type": model_type.value, "frequency_days": int(frequency_days)}
    plan |= {"min_new_samples": int(min_new_samples), "drift_threshold": float(drift_threshold)}
    return plan | {"anchor": datetime.now(UTC)}


def scheduled(plan: dict[str, Any], status: str) -> Schedule:
    """A plan that Prefect has taken, with the moment it first runs."""
    return Schedule(
        model_type=plan["model_type"],
        frequency_days=plan["frequency_days"],
        min_new_samples=plan["min_new_samples"],
        drift_threshold=plan["drift_threshold"],
        next_run_at=plan["anchor"] + timedelta(days=plan["frequency_days"]),
        deployment=f"{REFRESH}/{REFRESH}",
        status=status,
    )
