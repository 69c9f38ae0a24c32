"""MLflow's database is put back to yesterday's: versions are gone, and their numbers are given again to others."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import UnknownNameError
from tasks.models import ModelType
from tasks.models.records import ModelKey
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.service import ModelService
from tasks.warehouse import Warehouse
from tests.factories import store_content
from tests.tasks.models.model_rows import posts

ENGAGEMENT = ModelType.ENGAGEMENT_PREDICTOR
KEY = ModelKey("acme", ENGAGEMENT)
NIGHT = datetime(2027, 6, 1, 2, tzinfo=UTC)


def refresh(warehouse: Warehouse, night: int, **options: Any) -> dict[str, Any]:
    """What a new process finds, which has read no model yet."""
    moment = NIGHT + timedelta(days=night)
    results = ModelService(warehouse).check_and_update_models("acme", [ENGAGEMENT], as_of=moment, **options)
    return dict(results[ENGAGEMENT.value])


def copied(source: Path, target: Path) -> None:
    """All of a SQLite file, as its own backup copies it."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def next_champion(warehouse: Warehouse, night: int) -> str:
    """The same recipe on sixty more posts, promoted by hand."""
    store_content(warehouse, posts(60, start=300 + 60 * night))
    refresh(warehouse, night, force_retrain=True, promote=False)
    return str(ModelService(warehouse).promote_model("acme", ENGAGEMENT)["model_version"])


def test_yesterday_s_champion_serves_again_and_a_number_given_again_is_the_new_version_s_alone(
    sqlite_warehouse: Warehouse, mlflow_store: Path, tmp_path: Path
) -> None:
    store_content(sqlite_warehouse, posts(300))
    first = str(refresh(sqlite_warehouse, 0)["model_version"])
    copied(mlflow_store, tmp_path / "yesterday.db")
    second = next_champion(sqlite_warehouse, 1)
    copied(tmp_path / "yesterday.db", mlflow_store)

    night = refresh(sqlite_warehouse, 2)
    assert (night["status"], night["model_version"]) == ("rolled_back", first)
    assert night["reason"].endswith(f"{second} was rolled back: its file is missing")
    assert Registry().aliases(KEY) == {"champion": 1}

    third = next_champion(sqlite_warehouse, 3)
    assert Registry().aliases(KEY) == {"champion": 2, "previous": 1}
    service = ModelService(sqlite_warehouse)
    known = {one.version_name for one in service.store.registered(KEY)}
    assert known == {first, third}, "retention, pins and aliases go by numbers, and the second's is another model's"
    with pytest.raises(UnknownNameError, match=second):
        service.promote_model("acme", ENGAGEMENT, second)
    assert service.rollback_model("acme", ENGAGEMENT)["model_version"] == first
