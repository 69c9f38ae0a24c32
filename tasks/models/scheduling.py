"""How often a model type is refreshed: a real Prefect schedule, stored in the warehouse too. Prefect, but no task."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from httpx import HTTPError
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectNotFound, PrefectException

from tasks.errors import RaptorflowError, require_between
from tasks.models.records import ModelType, Schedule
from tasks.models.store import ModelStore

REFRESH = "model-refresh"  # flow and deployment
ENTRYPOINT = "flows.model_refresh.model_refresh"


def schedule_refresh(
    store: ModelStore, model_type: ModelType, frequency_days: int, min_new_samples: int, drift_threshold: float
) -> Schedule:
    """Refresh the models of a type every so many days from now on; one schedule a type.

    Raises:
        OutOfRangeError: if a number lies outside its bounds.
        RaptorflowError: if Prefect does not answer.
    """
    require_between("frequency_days", frequency_days, 1, 365)
    require_between("min_new_samples", min_new_samples, 20, 1_000_000)
    require_between("drift_threshold", drift_threshold, 0.0, 1.0)
    limits: dict[str, Any] = {"min_new_samples": int(min_new_samples), "drift_threshold": float(drift_threshold)}
    plan = {"model_type": model_type.value, "frequency_days": int(frequency_days), **limits}
    anchor, interval = datetime.now(UTC), timedelta(days=int(frequency_days))
    status = _set_on_deployment(
        model_type.value.lower().replace("_", "-"),
        IntervalSchedule(interval=interval, anchor_date=anchor),
        {"options": {"model_types": [model_type.value], **limits}},
    )
    store.set_schedule(plan | {"anchor": anchor})
    return Schedule(
        model_type=model_type.value,
        frequency_days=int(frequency_days),
        min_new_samples=limits["min_new_samples"],
        drift_threshold=limits["drift_threshold"],
        next_run_at=anchor + interval,
        deployment=f"{REFRESH}/{REFRESH}",
        status=status,
    )


def _set_on_deployment(slug: str, schedule: IntervalSchedule, parameters: dict[str, Any]) -> str:
    """Put the schedule of that name on the deployment; returns `created` or `changed`."""
    wanted: dict[str, Any] = {"schedule": schedule, "parameters": parameters, "slug": slug}
    try:
        with get_client(sync_client=True) as client:
            deployment = _refresh_deployment(client)
            same = [one.id for one in deployment.schedules if one.slug == slug]
            if same:
                client.update_deployment_schedule(deployment.id, same[0], active=True, **wanted)
            else:
                schedules = [DeploymentScheduleCreate(active=True, **wanted)]
                client.create_deployment_schedules(deployment.id, schedules)
            return "changed" if same else "created"
    except (HTTPError, PrefectException, RuntimeError) as error:
        raise RaptorflowError(f"Prefect does not answer ({error}); start it with `raptorflow up`") from error


def _refresh_deployment(client: SyncPrefectClient) -> DeploymentResponse:
    """The deployment of model-refresh; made here where it was not deployed yet."""
    try:
        return client.read_deployment_by_name(f"{REFRESH}/{REFRESH}")
    except ObjectNotFound:
        flow_id = client.create_flow_from_name(REFRESH)
        deployment_id = client.create_deployment(flow_id, REFRESH, entrypoint=ENTRYPOINT)
        return client.read_deployment(deployment_id)
