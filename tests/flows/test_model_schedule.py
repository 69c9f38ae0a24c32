"""The guide's schedule snippet makes a real Prefect schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prefect import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.models import ModelType, ModelUpdater


async def test_schedule_is_created_then_changed(prefect_api: str) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        await create_then_change()


async def create_then_change() -> None:
    updater = ModelUpdater()
    for days, status in ((7, "created"), (14, "changed")):
        schedule = await updater.schedule_updates(
            model_type=ModelType.ENGAGEMENT_PREDICTOR,
            frequency_days=days,  # Weekly checks
            min_new_samples=100,
            drift_threshold=0.15,
        )
        assert schedule["status"] == status
        expected = datetime.now(UTC) + timedelta(days=days)
        assert abs(schedule["next_run_at"] - expected) < timedelta(minutes=5)
    async with get_client() as client:
        deployment = await client.read_deployment_by_name("model-refresh/model-refresh")
    assert [(found.slug, found.active) for found in deployment.schedules] == [("engagement-predictor", True)]
    assert deployment.schedules[0].schedule.interval == timedelta(days=14)
    assert deployment.schedules[0].parameters["options"]["drift_threshold"] == 0.15
