"""The guide's class: what it promises to callers."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from flows import listing
from tasks.errors import OutOfRangeError, UnknownNameError
from tasks.models import ModelType, ModelUpdater, list_models, refresh
from tasks.models.records import ModelKey
from tasks.models.store import ModelStore, days_of
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import DriftCheck, ModelDeployment, ModelVersion
from tests.factories import START, content_row, store_content, store_touches
from tests.tasks.models.model_rows import calls, posts

ENGAGEMENT = ModelType.ENGAGEMENT_PREDICTOR
pytestmark = pytest.mark.usefixtures("mlflow_store")


def counts(warehouse: Warehouse) -> list[int]:
    tables = (ModelVersion, ModelDeployment, DriftCheck)
    return [warehouse.rows(select(func.count().label("n")).select_from(table))[0]["n"] for table in tables]


async def test_first_model_that_beats_its_baseline_becomes_champion_once(warehouse: Warehouse) -> None:
    store_content(warehouse, posts(300))
    updater = ModelUpdater(warehouse=warehouse)
    first = await updater.check_and_update_models("acme", [ENGAGEMENT, ModelType.TONE_CLASSIFIER], git_commit="abc")
    assert [found["status"] for found in first.values()] == ["first_champion", "first_champion"]
    assert first["ENGAGEMENT_PREDICTOR"]["evaluation"]["metrics"]["r2"] > 0.2
    before = counts(warehouse)
    again = await updater.check_and_update_models("acme", [ENGAGEMENT, ModelType.TONE_CLASSIFIER])
    assert [found["status"] for found in again.values()] == ["unchanged", "unchanged"]
    assert counts(warehouse) == before == [2, 4, 0]


async def test_second_look_at_the_same_rows_measures_nothing_again(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_content(warehouse, posts(300))
    updater = ModelUpdater(warehouse=warehouse)
    await updater.check_and_update_models("acme", [ENGAGEMENT], git_commit="abc")
    store_content(warehouse, posts(80, start=300, video=-1.5))
    first = await updater.detect_drift("acme", ENGAGEMENT)
    assert first["performance"]["retrain"]["n"] == 26
    (listed,) = list_models(warehouse, "acme")
    assert (listed["role"], listed["metric"], listed["drift_status"]) == ("champion", "mae_log", first["drift_status"])
    assert 0.25 < listed["value"] < listed["baseline"] < 0.7
    (row,) = listing.models_shown([listed])
    assert row["held out"].startswith("mae_log 0.3")
    words = first["drift_status"].replace("_", " ")
    assert row["drift"] == f"{words}; retraining saves {first['drift_score']:.0%}"
    monkeypatch.setattr(listing, "open_warehouse", lambda: warehouse)
    (shown,) = listing.drift("acme")
    assert (shown["drift"], len(shown["checked_at"])) == (row["drift"], len("2026-12-01 03:50")), "to the minute"
    with monkeypatch.context() as nothing:
        nothing.setattr(refresh, "measure_drift", None)
        again = await updater.detect_drift("acme", ENGAGEMENT)
        assert again == first
    store_content(warehouse, posts(1, start=380))
    assert (await updater.detect_drift("acme", ENGAGEMENT))["samples"] == 81


async def test_all_model_types_learn_what_is_there_and_say_what_is_missing(sqlite_warehouse: Warehouse) -> None:
    store_content(sqlite_warehouse, [content_row(i) for i in range(30)])
    store_touches(sqlite_warehouse, calls(400))
    found = await ModelUpdater(warehouse=sqlite_warehouse).check_and_update_models("acme")
    assert set(found) == {member.value for member in ModelType}
    assert found["CONVERSION_PREDICTOR"]["status"] == "first_champion"
    assert found["CONVERSION_PREDICTOR"]["evaluation"]["metrics"]["auc"] > 0.8
    assert found["TOPIC_CLASSIFIER"]["status"] == "insufficient_data"
    lacking = found["ENGAGEMENT_PREDICTOR"]
    assert lacking["reason"] == "30 rows with a known engagement, 100 needed"
    assert (lacking["status"], lacking["samples"], lacking["samples_needed"]) == ("insufficient_data", 30, 100)


async def test_model_of_pure_noise_is_not_registered(sqlite_warehouse: Warehouse) -> None:
    store_content(sqlite_warehouse, posts(300, video=0.0))
    updater = ModelUpdater(warehouse=sqlite_warehouse)
    for _ in range(2):
        found = (await updater.check_and_update_models("acme", [ENGAGEMENT]))["ENGAGEMENT_PREDICTOR"]
        assert (found["status"], found["model_version"]) == ("not_better_than_baseline", None)
    report = await updater.detect_drift("acme", ENGAGEMENT)
    assert report["drift_status"] == "insufficient_data"


async def test_single_class_labels_are_refused_with_words(sqlite_warehouse: Warehouse) -> None:
    store_content(sqlite_warehouse, posts(200, tone="warm"))
    found = await ModelUpdater(warehouse=sqlite_warehouse).check_and_update_models("acme", ["tone_classifier"])
    assert found["TONE_CLASSIFIER"]["reason"] == "all 200 rows have the same tone; two kinds are needed"


async def test_a_world_that_changed_is_critical_and_the_retrained_model_takes_over(warehouse: Warehouse) -> None:
    store_content(warehouse, posts(400))
    updater = ModelUpdater(warehouse=warehouse)
    first = (await updater.check_and_update_models("acme", [ENGAGEMENT]))["ENGAGEMENT_PREDICTOR"]
    store_content(warehouse, posts(300, start=400, video=-1.5))
    report = await updater.detect_drift("acme", ENGAGEMENT)
    assert (report["drift_status"], report["recommendation"]) == ("critical", "immediate_retrain_required")
    assert report["p_value"] < 0.01
    assert 0.2 <= report["drift_score"] <= 1.0
    second = (await updater.check_and_update_models("acme", [ENGAGEMENT]))["ENGAGEMENT_PREDICTOR"]
    assert second["status"] == "promoted"
    assert second["model_version"] != first["model_version"]


async def test_same_world_asks_for_nothing(sqlite_warehouse: Warehouse) -> None:
    store_content(sqlite_warehouse, posts(400))
    updater = ModelUpdater(warehouse=sqlite_warehouse)
    await updater.check_and_update_models("acme", [ENGAGEMENT])
    store_content(sqlite_warehouse, posts(30, start=400))
    few = await updater.detect_drift("acme", ENGAGEMENT)
    assert (few["drift_status"], few["samples"], few["samples_needed"]) == ("insufficient_data", 30, 50)
    store_content(sqlite_warehouse, posts(100, start=430))
    served = await updater.predict("acme", ENGAGEMENT, [f"c{i}" for i in range(430, 490)])
    report = await updater.detect_drift("acme", ENGAGEMENT)
    assert (report["drift_status"], report["recommendation"]) == ("no_drift", "continue_monitoring")
    ((_, today),) = days_of(sqlite_warehouse, ModelKey("acme", ENGAGEMENT), served[0]["model_version"])
    assert (today.n_predictions, today.n_outcomes) == (60, 60), "labels that came with a file are outcomes, too"


async def test_rows_whose_labels_are_not_known_yet_are_looked_at_too(sqlite_warehouse: Warehouse) -> None:
    """The same labels as at the last refresh teach nothing new, but what came since may be unlike it."""
    store_content(sqlite_warehouse, posts(400))
    updater = ModelUpdater(warehouse=sqlite_warehouse)
    await updater.check_and_update_models("acme", [ENGAGEMENT])
    store_content(sqlite_warehouse, [row | {"engagements": None} for row in posts(120, start=400, readability=90.0)])
    for _ in range(2):
        found = (await updater.check_and_update_models("acme", [ENGAGEMENT]))["ENGAGEMENT_PREDICTOR"]
        assert found["status"] == "unchanged"
        assert found["drift"] is not None
        assert (found["drift"]["drift_status"], found["drift"]["samples"]) == ("warning", 120)
        assert found["drift"]["recommendation"] == "continue_monitoring", "without labels nobody knows what helps"
        assert counts(sqlite_warehouse) == [1, 2, 1]


async def test_run_killed_after_registering_takes_up_its_version(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_content(sqlite_warehouse, posts(300))
    later = START.replace(year=2027)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ModelStore, "add_version", killed)
        await ModelUpdater(warehouse=sqlite_warehouse).check_and_update_models("acme", [ENGAGEMENT], as_of=later)
    updater = ModelUpdater(warehouse=sqlite_warehouse)
    found = await updater.check_and_update_models("acme", [ENGAGEMENT], as_of=later)
    assert found["ENGAGEMENT_PREDICTOR"]["model_version"] == "v_20270105_090000"
    assert sqlite_warehouse.rows(select(ModelVersion.registry_version)) == [{"registry_version": 1}]


async def test_unknown_names_are_refused(sqlite_warehouse: Warehouse, mlflow_store: Path) -> None:
    updater = ModelUpdater(warehouse=sqlite_warehouse)
    with pytest.raises(UnknownNameError, match="unknown workspace 'nobody'"):
        await updater.check_and_update_models("nobody", [ENGAGEMENT])
    with pytest.raises(UnknownNameError, match="did you mean 'TONE_CLASSIFIER'"):
        await updater.detect_drift("acme", "TONE_CLASIFIER")
    with pytest.raises(OutOfRangeError, match="drift_warning_threshold"):
        ModelUpdater(drift_warning_threshold=0.3, drift_critical_threshold=0.2)
