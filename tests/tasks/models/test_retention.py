"""Old versions go; what serves, waits, was pinned or is recent stays."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import UnknownNameError
from tasks.models import ModelUpdater
from tasks.models.errors import ArtifactRefusedError
from tasks.models.records import PROMOTION, ModelKey, ModelType, RegisteredVersion
from tasks.models.registry.retention import removable
from tasks.models.service import ModelService
from tasks.warehouse import Warehouse
from tests.factories import store_content
from tests.tasks.models.model_rows import posts
from tests.tasks.models.worlds import champion_of, rows

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KEY = ModelKey("acme", ModelType.ENGAGEMENT_PREDICTOR)


def kept(number: int, days: int, *, pinned: bool = False) -> RegisteredVersion:
    return RegisteredVersion(number, f"v_{number}", NOW - timedelta(days=days), pinned)


def test_only_old_versions_that_nobody_needs_go() -> None:
    versions = [kept(1, 400), kept(2, 300), kept(3, 200, pinned=True), kept(4, 150), kept(5, 80)]
    versions += [kept(number, 60) for number in range(6, 11)]
    assert [found.registry_version for found in removable(versions, {2}, NOW)] == [1, 4]
    assert removable(versions[:5], (), NOW) == []


class Calls:
    """Passes calls on and remembers their names."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.names = inner, list[str]()

    def __getattr__(self, name: str) -> Any:
        self.names.append(name)
        return getattr(self.inner, name)


def test_sweep_says_first_and_then_deletes(sqlite_warehouse: Warehouse, mlflow_store: Path) -> None:
    service = ModelService(sqlite_warehouse)
    store, registry = service.store, service.registry
    store_content(sqlite_warehouse, posts(1))
    trained, version = champion_of(rows(300, 1))
    for number in range(1, 9):
        tags = {"version_name": f"v_2026010{number}_000000", "data_sha256": str(number)}
        registered, sha256 = registry.register(KEY, trained.model, tags, [{}], "card")
        parts = {name: getattr(version, name) for name in version.__slots__} | tags
        parts |= {"spec_sha256": "s", "registry_version": registered, "artifact_sha256": sha256}
        about = {"gate": None, "train_from": version.train_to, "snapshot_sha256": None, "git_commit": None}
        about |= {"run_id": "t", "trained_at": NOW - timedelta(days=1000 - number)}
        store.add_version(KEY, type(version)(**parts), about)
    first = store.version(KEY, "v_20260101_000000")
    assert first is not None
    service.promoter.move(KEY, first, PROMOTION, "test", "tester", "run")
    updater = ModelUpdater(warehouse=sqlite_warehouse)
    asyncio.run(updater.pin_version("acme", KEY.model_type, "v_20260102_000000"))
    assert [found["version"] for found in service.delete_old_versions(90, dry_run=True)] == ["v_20260103_000000"]
    with pytest.raises(UnknownNameError, match="unknown version 'v_1'"):
        asyncio.run(updater.pin_version("acme", KEY.model_type, "v_1"))
    asyncio.run(updater.pin_version("acme", KEY.model_type, "v_20260102_000000", pinned=False))
    would = service.delete_old_versions(90, dry_run=True)
    assert [found["version"] for found in would] == ["v_20260102_000000", "v_20260103_000000"]
    registry.__dict__["_client"] = calls = Calls(registry._client)
    assert service.delete_old_versions(90, dry_run=False) == [found | {"deleted": True} for found in would]
    deleted = [name for name in calls.names if name.startswith("delete")]
    assert deleted == ["delete_model_version", "delete_logged_model", "delete_run"] * len(would)
    assert service.delete_old_versions(90, dry_run=False) == []
    registry.delete(KEY, 2)
    assert service.promoter.verify(KEY, first).columns
    assert store.version(KEY, "v_20260102_000000") is None
    with pytest.raises(ArtifactRefusedError, match="missing"):
        registry.load(KEY, 2, "")
    experiments = [found.experiment_id for found in registry._client.search_experiments()]
    assert len(registry._client.search_logged_models(experiments)) == 8 - len(would), "a version takes its files along"
