"""What a refresh costs, in processor seconds, and what a second one on the same rows does. `make bench` runs these."""

from __future__ import annotations

import time

import pytest

from tasks.models.records import ModelType
from tasks.models.service import ModelService
from tasks.warehouse import Warehouse
from tests.factories import store_content
from tests.tasks.models.model_rows import posts

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("mlflow_store")]
BAR_SECONDS, BAR_SHARE = 1.2, 0.1


def seconds_of(service: ModelService, workspace: str) -> tuple[float, str]:
    started = time.process_time()
    result = service.check_and_update_models(workspace, [ModelType.ENGAGEMENT_PREDICTOR])["ENGAGEMENT_PREDICTOR"]
    return time.process_time() - started, result["status"]


def test_what_a_first_and_a_second_look_at_the_same_rows_cost(sqlite_warehouse: Warehouse) -> None:
    for name in ("first", "second"):
        store_content(sqlite_warehouse, posts(2_000, workspace_id=name))
    service = ModelService(sqlite_warehouse)
    seconds_of(service, "first")  # brings the libraries
    once, came = seconds_of(service, "second")
    again, then = seconds_of(service, "second")
    assert (came, then) == ("first_champion", "unchanged")
    print(f"\nBAR models, CPU of a first refresh of 2,000 posts: {once:.2f} s (bar {BAR_SECONDS})")
    print(f"BAR models, a second look at the same rows: {again / once:.3f} of the first (bar {BAR_SHARE})")
