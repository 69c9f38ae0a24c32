"""Two chains at once: both train the same rows, one version stands, and only what is stored is promoted."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.models import ModelType
from tasks.models.records import PROMOTION, Deployment, ModelKey, UpdateResult, Version
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.service import ModelService
from tasks.models.specs import ModelSpec
from tasks.models.store import PENDING, ModelStore
from tasks.models.training import candidates
from tasks.models.training.dataset import Examples
from tasks.models.training.evaluation import TrainedModel, train
from tasks.warehouse import Warehouse
from tests.factories import store_content
from tests.postgres_databases import postgres_database, postgres_url
from tests.subprocess_helper import ended, in_subprocess
from tests.tasks.models.model_rows import posts

ENGAGEMENT = ModelType.ENGAGEMENT_PREDICTOR
KEY = ModelKey("acme", ENGAGEMENT)
pytestmark = pytest.mark.usefixtures("mlflow_store")


TRAINED: dict[tuple[str, str], TrainedModel] = {}
ONE_TRAINS = threading.Lock()


def train_once(spec: ModelSpec, rows: Examples) -> TrainedModel:
    """What training gives, made once for the same rows: it is not training that races here, and it takes its time."""
    with ONE_TRAINS:
        key = (spec.sha256, rows.sha256)
        TRAINED[key] = TRAINED.get(key) or train(spec, rows)
        return TRAINED[key]


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that have trained and registered store what they have at the same instant: both believed to be alone."""
    import mlflow  # noqa: F401 - what both would import for the first time takes minutes on a busy machine
    import skops.io  # noqa: F401

    monkeypatch.setattr(candidates, "train", train_once)
    both, add = threading.Barrier(2, timeout=240), ModelStore.add_version

    def at_once(
        self: ModelStore, key: ModelKey, version: Version, more: Mapping[str, Any], replaces: str | None = None
    ) -> Version:
        both.wait()
        return add(self, key, version, more, replaces)

    monkeypatch.setattr(ModelStore, "add_version", at_once)


def refresh(warehouse: Warehouse, run_id: str, as_of: datetime | None = None) -> UpdateResult:
    service = ModelService(Warehouse(warehouse.url))
    return service.check_and_update_models("acme", [ENGAGEMENT], run_id=run_id, as_of=as_of)[ENGAGEMENT.value]


def numbers(registry: Registry) -> set[int]:
    registered = registry._client.search_model_versions(f"name = '{KEY.registered_name}'")
    return {int(version.version) for version in registered}


@pytest.mark.usefixtures("together")
def test_of_two_that_trained_the_same_rows_one_version_stands_and_serves(warehouse: Warehouse) -> None:
    store_content(warehouse, posts(300))
    with ThreadPoolExecutor(2) as pool:
        ended = [run.result() for run in [pool.submit(refresh, warehouse, name) for name in ("one", "two")]]
    store, registry = ModelStore(warehouse), Registry()
    versions, changes = store.versions(KEY), store.deployments(KEY)
    assert len(versions) == 1, ended
    assert {result["model_version"] for result in ended} == {versions[0].version_name}
    assert [(change.version_name, change.outcome) for change in changes] == [(versions[0].version_name, "done")]
    assert numbers(registry) == {versions[0].registry_version}
    assert registry.aliases(KEY)["champion"] == versions[0].registry_version
    assert ModelService(warehouse).predict("acme", ENGAGEMENT, ["c0"])


@pytest.mark.usefixtures("together")
def test_two_that_trained_different_rows_in_one_second_have_different_names(warehouse: Warehouse) -> None:
    store_content(warehouse, posts(300))
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    barrier_passed = refresh_both_states(warehouse, moment)
    store, registry = ModelStore(warehouse), Registry()
    versions = store.versions(KEY)
    assert len(versions) == 2
    assert sorted(version.version_name for version in versions) == ["v_20300101_000000", "v_20300101_000000_2"]
    for version in versions:
        named = {"version_name": version.version_name}
        found = registry.find(KEY, named)
        assert found is not None
        assert found[0] == version.registry_version
    assert {result["model_version"] for result in barrier_passed} <= {version.version_name for version in versions}
    assert [change.outcome for change in store.deployments(KEY)][-1] == "done"


def refresh_both_states(warehouse: Warehouse, moment: datetime) -> list[UpdateResult]:
    """One reads the rows before three more came, the other after; both say that it is the same second."""
    service = ModelService(Warehouse(warehouse.url))
    frame = service._frame

    def fewer(*given: Any) -> Any:
        return frame(*given).head(280)

    service._frame = fewer  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(service.check_and_update_models, "acme", [ENGAGEMENT], run_id="one", as_of=moment)
        second = pool.submit(refresh, warehouse, "two", moment)
        return [first.result()[ENGAGEMENT.value], second.result()]


def test_a_model_that_was_wedged_by_an_earlier_release_serves_again(warehouse: Warehouse) -> None:
    store_content(warehouse, posts(300))
    store = ModelStore(warehouse)
    lost = Deployment(1, PROMOTION, PENDING, "v_never_stored", None, "first", "chain", datetime.now(UTC))
    assert not store.open_deployment(KEY, lost, "one"), "nothing is journaled for a version that is not stored"
    assert store._append(KEY, lost, "opened", "one")
    result = refresh(warehouse, "two")
    assert result["status"] == "first_champion"
    assert [change.outcome for change in store.deployments(KEY)] == ["abandoned", "done"]


def first_use(address: str) -> None:
    """What a chain on a new installation does: MLflow creates its tables."""
    Registry(address).aliases(KEY)


@pytest.mark.usefixtures("postgres_template")
def test_two_that_use_a_new_registry_on_postgresql_first_both_find_its_tables() -> None:
    with postgres_database() as name:
        both = [in_subprocess(first_use, postgres_url(name)) for _ in range(2)]
        assert [ended(process) for process in both] == [0, 0]
