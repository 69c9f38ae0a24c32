"""What was served is remembered, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from tasks.models import ModelType, ModelUpdater
from tasks.models.errors import ArtifactRefusedError, NoChampionError
from tasks.models.records import ModelKey
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.registry.promotion import LatestModels
from tasks.models.registry.trusted import MODEL_FILE
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ModelPrediction
from tests.factories import store_content
from tests.tasks.models.model_rows import posts
from tests.tasks.models.worlds import champion_of, rows

ENGAGEMENT = ModelType.ENGAGEMENT_PREDICTOR


@pytest.mark.usefixtures("mlflow_store")
async def test_predictions_are_logged_with_version_and_inputs(warehouse: Warehouse) -> None:
    store_content(warehouse, posts(250))
    updater = ModelUpdater(warehouse=warehouse)
    with pytest.raises(NoChampionError, match="has no champion yet"):
        await updater.predict("acme", ModelType.ENGAGEMENT_PREDICTOR)
    types = [ModelType.ENGAGEMENT_PREDICTOR, ModelType.TONE_CLASSIFIER]
    results = await updater.check_and_update_models("acme", types)
    for _ in range(2):
        expected = await updater.predict("acme", ModelType.ENGAGEMENT_PREDICTOR, ["c7", "c9", "nobody's"])
        tones = await updater.predict("acme", ModelType.TONE_CLASSIFIER, ["c7"])
    assert [found["row_id"] for found in expected] == ["c7", "c9"]
    assert expected[0]["model_version"] == results["ENGAGEMENT_PREDICTOR"]["model_version"]
    assert expected[0]["output"]["expected"] == pytest.approx(3.3, abs=1.0)
    assert set(tones[0]["output"]["probabilities"]) == {"warm", "dry"}
    assert warehouse.rows(select(func.count().label("n")).select_from(ModelPrediction)) == [{"n": 3}]


@pytest.mark.usefixtures("mlflow_store")
async def test_file_is_read_once_for_many_questions_and_refused_when_it_is_not_the_one_registered(
    sqlite_warehouse: Warehouse, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_content(sqlite_warehouse, posts(250))
    await ModelUpdater(warehouse=sqlite_warehouse).check_and_update_models("acme", [ENGAGEMENT])
    loads, load = list[int](), Registry.load

    def counted(registry: Registry, key: ModelKey, version: int, sha256: str) -> object:
        loads.append(version)
        return load(registry, key, version, sha256)

    monkeypatch.setattr(Registry, "load", counted)
    updater = ModelUpdater(warehouse=sqlite_warehouse)
    first, again = [await updater.predict("acme", ENGAGEMENT, ["c7"]) for _ in range(2)]
    assert (first, loads) == (again, [1])
    next(home.rglob(MODEL_FILE)).write_bytes(b"nothing of ours")
    with pytest.raises(ArtifactRefusedError, match="sha256"):
        await ModelUpdater(warehouse=sqlite_warehouse).predict("acme", ENGAGEMENT, ["c7"])


def test_only_the_models_last_used_are_kept() -> None:
    models = {name: champion_of(rows(120, seed))[0].model for seed, name in enumerate("abc")}
    kept = LatestModels(kept=2)
    for name in "ab":
        kept.put(name, models[name])
    assert kept.get("a") is models["a"]
    kept.put("c", models["c"])
    assert [kept.get(name) is models[name] for name in "abc"] == [True, False, True]
