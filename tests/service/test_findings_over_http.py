"""What was learned, over HTTP: the capabilities' own answers, of the key's workspace alone."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from service.draft_score import score_draft
from tasks.conditions import Condition
from tasks.effects.other_organizations import TOO_LITTLE
from tasks.effects.records import BasedOn, CalibratedEffect
from tasks.effects.wording import AboutCalibration, SeenPattern, as_effect
from tasks.learnings import LearningService
from tasks.models.service import ModelService
from tasks.patterns.records import ContentAnalysis, Pattern, PatternQuery, Period, SearchThresholds
from tasks.patterns.store import save
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Content, Workspace
from tests.factories import START, content_row, store, workspace_row
from tests.service.conftest import Served, listening


def a_pattern(kind: str, condition: Condition, lift: float) -> Pattern:
    ends = (lift - 5, lift + 5)
    period = Period(START, START + timedelta(days=30), lift, ends)
    return Pattern(
        pattern_id=f"{kind}_0", pattern_key=f"rule_{condition.feature}", pattern_type=kind, description="d",
        rule=(condition,), features={}, confidence=0.97, sample_size=80, effect_size=0.5, lift_pct=lift,
        lift_interval_pct=ends, q_value=0.01, discovery_size=80, total_size=80, effective_sample_size=60.0,
        baseline_rate=0.02, raw_lift_pct=lift, moved_by="nothing", stability=1.0, fading=False, over_time=(period,),
        applicable_tasks=("social_media_post",), first_seen=START, last_seen=START,
    )  # fmt: skip


def an_effect(estimate: float, own: int) -> dict[str, Any]:
    """What doing it would bring, by so many experiments."""
    seen = SeenPattern("does it", 30.0, wins=estimate > 0, baseline=0.02, posts_spread=0.5)
    effect = CalibratedEffect(estimate, (estimate - 0.1, estimate + 0.1), 0.9, 0.3, BasedOn(own=own))
    return as_effect(effect, seen, AboutCalibration("clicks", TOO_LITTLE, 0.1))


def learned(warehouse: Warehouse, workspace: str = "acme", question: float | None = 0.086) -> None:
    """Posts of a workspace and two patterns: questions win, long texts lose."""
    words = ["spring sale shoes", "summer sale boots", "winter coat offer", "autumn rain jacket", "new store opens"]
    rows = [
        content_row(k, workspace_id=workspace, title=words[k % 5], body=f"{words[(k + k // 5) % 5]} today",
                    engagements=10 + k, published_at=START + timedelta(days=k))
        for k in range(60)
    ]  # fmt: skip
    store(warehouse, Content, rows)
    wins = a_pattern("winning", Condition("question_count", ">=", 1.0, "present"), 30.0)
    loses = a_pattern("losing", Condition("word_count", ">=", 8.0, "top_quarter"), -20.0)
    wins = replace(wins, effect=None if question is None else an_effect(question, own=3))
    loses = replace(loses, effect=an_effect(-0.05, own=3))
    query = PatternQuery(workspace, "social", START, 365, SearchThresholds())
    save(warehouse, ContentAnalysis(query, "patterns_found", "two", (wins, loses)), "test")


def test_patterns_and_recommendations_are_the_workspaces_own(served_twice: Served) -> None:
    learned(served_twice.warehouse)
    own, other = served_twice.key("read"), served_twice.key("read", workspace="umbrella")
    ask = served_twice.client.get
    patterns = ask("/v1/patterns", headers=own, params={"limit": 1}).json()
    assert (patterns["total"], len(patterns["items"])) == (2, 1)
    assert patterns["items"][0]["lift_interval_pct"] == [25.0, 35.0]
    following = ask("/v1/patterns", headers=own, params={"limit": 1, "cursor": patterns["next"]}).json()
    assert following["items"][0]["pattern_type"] == "losing"
    advice = ask("/v1/recommendations", headers=own, params={"task_type": "social_media_post", "k": 5}).json()
    assert [one["action"] for one in advice["items"]] == ["prefer", "avoid"]
    assert ask("/v1/patterns", headers=other).json()["items"] == []
    assert ask("/v1/workspaces", headers=own).json() == {"items": ["acme"], "scopes": ["read"]}
    unknown = ask("/v1/recommendations", headers=own, params={"task_type": "sing"})
    assert (unknown.status_code, "sing" in unknown.json()["detail"]) == (422, True)


def test_insights_say_why_there_are_none(served_mostly: Served) -> None:
    answer = served_mostly.client.get("/v1/insights", headers=served_mostly.key("read")).json()
    assert answer["insights"] == []
    assert answer["status"]


@pytest.mark.usefixtures("scored_here")
def test_a_draft_is_told_what_it_meets_what_it_misses_and_what_it_is_like(served_mostly: Served) -> None:
    learned(served_mostly.warehouse)
    key = served_mostly.key("read")
    draft = {"title": "spring sale shoes", "body": "spring sale shoes today", "media_type": "hologram"}
    score = served_mostly.client.post("/v1/score", headers=key, json=draft)
    assert score.status_code == 200, score.text
    told = score.json()
    assert [one["pattern_key"] for one in told["missed"]] == ["rule_question_count", "rule_word_count"]
    gained = told["missed"][0]
    assert gained["worth_pct"] == pytest.approx(100 * math.expm1(0.086))
    assert gained["worth_interval_pct"] == pytest.approx(
        [100 * math.expm1(0.086 + side) for side in (-0.1, 0.1)], rel=1e-5
    )
    assert (gained["worth_rests_on"], gained["lift_pct"]) == ("experiments", 30.0)
    assert told["missed"][1]["change"] is None, "a losing pattern that is missed asks for no change"
    assert "spring sale shoes" in told["similar"][0]["text"]
    assert 0 <= told["similar"][0]["did_better_than"] <= 1
    assert told["unusual"] == ["no post has media type “hologram” so far"]
    assert told["expected"]["value"] is None
    assert "no model" in told["expected"]["reason"]
    asked = served_mostly.client.post("/v1/score", headers=key, json={"title": "zebra quantum?", "body": "flux"}).json()
    assert [one["pattern_key"] for one in asked["met"]] == ["rule_question_count"]
    assert asked["met"][0]["change"] is None
    assert "unlike anything seen" in asked["unusual"][0]


def test_shedding_a_losing_pattern_is_worth_what_leaving_it_off_is_expected_to_bring(
    sqlite_warehouse: Warehouse,
) -> None:
    learned(sqlite_warehouse)
    store(sqlite_warehouse, Workspace, [workspace_row()])
    long = {"title": "one two three four five six seven eight nine", "body": "ten"}
    told = score_draft(sqlite_warehouse, ModelService(sqlite_warehouse), "acme", long)
    (shed,) = [one for one in told["met"] if one["pattern_type"] == "losing"]
    assert shed["worth_pct"] == 5.12711, "six digits of 5.127109637602412"
    assert shed["worth_interval_pct"] == [-4.87706, 16.1834]
    assert all(len(f"{figure!r}".strip("-0.").replace(".", "")) <= 6 for figure in figures_in(told))


def figures_in(answer: Any) -> list[float]:
    """Every figure that is no whole number, wherever it stands."""
    if isinstance(answer, dict | list):
        parts = answer.values() if isinstance(answer, dict) else answer
        return [figure for part in parts for figure in figures_in(part)]
    return [answer] if isinstance(answer, float) else []


@pytest.mark.parametrize(("effect", "change"), [(None, "make it"), (-0.03, None), (0.03, "make it")])
def test_what_experiments_turn_around_is_not_advised(
    sqlite_warehouse: Warehouse, effect: float | None, change: str | None
) -> None:
    learned(sqlite_warehouse, question=effect)
    store(sqlite_warehouse, Workspace, [workspace_row()])
    told = score_draft(sqlite_warehouse, ModelService(sqlite_warehouse), "acme", {"title": "a", "body": "b"})
    asks = next(one for one in told["missed"] if one["pattern_key"] == "rule_question_count")
    assert (asks["change"] or "None").startswith(change or "None")
    assert (asks["worth_pct"] is None) == (effect is None or effect < 0)


@pytest.mark.usefixtures("scored_here")
def test_models_without_a_champion_say_so(served: Served) -> None:
    key = served.key("admin")
    assert served.client.get("/v1/models", headers=key).json()["items"] == []
    predicted = served.client.post("/v1/predictions/TONE_CLASSIFIER", headers=key, json={"row_ids": ["c1"]})
    assert (predicted.status_code, "no champion" in predicted.json()["detail"]) == (409, True)
    unknown = served.client.post("/v1/predictions/SONG_WRITER", headers=key, json={"row_ids": ["c1"]})
    assert unknown.json()["errors"][0]["field"] == "path.model_type"
    moved = served.client.post("/v1/models/TONE_CLASSIFIER/rollback", headers=key, json={"reason": "worse"})
    assert moved.status_code == 409


def test_a_debate_is_started_polled_and_read_once(served_mostly: Served) -> None:
    learned(served_mostly.warehouse)
    key = served_mostly.key("write") | {"idempotency-key": "monday"}
    body = {"problem": "Ask or tell?", "options": ["Ask a question", "Tell it"], "agent_roles": ["copywriting_ninja"]}
    started = served_mostly.client.post("/v1/debates", headers=key, json=body)
    assert started.status_code == 202, started.text
    where = started.headers["location"]
    until = time.monotonic() + 60
    while not (debate := served_mostly.client.get(where, headers=key).json())["is_over"]:
        assert time.monotonic() < until, debate["status"]
        time.sleep(0.1)
    again = served_mostly.client.post("/v1/debates", headers=key, json=body)
    assert again.headers["location"] == where
    assert len(served_mostly.client.get("/v1/debates", headers=key).json()["items"]) == 1
    other = served_mostly.key("read", workspace="umbrella")
    hidden, none = (served_mostly.client.get(path, headers=other) for path in (where, "/v1/debates/api-none"))
    assert (hidden.status_code, hidden.text) == (none.status_code, none.text) == (404, hidden.text)
    wrong = served_mostly.client.post(
        "/v1/debates", headers=served_mostly.key("write"), json=body | {"agent_roles": ["x"]}
    )
    assert wrong.status_code == 422


def test_a_run_is_started_for_the_keys_workspace_alone(served: Served, prefect: list[dict[str, Any]]) -> None:
    key, other = served.key("admin"), served.key("admin", workspace="umbrella")
    body = {"deployment": "pattern-learning", "options": {"lookback_days": 90}}
    run = served.client.post("/v1/runs", headers=key, json=body)
    assert run.status_code == 202, run.text
    assert prefect[0]["parameters"] == {"options": {"lookback_days": 90, "workspace_ids": ["acme"]}}
    where = run.headers["location"]
    assert served.client.get(where, headers=key).json()["state_name"] == "Scheduled"
    hidden, none = (
        served.client.get(path, headers=other) for path in (where, "/v1/runs/00000000-0000-4000-8000-999999999999")
    )
    assert (hidden.status_code, hidden.text) == (none.status_code, none.text)
    for wrong in ({"deployment": "housekeeping"}, body | {"options": {"workspace_ids": 1}}):
        assert served.client.post("/v1/runs", headers=key, json=wrong).status_code == 422
    assert len(prefect) == 1


@pytest.mark.parametrize("thing", [[], 5, None, {"id": 7}, {"id": "a", "tags": 5}, {"id": "a", "tags": [{}]}])
def test_json_of_another_shape_is_no_run(served: Served, monkeypatch: pytest.MonkeyPatch, thing: Any) -> None:
    odd = FastAPI()

    @odd.api_route("/api/{_path:path}", methods=["GET", "POST"])
    def anything(_path: str) -> JSONResponse:
        return JSONResponse(thing)

    key = served.key("admin")
    with listening(odd) as address:
        monkeypatch.setenv("PREFECT_API_URL", f"{address}/api")
        read = served.client.get("/v1/runs/00000000-0000-4000-8000-999999999999", headers=key)
        started = served.client.post("/v1/runs", headers=key, json={"deployment": "model-refresh"})
    is_run = isinstance(thing, dict) and thing["id"] == "a"
    assert (read.status_code, started.status_code) == ((404, 202) if is_run else (503, 503))


def test_without_a_prefect_server_runs_are_put_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("", "http://127.0.0.1:9/api"):
        monkeypatch.setenv("PREFECT_API_URL", address)
        answer = served.client.post("/v1/runs", headers=served.key("admin"), json={"deployment": "model-refresh"})
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


def test_the_audit_log_comes_in_pages_newest_first(served_mostly: Served) -> None:
    key = served_mostly.key("admin")
    names = [served_mostly.experiment(key, f"e{k}", start=False) for k in range(3)]
    first = served_mostly.client.get("/v1/audit", headers=key, params={"limit": 2}).json()
    rest = served_mostly.client.get("/v1/audit", headers=key, params={"limit": 2, "cursor": first["next"]}).json()
    assert [row["subject"] for row in first["items"] + rest["items"]] == names[::-1]
    assert rest["next"] is None
    assert served_mostly.client.get("/v1/audit", headers=served_mostly.key("write")).status_code == 403


def test_what_was_learned_is_recalled_in_other_words(served: Served) -> None:
    learned(served.warehouse)
    LearningService(served.warehouse).remember(["acme"], "run")
    key = served.key("read")
    items = served.client.get("/v1/learnings", headers=key, params={"q": "do questions pay?"}).json()["items"]
    assert items
    assert items[0]["workspace_id"] == "acme"
    assert items[0]["still_true"].startswith("yes")
    other = served.key("read", workspace="umbrella")
    assert served.client.get("/v1/learnings", headers=other, params={"q": "questions"}).json() == {"items": []}
    foreign = served.client.get("/v1/learnings", headers=other, params={"q": "questions", "workspace": "acme"})
    assert foreign.status_code == 404
    assert served.client.get("/v1/learnings", headers=key, params={"q": "\x00 ' \" * ) NEAR("}).status_code == 200
