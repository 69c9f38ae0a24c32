"""Experiments over HTTP: the engine's answers to the bit, outcomes once however often they are sent."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from tasks.effects.loop.drafts import LoopTerms
from tasks.experiments.orchestration_service import OrchestrationService
from tasks.experiments.service import ExperimentService
from tasks.warehouse.schema import ExperimentAssignment
from tests.service.conftest import ADDRESS, ARMS, Served
from tests.tasks.experiments.test_orchestration import NOW as ASKED
from tests.tasks.experiments.test_orchestration import write_open_questions

LIST = "/v1/experiments"
DECLARED = [ARMS[0], ARMS[1] | {"title": "Short", "changes": {"title_words": 4}}]
CHANGED = [ARMS[0], ARMS[1] | {"changes": {"emoji_counts": 1}}]


def test_an_experiment_from_design_to_decision(served_twice: Served) -> None:
    key, client = served_twice.key("admin"), served_twice.client
    one = f"{LIST}/{served_twice.experiment(key, hypothesis='shorter is better', variants=DECLARED)}"
    units = {"units": [{"unit_id": f"u{k}"} for k in range(800)]}
    assigned = client.post(f"{one}/assignments/batch", headers=key, json=units).json()["assignments"]
    assert {arm["variant"] for arm in assigned} == {"control", "short"}
    assert client.get(one, headers=key).json()["variants"][1]["changes"] == {"title_words": 4}
    assert client.get(f"{one}/results", headers=key).json()["result"] is None
    outcomes = [
        {"unit_id": arm["unit_id"], "outcome": int(k % 10 < (1 if arm["variant"] == "control" else 6))}
        for k, arm in enumerate(assigned)
    ]
    batch = {"outcomes": outcomes}
    assert client.post(f"{one}/outcomes/batch", headers=key, json=batch).json()["recorded"] == 800
    assert client.post(f"{one}/outcomes/batch", headers=key, json=batch).json() == {
        "recorded": 0, "unchanged": 800, "amended": 0,
    }  # fmt: skip
    report = client.post(f"{one}/results", headers=key).json()
    assert report["status"] == "winner"
    assert report["effects"][0]["interval"][0] > 0
    kept = client.get(f"{one}/results", headers=key).json()
    assert (kept["n"], kept["result"]["winner"]) == (800, "short")
    decided = client.post(f"{one}/decide", headers=key)
    assert (decided.json()["status"], decided.json()["winner"]) == ("completed", "short")
    assert [row["action"] for row in client.get(f"{one}/decisions", headers=key).json()["items"]][-1] == "completed"


def test_arms_are_the_engines_to_the_bit_one_by_one_and_together(served_mostly: Served) -> None:
    key, client = served_mostly.key("admin"), served_mostly.client
    design = {"traffic_share": 0.8, "holdout_share": 0.1}
    identifier = served_mostly.experiment(key, salt="fixed", design=design)
    engine = ExperimentService(warehouse=served_mostly.warehouse)
    plan = engine._plan(identifier)
    units = [f"unit-{k} é" for k in range(60)]
    with ThreadPoolExecutor(8) as pool:
        asked = pool.map(
            lambda unit: client.post(f"{LIST}/{identifier}/assignments", headers=key, json={"unit_id": unit}), units
        )
    answers = {answer.json()["unit_id"]: answer.json()["variant"] for answer in asked}
    places = {unit: plan.choose(unit) for unit in units}
    wanted = {unit: None if place is None else plan.variants[place] for unit, place in places.items()}
    assert answers == wanted
    assert None in wanted.values()
    stored = engine.assigned_variants(identifier, units)
    assert [answers[unit] for unit in units] == [None if arm is None else arm.variant_id for arm in stored]


def test_a_unit_that_is_written_at_once_gets_the_engines_arm_and_is_counted(served_mostly: Served) -> None:
    key, client = served_mostly.key("admin"), served_mostly.client
    identifier = served_mostly.experiment(key, salt="fixed", design={"traffic_share": 0.8})
    plan = ExperimentService(warehouse=served_mostly.warehouse)._plan(identifier)
    units = [f"unit-{k} é" for k in range(60)]
    for unit in units:
        arm = client.post(f"{LIST}/{identifier}/assignments", headers=key, json={"unit_id": unit}).json()["variant"]
        place = plan.choose(unit)
        assert arm == (None if place is None else plan.variants[place])
    assert (served_mostly.app.state.assignments._writer is not None) == served_mostly.warehouse.is_sqlite
    taking_part = sum(plan.choose(unit) is not None for unit in units)
    stored = ExperimentService(warehouse=served_mostly.warehouse).assigned_variants(identifier, units)
    assert sum(arm is not None for arm in stored) == taking_part
    until = time.monotonic() + 20
    logged = 0
    while logged < taking_part and time.monotonic() < until:
        time.sleep(0.05)
        entries = client.get("/v1/audit", headers=key, params={"limit": 200}).json()["items"]
        logged = sum(one["count"] for one in entries if one["action"].endswith("/assignments"))
    assert logged == taking_part


def test_arms_are_written_whichever_loop_asks_for_them(served: Served) -> None:
    """One after the other on loops of their own, as clients without a server do; the fixture's ends it, and is told."""
    key = served.key("admin")
    one = f"{LIST}/{served.experiment(key)}/assignments"
    alone = TestClient(served.app, base_url=ADDRESS)
    for unit in ("first", "second", "third"):
        assert alone.post(one, headers=key, json={"unit_id": unit}).status_code == 200
    assert served.client.post(one, headers=key, json={"unit_id": "fourth"}).status_code == 200
    assert len(served.warehouse.rows(select(ExperimentAssignment.unit_id))) == 4


def test_a_unit_waits_for_who_else_writes_and_nobody_else_waits_for_it(served: Served) -> None:
    key, client = served.key("admin"), served.client
    one = f"{LIST}/{served.experiment(key)}/assignments"
    for unit in ("first", "second"):  # the second is written at once
        assert client.post(one, headers=key, json={"unit_id": unit}).status_code == 200
    with ThreadPoolExecutor(1) as pool:
        with served.warehouse.begin():
            asked = pool.submit(client.post, one, headers=key, json={"unit_id": "third"})
            time.sleep(0.3)
            began = time.monotonic()
            assert client.get("/health").status_code == 200
            assert time.monotonic() - began < 1
            assert not asked.done(), "answered before its exposure was stored"
        assert asked.result().json()["variant"] in ("control", "short")
    assert client.post(one, headers=key, json={"unit_id": "fourth"}).status_code == 200


def test_an_approval_of_the_loop_is_taken_back_by_whoever_may_decide(served: Served) -> None:
    write_open_questions(served.warehouse, "acme")
    loop = OrchestrationService(warehouse=served.warehouse)
    now = datetime.now(UTC)
    (draft, *_) = loop.propose("acme", LoopTerms(), ASKED)
    loop.loop.answer([draft], "ann", "worth a try", now, yes=True)
    body, ways = {"which": draft.name, "reason": "another season"}, f"{LIST}/withdrawals"
    assert served.client.post(ways, headers=served.key("write"), json=body).status_code == 403
    foreign = served.client.post(ways, headers=served.key("admin", workspace="umbrella"), json=body)
    assert (foreign.status_code, draft.name in foreign.text) == (404, False)
    key = served.key("admin")
    answer = served.client.post(ways, headers=key, json=body)
    assert (answer.status_code, answer.json()["state"]) == (200, "declined"), answer.text
    assert served.client.post(ways, headers=key, json=body).status_code == 404
    (entry,) = served.client.get("/v1/audit", headers=key).json()["items"]
    assert (entry["action"], entry["subject"]) == ("POST /v1/experiments/withdrawals", draft.name)


def test_a_unit_keeps_its_arm_when_weights_change(served: Served) -> None:
    key, client = served.key("admin"), served.client
    identifier = served.experiment(key, allocation_strategy="staged")
    one = f"{LIST}/{identifier}"
    before = {
        f"u{k}": client.post(f"{one}/assignments", headers=key, json={"unit_id": f"u{k}"}).json() for k in range(20)
    }
    changed = client.post(
        f"{one}/weights", headers=key, json={"weights": {"control": 0.02, "short": 0.98}, "reason": "stage two"}
    )
    assert changed.status_code == 200
    for unit, arm in before.items():
        assert client.post(f"{one}/assignments", headers=key, json={"unit_id": unit}).json() == arm
    served.app.state.assignments._known.clear()  # as another process, which has seen nobody
    for unit, arm in before.items():
        assert client.post(f"{one}/assignments", headers=key, json={"unit_id": unit}).json() == arm


def test_an_outcome_counts_once_under_its_idempotency_key(served: Served) -> None:
    key, client = served.key("admin"), served.client
    one = f"{LIST}/{served.experiment(key, metric_kind='continuous')}"
    client.post(f"{one}/assignments", headers=key, json={"unit_id": "u1"})
    outcome = {"unit_id": "u1", "outcome": 2.5}
    first, again, other = (
        client.post(f"{one}/outcomes", headers=key | {"idempotency-key": name}, json=outcome).json()
        for name in ("order-1", "order-1", "order-2")
    )
    assert (first["recorded"], again["recorded"], again["unchanged"], other["recorded"]) == (1, 0, 1, 1)
    changed = client.post(
        f"{one}/outcomes", headers=key | {"idempotency-key": "order-1"}, json=outcome | {"outcome": 3}
    )
    assert changed.status_code == 409
    both = client.post(f"{one}/outcomes", headers=key | {"idempotency-key": "a"}, json=outcome | {"key": "b"})
    assert both.status_code == 422


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("", {"name": "x", "variants": ARMS, "metric_name": "m", "metrik": 1}, "body.metrik"),
        ("", {"name": "x", "variants": ARMS[:1], "metric_name": "m"}, "body.variants"),
        ("", {"name": "x", "variants": ARMS, "metric_name": "m", "design": {"name": "y"}}, "body.design.name"),
        ("/{id}/outcomes", {"unit_id": "u1", "outcome": "many"}, "body.outcome"),
        ("/{id}/outcomes", {"unit_id": "u1"}, "body.outcome"),
        ("/{id}/assignments", {"unit_id": ""}, "body.unit_id"),
        ("/{id}/start", {"started_at": "2026-01-01T00:00:00"}, "body.started_at"),
    ],
)
def test_bad_input_names_its_field(served_to_all: Served, path: str, body: dict[str, Any], field: str) -> None:
    key = served_to_all.key("admin")
    place = path.format(id=served_to_all.experiment_once(key))
    answer = served_to_all.client.post(LIST + place, headers=key, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert len(answer.json()["errors"][0]["problem"]) > 10


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("", {"name": "x", "variants": ARMS, "metric_name": "m", "design": {"trafic": 1}}, 422, "traffic_share"),
    ("", {"name": "x", "variants": CHANGED, "metric_name": "m"}, 422, "did you mean 'emoji_count'?"),
    ("/{id}/outcomes", {"unit_id": "stranger", "outcome": 1}, 422, "has no arm"),
    ("/{id}/outcomes", {"unit_id": "u\u0000", "outcome": 1}, 422, "NUL"),
    ("/{id}/assignments", {"unit_id": "u\u0000"}, 422, "NUL"),
    ("/{id}/assignments", {"unit_id": "  "}, 422, "unit id"),
    ("/{id}/assignments", {"unit_id": "u", "segment": {"a=b": 1}}, 422, "segment"),
    ("/{id}/decide", {}, 409, "no answer"),
    ("/{id}/decide", {"winner": "nobody"}, 422, "nobody"),
    ("/exp_none/start", {}, 404, "no such experiment"),
]


def test_what_the_engine_refuses_is_told_in_its_words(served_mostly: Served) -> None:
    key = served_mostly.key("admin")
    identifier = served_mostly.experiment(key)
    for path, body, status, word in REFUSED:
        answer = served_mostly.client.post(LIST + path.format(id=identifier), headers=key, json=body)
        assert (answer.status_code, word in answer.json()["detail"]) == (status, True), answer.text


def test_one_bad_unit_among_those_that_wait_is_no_reason_for_the_others(served: Served) -> None:
    key, client = served.key("admin"), served.client
    one = f"{LIST}/{served.experiment(key)}/assignments"
    bodies = [{"unit_id": f"u{k}"} | ({"covariate": 1e300} if k == 3 else {}) for k in range(12)]
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda body: client.post(one, headers=key, json=body).status_code, bodies))
    assert [k for k, status in enumerate(statuses) if status != 200] == [3]


def test_a_draft_and_an_ended_one_say_why_nobody_is_assigned(served: Served) -> None:
    key, client = served.key("admin"), served.client
    one = f"{LIST}/{served.experiment(key, start=False)}"
    draft = client.post(f"{one}/assignments", headers=key, json={"unit_id": "u"})
    assert (draft.status_code, "start" in draft.json()["detail"]) == (409, True)
    client.post(f"{one}/start", headers=key)
    assert client.post(f"{one}/decide", headers=key, json={"stop": True}).status_code == 200
    ended = client.post(f"{one}/assignments", headers=key, json={"unit_id": "u"})
    assert (ended.status_code, "serve its winner" in ended.json()["detail"]) == (409, True)


def test_lists_come_in_pages_and_unchanged_ones_are_not_sent_again(served: Served) -> None:
    key, client = served.key("admin"), served.client
    for k in range(5):
        served.experiment(key, f"e{k}", start=False)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        given = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        shown = client.get(LIST, headers=key, params=given).json()
        seen += [row["name"] for row in shown["items"]]
        cursor = shown["next"]
        if cursor is None:
            break
    assert sorted(seen) == [f"e{k}" for k in range(5)]
    tag = client.get(LIST, headers=key).headers["etag"]
    assert client.get(LIST, headers=key | {"if-none-match": tag}).status_code == 304
    served.experiment(key, "e6", start=False)
    assert client.get(LIST, headers=key | {"if-none-match": tag}).status_code == 200
    assert client.get(LIST, headers=key, params={"cursor": "x" * 9}).status_code == 422
