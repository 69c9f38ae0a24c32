"""What was served is remembered, once."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from tasks.models import ModelType, ModelUpdater
from tasks.models.errors import NoChampionError
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ModelPrediction
from tests.factories import store_content
from tests.tasks.models.model_rows import posts


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
