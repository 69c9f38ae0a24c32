"""The guide's schedule snippet makes a real Prefect schedule, and the runs it starts keep to its numbers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.server.schemas.schedules import IntervalSchedule as ServerSchedule

from flows.model_refresh import model_refresh
from flows.platform.deploying import deploy
from tasks.errors import OutOfRangeError
from tasks.models import ModelType, ModelUpdater, refresh
from tasks.models.drift.monitor import DriftMeasurement, DriftThresholds, measure_drift
from tasks.warehouse import open_warehouse
from tests.factories import store_content
from tests.tasks.models.model_rows import posts

ENGAGEMENT = ModelType.ENGAGEMENT_PREDICTOR


pytestmark = pytest.mark.usefixtures("at_prefect_api")


async def deployment() -> DeploymentResponse:
    async with get_client() as client:
        return await client.read_deployment_by_name("model-refresh/model-refresh")


async def scheduled() -> tuple[IntervalSchedule, bool, dict[str, Any]]:
    """When, whether and with what the model type's refresh runs."""
    (found,) = [one for one in (await deployment()).schedules if one.slug == "engagement-predictor"]
    assert isinstance(found.schedule, IntervalSchedule)
    return found.schedule, bool(found.active), dict(found.parameters)


async def test_schedule_is_created_then_changed() -> None:
    updater = ModelUpdater()
    for days, status in ((7, "created"), (14, "changed")):
        schedule = await updater.schedule_updates(
            model_type=ENGAGEMENT,
            frequency_days=days,  # Weekly checks
            min_new_samples=100,
            drift_threshold=0.15,
        )
        assert schedule["status"] == status
        expected = datetime.now(UTC) + timedelta(days=days)
        assert abs(schedule["next_run_at"] - expected) < timedelta(minutes=5)
        interval, is_active, parameters = await scheduled()
        as_the_server_sees_it = ServerSchedule.model_validate(interval.model_dump())
        assert await as_the_server_sees_it.get_dates(1, start=datetime.now(UTC)) == [schedule["next_run_at"]]
        assert (interval.interval, is_active) == (timedelta(days=days), True)
        assert parameters["options"]["drift_threshold"] == 0.15


async def test_a_schedule_that_makes_no_sense_is_refused() -> None:
    wrongs: list[dict[str, Any]] = [{"frequency_days": 0}, {"min_new_samples": 5}, {"drift_threshold": 1.5}]
    for wrong in wrongs:
        with pytest.raises(OutOfRangeError, match=next(iter(wrong))):
            await ModelUpdater().schedule_updates(ENGAGEMENT, **wrong)


async def run_as_scheduled(min_new_samples: int, drift_threshold: float) -> dict[str, Any]:
    """What a run makes of a drifted model with the parameters that the schedule hands it."""
    await ModelUpdater().schedule_updates(ENGAGEMENT, 7, min_new_samples, drift_threshold)
    _, _, given = await scheduled()
    (outcome,) = model_refresh(**model_refresh.validate_parameters(given))
    return dict(outcome.result["models"]["ENGAGEMENT_PREDICTOR"])


async def test_runs_keep_to_the_schedule_s_samples_and_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = open_warehouse()
    store_content(warehouse, posts(300))
    await ModelUpdater().check_and_update_models("acme", [ENGAGEMENT])
    moved = posts(120, start=300, readability=68.0)  # an input moves by 0.8 sd, a score of 0.4
    store_content(warehouse, moved)
    few = await run_as_scheduled(min_new_samples=150, drift_threshold=0.15)
    assert few["drift"]["drift_status"] == "insufficient_data"
    assert (few["drift"]["samples"], few["drift"]["samples_needed"]) == (120, 150)
    seen: list[DriftThresholds] = []

    def noted(*given: Any) -> DriftMeasurement:
        seen.append(given[5])
        return measure_drift(*given)

    monkeypatch.setattr(refresh, "measure_drift", noted)
    for threshold in (0.95, 0.15):
        await run_as_scheduled(min_new_samples=100, drift_threshold=threshold)
    assert seen == [DriftThresholds(0.95, 0.95, 100), DriftThresholds(0.15, 0.2, 100)]


async def test_deploying_leaves_such_a_schedule_alone() -> None:
    await ModelUpdater().schedule_updates(ENGAGEMENT, 7, 100, 0.15)
    before = await scheduled()
    for _ in range(2):
        changes = [str(change) for change in await asyncio.to_thread(deploy) if not change.waits]
    assert changes == []
    assert await scheduled() == before
    assert {one.slug for one in (await deployment()).schedules} == {"weekly", "midday-look", "engagement-predictor"}
