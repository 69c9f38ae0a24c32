"""A learning is one row however often it is learned, and says whether it still holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text

from tasks.learnings import LearningService, RecalledLearning
from tasks.learnings.records import still_true
from tasks.learnings.store import note_told, untold_learnings
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import (
    Debate,
    ExperimentArm,
    Learning,
    LearningWord,
    ModelDeployment,
    PatternAnalysis,
    PatternFinding,
    Workspace,
)
from tests.factories import store, workspace_row
from tests.learning_history import (
    NOW,
    analysis_row,
    change_row,
    debate_row,
    experiment_rows,
    finding_row,
    write_history,
)

EMOJI = [{"feature": "emoji_count", "op": ">=", "value": 1, "level": "present"}]
VIDEO = [{"feature": "media_type", "op": "==", "value": "video", "level": ""}]
BUTTON: dict[str, Any] = {"kind": "experiment", "name": "Green button", "metric": "click_rate", "winner": "green"}
BUTTON |= {"arms": {"control": "Blue", "green": "Green"}, "lift": 0.1, "hypothesis": "Green is seen"}
TIKTOK: dict[str, Any] = {"kind": "debate", "problem": "Should we be on TikTok?", "options": ["Yes", "No"], "chosen": 0}


def first(warehouse: Warehouse, words: str) -> RecalledLearning:
    service = LearningService(warehouse)
    service.remember(["acme"], "again")
    return service.recall(words, "acme")[0]


def night(warehouse: Warehouse, day: int, rules: list[list[dict[str, Any]]], lookback_days: int = 90) -> None:
    store(warehouse, Workspace, [workspace_row()])
    analysis = analysis_row("acme", "social", NOW + timedelta(days=day), lookback_days=lookback_days)
    store(warehouse, PatternAnalysis, [analysis])
    store(warehouse, PatternFinding, [finding_row(analysis, rule, 20.0 + place) for place, rule in enumerate(rules)])


@pytest.mark.parametrize("nights", [15, pytest.param(100, marks=pytest.mark.slow)])
def test_many_nights_leave_no_duplicate(sqlite_warehouse: Warehouse, nights: int) -> None:
    write_history(sqlite_warehouse, "acme", [BUTTON, TIKTOK])
    service = LearningService(sqlite_warehouse)
    for day in range(nights):
        night(sqlite_warehouse, day, [EMOJI, VIDEO])
        service.remember(["acme"], f"night-{day}")
    assert service.remember(["acme"], "once more") == {"acme": 0}
    with sqlite_warehouse.connect() as connection:
        learnings = connection.execute(select(func.count()).select_from(Learning)).scalar_one()
        indexed = connection.execute(text("SELECT count(*) FROM learning_index")).scalar_one()
        most = connection.execute(select(func.max(LearningWord.learnings))).scalar_one()
    print(f"BAR {learnings - 4} duplicates after {nights} nights (bar 0)")
    assert learnings == indexed == most == 4


def test_words_are_counted_anew_where_a_learning_says_something_else(warehouse: Warehouse) -> None:
    write_history(warehouse, "acme", [TIKTOK])
    assert "decided 'Yes'" in first(warehouse, "tiktok").statement
    rename = {"brief": {"problem": "Should we be on Pinterest?", "part_of": None}}
    store(warehouse, Debate, [debate_row("acme", TIKTOK, 0) | rename])
    assert first(warehouse, "pinterest").learning_id
    service = LearningService(warehouse)
    assert [one.statement for one in service.recall("tiktok pinterest", "acme")].count("Debate") == 0
    counts = warehouse.rows(select(LearningWord.learnings).where(LearningWord.learnings < 1))
    assert counts == [], "no word is kept that nothing holds"


def test_a_pattern_is_confirmed_by_weeks_that_were_not_looked_at_before(sqlite_warehouse: Warehouse) -> None:
    for day in (0, 1, 2):
        night(sqlite_warehouse, day, [EMOJI])
    assert first(sqlite_warehouse, "emoji").replications == 0, "the same weeks again confirm nothing"
    for day in (92, 185):
        night(sqlite_warehouse, day, [EMOJI])
    again = first(sqlite_warehouse, "emoji")
    assert (again.replications, again.standing, again.basis) == (2, "current", "association")
    assert "confirmed 2 times by later data" in again.still_true


def test_a_pattern_that_is_not_found_again_is_no_longer_current(sqlite_warehouse: Warehouse) -> None:
    night(sqlite_warehouse, 0, [EMOJI, VIDEO])
    assert first(sqlite_warehouse, "emoji").standing == "current"
    night(sqlite_warehouse, 1, [VIDEO])
    gone = first(sqlite_warehouse, "emoji")
    assert gone.standing == "not_seen_again"
    assert gone.still_true.startswith("unclear; the analysis of 2026-10-02 did not find it again")


def test_memory_outlasts_its_source(sqlite_warehouse: Warehouse) -> None:
    night(sqlite_warehouse, 0, [EMOJI])
    first(sqlite_warehouse, "emoji")
    with sqlite_warehouse.begin() as connection:
        connection.execute(delete(PatternFinding))
        connection.execute(delete(PatternAnalysis))
    kept = first(sqlite_warehouse, "emoji")
    assert (kept.standing, "no analysis that is kept holds it" in kept.still_true) == ("not_seen_again", True)


def test_the_same_experiment_again_confirms_or_replaces(sqlite_warehouse: Warehouse) -> None:
    write_history(sqlite_warehouse, "acme", [BUTTON])
    for number, winner in ((1, "green"), (2, "control")):
        later = {"completed_at": NOW + timedelta(days=10 * number), "winner": winner}
        for table, rows in experiment_rows("acme", BUTTON, number, **later).items():
            store(sqlite_warehouse, table, rows)
        service = LearningService(sqlite_warehouse)
        service.remember(["acme"], "night")
        by_age = sorted(service.recall("green button", "acme"), key=lambda one: one.learned_at)
        if number == 1:
            assert [one.replications for one in by_age] == [1, 0]
            assert {one.standing for one in by_age} == {"current"}
    assert [one.standing for one in by_age] == ["superseded", "superseded", "current"]
    assert "another answer since 2026-10-21" in by_age[0].still_true
    assert (by_age[0].effect, by_age[0].interval_level) == (0.1, 0.95)


def test_a_graded_debate_says_whether_it_was_right(sqlite_warehouse: Warehouse) -> None:
    graded = {"graded_at": NOW, "outcome_option": "B"}
    store(sqlite_warehouse, Workspace, [workspace_row()])
    store(sqlite_warehouse, Debate, [debate_row("acme", TIKTOK, 0, **graded)])
    wrong = first(sqlite_warehouse, "tiktok")
    assert (wrong.standing, wrong.basis) == ("refuted", "judgment")
    assert wrong.still_true.startswith("no; 'No' turned out right")
    store(sqlite_warehouse, Debate, [debate_row("acme", TIKTOK, 0, **graded | {"outcome_option": "A"})])
    assert first(sqlite_warehouse, "tiktok").still_true.startswith("yes, as far as is known; it turned out right")


def test_a_model_that_was_replaced_serves_no_longer(sqlite_warehouse: Warehouse) -> None:
    fact = {"model_type": "churn_prediction", "change": "promotion", "reason": "lower loss"}
    back = fact | {"change": "rollback", "reason": "doubled errors"}
    store(sqlite_warehouse, Workspace, [workspace_row()])
    store(sqlite_warehouse, ModelDeployment, [change_row("acme", fact, 1), change_row("acme", back, 2)])
    service = LearningService(sqlite_warehouse)
    service.remember(["acme"], "night")
    new, old = sorted(service.recall("churn model", "acme"), key=lambda one: one.standing)
    assert (new.standing, old.standing) == ("current", "superseded")
    assert "Rolled back the churn prediction model" in new.statement
    assert "v_20260102_000000 serves since" in old.still_true


def test_experiments_that_ran_elsewhere_are_learned_with_their_interval(warehouse: Warehouse) -> None:
    store(warehouse, Workspace, [workspace_row()])
    arm = {"workspace_id": "acme", "experiment_name": "Spring mail", "metric_name": "open_rate", "n": 10_000}
    arm |= {"metric_kind": "binary", "sum_of_squares": None, "started_at": NOW, "run_id": "r", "direction": "increase"}
    arms = [
        arm | {"variant_name": "plain", "sum": 2000.0, "is_control": True, "share": None},
        arm | {"variant_name": "emoji", "sum": 2300.0, "is_control": False, "share": None},
    ]
    store(warehouse, ExperimentArm, arms)
    known = first(warehouse, "emoji in spring mail")
    assert known.statement == "In experiment 'Spring mail' 'emoji' beat 'plain' on open_rate"
    assert known.effect is not None
    assert known.effect_low is not None
    assert round(known.effect, 3) == 0.15
    assert 0.09 < known.effect_low < known.effect


def test_debates_of_one_organization_belong_to_no_other(sqlite_warehouse: Warehouse) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row(workspace_id=name, organisation_id="x") for name in ("a", "b")])
    brief = {"problem": "Should we be on TikTok?", "part_of": None, "scope": "organisation"}
    store(sqlite_warehouse, Debate, [debate_row(None, TIKTOK, 0, brief=brief)])
    service = LearningService(sqlite_warehouse)
    assert service.remember_unowned("night") == 1
    assert len(service.recall("tiktok")) == 1
    assert service.recall("tiktok", "a") == [], "whoever asks for one workspace gets that workspace's"
    store(sqlite_warehouse, Workspace, [workspace_row(workspace_id="c", organisation_id="y")])
    assert service.recall("tiktok", "c") == []


@pytest.mark.parametrize(("days", "words"), [(0.2, "of today"), (1.2, "1 day old"), (2.6, "3 days old")])
def test_the_age_of_a_learning_is_said_in_days(days: float, words: str) -> None:
    row = {"standing": "current", "standing_reason": "", "replications": 0}
    assert still_true(row, days) == f"yes, as far as is known; {words}"


def test_operators_read_of_a_learning_once_however_often_it_is_confirmed(warehouse: Warehouse) -> None:
    service = LearningService(warehouse)
    night(warehouse, 1, [EMOJI, VIDEO])
    service.remember(["acme"], "night-1")
    first_night = untold_learnings(warehouse)
    assert {one["workspace_id"] for one in first_night} == {"acme"}
    assert len(first_night) >= 2
    note_told(warehouse, [one["learning_id"] for one in first_night[1:]], datetime(2026, 10, 2, tzinfo=UTC))
    assert [one["learning_id"] for one in untold_learnings(warehouse)] == [first_night[0]["learning_id"]]
    note_told(warehouse, [first_night[0]["learning_id"]], datetime(2026, 10, 2, tzinfo=UTC))
    night(warehouse, 2, [EMOJI, VIDEO])
    service.remember(["acme"], "night-2")
    assert untold_learnings(warehouse) == []
