"""A champion that fails, is slow, or does worse than the one before it gives way by itself, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.models import ModelType, ModelUpdater
from tasks.models.errors import ArtifactRefusedError
from tasks.models.records import ModelKey, PredictionBatch
from tasks.models.serving.gate import breached_limit, excess_loss
from tasks.models.serving.predictions import losses_as_served, served_losses
from tasks.models.specs import Gate, ServingLimits
from tasks.models.store import ModelStore
from tasks.warehouse import Warehouse
from tests.factories import store_content
from tests.tasks.models.model_rows import posts
from tests.tasks.models.worlds import champion_of, rows

ENGAGEMENT = ModelType.ENGAGEMENT_PREDICTOR
KEY = ModelKey("acme", ENGAGEMENT)
NIGHT = datetime(2027, 6, 1, 2, tzinfo=UTC)
RULE = Gate()


async def refresh(updater: ModelUpdater, night: int, **options: Any) -> dict[str, Any]:
    moment = NIGHT + timedelta(days=night)
    found = await updater.check_and_update_models("acme", [ENGAGEMENT], as_of=moment, **options)
    return dict(found["ENGAGEMENT_PREDICTOR"])


async def two_champions(warehouse: Warehouse) -> tuple[ModelUpdater, str, str]:
    """One trained in the old world, then one from a new world, promoted because it was better there."""
    store_content(warehouse, posts(400))
    updater = ModelUpdater(warehouse=warehouse)
    first = await refresh(updater, 0)
    store_content(warehouse, posts(300, start=400, video=-1.5))
    second = await refresh(updater, 1)
    assert second["status"] == "promoted"
    return updater, first["model_version"], second["model_version"]


@pytest.mark.usefixtures("mlflow_store")
async def test_champion_that_does_worse_than_the_one_before_it_is_rolled_back_once(warehouse: Warehouse) -> None:
    updater, first, second = await two_champions(warehouse)
    store_content(warehouse, posts(250, start=700))  # the old world is back
    asked = [f"c{i}" for i in range(700, 750)]
    assert {row["model_version"] for row in await updater.predict("acme", ENGAGEMENT, asked)} == {second}
    undone = await refresh(updater, 2, promote=False)
    assert (undone["status"], undone["model_version"], undone["candidate_version"]) == ("rolled_back", first, second)
    assert f"a row more than {first} on 250 rows newer than both, 50 as served" in undone["reason"]
    history = ModelStore(warehouse).deployments(KEY)
    assert [(found.kind, found.version_name) for found in history] == [
        ("promotion", first),
        ("promotion", second),
        ("rollback", first),
    ]
    after = await refresh(updater, 3)
    assert after["status"] != "rolled_back"
    assert ModelStore(warehouse).deployments(KEY)[-1].version_name != second, "never promoted again by itself"


@pytest.mark.usefixtures("mlflow_store")
async def test_champion_whose_file_is_broken_or_whose_batches_fail_is_rolled_back(
    sqlite_warehouse: Warehouse, home: Path
) -> None:
    updater, first, second = await two_champions(sqlite_warehouse)
    store = ModelStore(sqlite_warehouse)
    for _ in range(3):
        store.add_batch(KEY, PredictionBatch(second, 10, 0.1, "ValueError: no", datetime.now(UTC)), "test")
    undone = await refresh(updater, 2)
    assert undone["reason"].endswith("3 of its latest 3 batches failed, the last with: ValueError: no")
    await updater.promote_model("acme", ENGAGEMENT, second)  # a person insists; and now its file breaks
    newest = max(home.rglob("model.skops"), key=lambda path: path.stat().st_mtime)
    newest.write_bytes(b"nothing of ours")
    store_content(sqlite_warehouse, posts(1, start=700))
    undone = await ModelUpdater(warehouse=sqlite_warehouse).check_and_update_models("acme", [ENGAGEMENT])
    assert undone["ENGAGEMENT_PREDICTOR"]["status"] == "rolled_back"
    assert "its file is not the one registered" in undone["ENGAGEMENT_PREDICTOR"]["reason"]
    for path in home.rglob("model.skops"):
        path.write_bytes(b"nothing of ours")
    with pytest.raises(ArtifactRefusedError, match="not loaded"):
        await updater.promote_model("acme", ENGAGEMENT, second)
    assert store.deployments(KEY)[-1].version_name == first, "nothing moved"


def test_equal_champion_is_rolled_back_at_most_one_time_in_twenty_over_ten_nights() -> None:
    random, undone, worse = np.random.default_rng(3), 0, 0
    for _ in range(600):
        shared, own = random.exponential(size=1_000), random.exponential(size=(2, 1_000))
        champion, previous = 0.8 * shared + 0.2 * own[0], 0.8 * shared + 0.2 * own[1]
        nights = range(100, 1_001, 100)
        undone += any(excess_loss(champion[:n], previous[:n], RULE) is not None for n in nights)
        worse += any(excess_loss(champion[:n] + 0.15, previous[:n], RULE) is not None for n in nights)
    print(
        f"BAR guard, ten nights: equal champion rolled back {undone / 600:.3f} (bar 0.05), 15 % worse {worse / 600:.3f}"
    )
    assert undone / 600 <= 0.05
    assert worse / 600 >= 0.95


def batch(seconds: float = 0.1, error: str | None = None, n: int = 10) -> PredictionBatch:
    return PredictionBatch("v_1", n, seconds, error, NIGHT)


def test_limits_need_more_than_an_accident() -> None:
    limits = ServingLimits()
    assert breached_limit([batch(error="once"), batch(error="twice")], limits) is None
    assert breached_limit([batch(error="last")] * 3 + [batch()] * 30, limits) is not None
    assert breached_limit([batch(error="rare")] * 3 + [batch()] * 100, limits) is None
    assert breached_limit([batch(9.0)] * 19, limits) is None
    assert "longer than 9 s per 1,000 rows, 5 s allowed" in str(breached_limit([batch(9.0)] * 20, limits))
    assert breached_limit([batch(9.0, n=3_000)] * 20, limits) is None, "three thousand rows may take thrice as long"


def test_served_losses_are_those_of_what_was_said() -> None:
    examples = rows(40, 1)
    model = champion_of(rows(300, 2))[0].model
    said = {key: {"expected": float(y)} for key, y in zip(examples.keys[:10], examples.target[:10], strict=True)}
    found, served = losses_as_served(model, examples, said)
    assert served == 10
    assert found[:10] == pytest.approx(0.0)
    assert found[10:] == pytest.approx(model.losses(examples)[10:])
    assert len(served_losses(examples, {}).losses) == 0
