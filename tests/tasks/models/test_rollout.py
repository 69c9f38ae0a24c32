"""A challenger walks 5 → 25 → 50 → 100 % of the predictions, is stopped where it does worse, and survives kills."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tasks.models import ModelType, ModelUpdater
from tasks.models.decisions import Action, judge_stage
from tasks.models.records import ServedEvidence
from tasks.models.serving.gate import BETTER, OPEN, GateResult
from tasks.models.specs import Gate
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Experiment, ModelRollout, ModelServing
from tests.factories import store_content
from tests.tasks.models.model_rows import posts

ENGAGEMENT = ModelType.ENGAGEMENT_PREDICTOR
NIGHT = datetime(2027, 6, 1, 2, tzinfo=UTC)
NEW_WORLD = -1.5  # what video is worth after the world changed
pytestmark = pytest.mark.usefixtures("mlflow_store")


async def refresh(updater: ModelUpdater, night: int, **options: Any) -> dict[str, Any]:
    found = await updater.check_and_update_models(
        "acme", [ENGAGEMENT], as_of=NIGHT + timedelta(days=night), run_id=f"night-{night}", **options
    )
    return dict(found["ENGAGEMENT_PREDICTOR"])


async def asked(updater: ModelUpdater, first: int, count: int) -> Counter[str]:
    """Ask for predictions; how many each version gave."""
    found = await updater.predict("acme", ENGAGEMENT, [f"c{i}" for i in range(first, first + count)])
    assert [row["row_id"] for row in found] == [f"c{i}" for i in range(first, first + count)]
    return Counter(row["model_version"] for row in found)


async def in_canary(warehouse: Warehouse) -> tuple[ModelUpdater, dict[str, Any]]:
    """A champion that is asked, a world that changed, and a challenger in its first stage."""
    store_content(warehouse, posts(400))
    updater = ModelUpdater(warehouse=warehouse)
    await refresh(updater, 0)
    await asked(updater, 0, 60)
    store_content(warehouse, posts(300, start=400, video=NEW_WORLD))
    return updater, await refresh(updater, 1)


def shares(warehouse: Warehouse) -> list[int]:
    rows = warehouse.rows(select(ModelRollout.share_percent).order_by(ModelRollout.recorded_at, ModelRollout.step))
    return [row["share_percent"] for row in rows]


async def test_challenger_walks_the_stages_and_becomes_champion(warehouse: Warehouse) -> None:
    updater, begun = await in_canary(warehouse)
    assert begun["status"] == "canary"
    champion, challenger = begun["model_version"], begun["candidate_version"]
    store_content(warehouse, posts(600, start=700, video=NEW_WORLD))
    first = await asked(updater, 700, 300)
    assert 3 <= first[challenger] <= 35
    batches = warehouse.rows(select(ModelServing.version_name, ModelServing.error, ModelServing.seconds))
    assert {row["version_name"] for row in batches} == {champion, challenger}
    assert all(row["error"] is None and row["seconds"] > 0 for row in batches)
    assert first[champion] + first[challenger] == 300
    assert await asked(updater, 700, 300) == first, "a row keeps its model"
    assert (await refresh(updater, 1))["status"] == "canary", "a stage lasts at least a day"
    assert shares(warehouse) == [5]
    for night, share in ((2, 25), (3, 50)):
        found = await refresh(updater, night)
        assert (found["status"], shares(warehouse)[-1]) == ("canary", share)
    more = await asked(updater, 1000, 300)
    assert 110 <= more[challenger] <= 190
    last = await refresh(updater, 4)
    assert (last["status"], last["model_version"]) == ("promoted", challenger)
    assert shares(warehouse) == [5, 25, 50, 100]
    assert set(await asked(updater, 1000, 50)) == {challenger}
    ended = warehouse.rows(select(Experiment.status, Experiment.winner))
    assert ended == [{"status": "completed", "winner": "challenger"}]


async def test_challenger_that_does_worse_where_it_serves_is_stopped(sqlite_warehouse: Warehouse) -> None:
    updater, begun = await in_canary(sqlite_warehouse)
    challenger = begun["candidate_version"]
    await refresh(updater, 12)  # no newer label is known, so that age decides
    assert shares(sqlite_warehouse) == [5, 25]
    store_content(sqlite_warehouse, posts(1_000, start=700, video=3.0))  # away from what the challenger learned
    assert (await asked(updater, 700, 1_000))[challenger] >= 200
    stopped = await refresh(updater, 12)
    assert (stopped["status"], stopped["model_version"]) == ("canary_stopped", begun["model_version"])
    assert "a row more than the champion on" in stopped["reason"]
    assert shares(sqlite_warehouse) == [5, 25, 0]
    assert set(await asked(updater, 700, 300)) == {begun["model_version"]}
    assert (await refresh(updater, 13))["candidate_version"] != challenger, "not rolled out again by itself"


async def test_challenger_that_fails_is_answered_for_and_stopped(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    updater, begun = await in_canary(sqlite_warehouse)
    load = updater._service.promoter.load

    def fails(key: Any, version: Any) -> Any:
        if version.version_name == begun["candidate_version"]:
            raise MemoryError("too large")
        return load(key, version)

    with monkeypatch.context() as patch:
        patch.setattr(updater._service.promoter, "load", fails)
        for _ in range(3):
            assert await asked(updater, 400, 200) == {begun["model_version"]: 200}
    stopped = await refresh(updater, 1)
    assert stopped["status"] == "canary_stopped"
    assert stopped["reason"].endswith("batches failed, the last with: MemoryError: too large")


async def test_nobody_asks_and_the_gate_alone_decides(sqlite_warehouse: Warehouse) -> None:
    store_content(sqlite_warehouse, posts(400))
    updater = ModelUpdater(warehouse=sqlite_warehouse)
    await refresh(updater, 0)
    store_content(sqlite_warehouse, posts(300, start=400, video=NEW_WORLD))
    assert (await refresh(updater, 1))["status"] == "promoted"
    assert shares(sqlite_warehouse) == []


async def test_promotion_by_hand_ends_the_rollout(sqlite_warehouse: Warehouse) -> None:
    updater, begun = await in_canary(sqlite_warehouse)
    await updater.promote_model("acme", ENGAGEMENT, begun["candidate_version"])
    assert (await refresh(updater, 1))["status"] == "promoted"
    assert shares(sqlite_warehouse) == [5, 100]


RULE = Gate()
WAIT, ADVANCE, STOP = Action.HOLD_ROLLOUT, Action.ADVANCE_ROLLOUT, Action.STOP_ROLLOUT
UNKNOWN, FINE = ServedEvidence(3, 60), ServedEvidence(500, 9_500, 1.0, 0.01, -0.01, 0.03)
WORSE = ServedEvidence(500, 9_500, 1.0, -0.3, -0.4, -0.2)
OPEN_GATE = GateResult(OPEN, 0.0, -0.1, 1.0, 40, 0.1)
PASSED, FAILED = GateResult(BETTER, 0.2, 0.1, 1.0, 400, 0.3), GateResult(OPEN, -0.2, -0.3, 1.0, 400, -0.1)


def stage(share: int, seen: ServedEvidence, paired: GateResult | None, age: float, *, proven: bool = False) -> str:
    return judge_stage(share, seen, paired, age, RULE, is_proven=proven).action


def test_stages_move_by_evidence_or_by_age_and_never_against_evidence() -> None:
    assert stage(5, UNKNOWN, OPEN_GATE, 0.5, proven=True) == WAIT
    assert stage(5, UNKNOWN, OPEN_GATE, 1.0, proven=True) == ADVANCE
    assert stage(5, UNKNOWN, None, 1.0, proven=True) == WAIT, "no newer label is known yet"
    assert stage(5, UNKNOWN, None, 9.0) == WAIT
    assert stage(5, UNKNOWN, None, 10.0) == ADVANCE, "a third of the minimum age"
    assert stage(5, FINE, OPEN_GATE, 1.0) == ADVANCE, "not worse by the margin"
    assert stage(50, FINE, OPEN_GATE, 99.0) == WAIT, "only the gate ends the last stage"
    assert stage(50, FINE, PASSED, 99.0) == ADVANCE
    for share in (5, 25, 50):
        assert stage(share, WORSE, PASSED, 99.0, proven=True) == STOP
        assert stage(share, FINE, FAILED, 99.0, proven=True) == STOP
