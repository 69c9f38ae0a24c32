"""The guide's ModelUpdater snippets run as written, but for the root of the imports, over the simulated sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.content.sample import simulate
from tasks.content.sample.agency import AGENCY
from tasks.models import ModelType, ModelUpdater
from tasks.warehouse.ingestion import ingest

WORKSPACE = AGENCY[0].workspace_id


@pytest.fixture
def sample(home: Path, tmp_path: Path) -> None:
    """The sample in the home's warehouse."""
    found = simulate(tmp_path)
    for kind in ("workspaces", "content", "touches"):
        ingest(kind, [found.files[kind]], mapping=found.mappings.get(kind))


@pytest.mark.usefixtures("sample")
async def test_check_detect_and_roll_back() -> None:
    workspace_id = WORKSPACE
    updater = ModelUpdater(drift_warning_threshold=0.1, drift_critical_threshold=0.2, min_samples_for_drift=50)
    results = await updater.check_and_update_models(
        workspace_id=workspace_id,
        model_types=[ModelType.ENGAGEMENT_PREDICTOR, ModelType.TONE_CLASSIFIER],
        force_retrain=False,  # Only retrain if drift detected
    )
    assert set(results) == {"ENGAGEMENT_PREDICTOR", "TONE_CLASSIFIER"}
    champion = results["ENGAGEMENT_PREDICTOR"]["model_version"]
    assert champion is not None
    drift_report = await updater.detect_drift(workspace_id=workspace_id, model_type=ModelType.ENGAGEMENT_PREDICTOR)
    assert drift_report["drift_status"] in ("no_drift", "warning", "critical", "insufficient_data")
    assert 0.0 <= drift_report["drift_score"] <= 1.0
    assert 0.0 <= drift_report["p_value"] <= 1.0
    assert drift_report["recommendation"] == "continue_monitoring"
    back = await updater.rollback_model(
        workspace_id=workspace_id, model_type=ModelType.ENGAGEMENT_PREDICTOR, target_version=champion
    )
    assert back["model_version"] == champion
