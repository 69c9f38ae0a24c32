"""What is too long, what cannot be read, and a warehouse that is locked or away: a problem, and never a traceback."""

from __future__ import annotations

import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from service.app import create_app
from service.body_limit import MOST_BYTES
from service.json_bodies import JsonRoute
from tasks.warehouse import Warehouse
from tests.service.conftest import ADDRESS, Served, listening, serve_customers
from tests.service.pages.test_drift_strip import LIVE
from tests.tasks.models.served_versions import let_serve

LIST = "/v1/experiments"


def test_more_than_four_megabytes_are_refused_whatever_they_say_of_themselves(served: Served) -> None:
    key = served.key("write")

    def parts() -> Iterator[bytes]:
        for _ in range(MOST_BYTES // 100_000 + 1):
            yield b"x" * 100_000

    declared = served.client.post(LIST, headers=key, content=b"x" * (MOST_BYTES + 1))
    streamed = served.client.post(LIST, headers=key | {"content-type": "application/json"}, content=parts())
    assert [declared.status_code, streamed.status_code] == [413, 413]
    assert "4 MB" in declared.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("post", LIST, b"{", 422),
        ("post", LIST, b"\xff\xfe", 422),
        ("post", LIST, b"[" * 50_000, 422),
        ("post", LIST, b'{"name": "\\ud800", "variants": [{"name": "a"}, {"name": "b"}], "metric_name": "m"}', 422),
        ("post", LIST, b'{"name": NaN}', 422),
        ("get", f"{LIST}/%00", b"", 404),
        ("get", f"{LIST}/{'x' * 200}", b"", 422),
        ("get", f"{LIST}?limit=0", b"", 422),
        ("get", f"{LIST}?cursor=%00", b"", 422),
        ("get", "/v1/audit?cursor=%F0%9F%8D%95", b"", 422),
        ("delete", LIST, b"", 405),
        ("get", "/v1/nothing", b"", 404),
    ],
)
def test_what_cannot_be_read_is_a_problem(
    served_to_all: Served, method: str, path: str, content: bytes, status: int
) -> None:
    headers = served_to_all.key("admin") | {"content-type": "application/json"}
    answer = served_to_all.client.request(method, path, headers=headers, content=content)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text


def test_a_refusal_says_the_fix_and_repeats_little_of_what_came(served_to_all: Served) -> None:
    client, key = served_to_all.client, served_to_all.key("admin")
    body = {"name": "x", "variants": [{"name": "a"}, {"name": "b"}], "metric_name": "m"}
    long = client.post(LIST, headers=key, json=body | {"design": {"bucketing": "x" * 10**6}})
    assert (long.status_code, len(long.text) < 2000) == (422, True)
    one = f"{LIST}/{served_to_all.experiment_once(key)}/outcomes"
    sent = key | {"content-type": "application/json"}
    nothing = client.post(one, headers=sent, content=b'{"unit_id": "u", "outcome": NaN}').json()
    assert nothing["detail"] == "body.outcome: Input should be a finite number; leave out what was not measured"


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("/v1/experiments?limt=5", "query.limt: there is no such parameter; this address takes "),
        ("/v1/experiments?limit=5&limit=6", "query.limit: it is given twice; give it once"),
        ("/v1/experiments/nobody/decisions?as_of=2026", "query.as_of: there is no such parameter"),
    ],
)
def test_a_parameter_that_would_be_left_aside_is_refused(served_to_all: Served, address: str, problem: str) -> None:
    answer = served_to_all.client.get(address, headers=served_to_all.key("read"))
    assert (answer.status_code, answer.json()["detail"][: len(problem)]) == (422, problem)
    assert served_to_all.client.get(address).status_code == 401, "a stranger is told nothing but that"


@pytest.mark.parametrize(
    ("kind", "content", "detail"),
    [
        ("application/json", b'{"unit_id": "u"', "body: cannot be read as JSON at character 15"),
        ("text/plain", b'{"unit_id": "u"}', "body: send JSON, and say so: Content-Type: application/json"),
        ("", b"unit_id=u", "body: send JSON, and say so: Content-Type: application/json"),
        (
            "application/json",
            b'{"unit_id": "u", "user": 1}',
            "body.user: there is no such field; known are unit_id, segment, covariate, context",
        ),
        (
            "application/json",
            b'{"unit_id": "u", "unit_id": "v"}',
            "body: `unit_id` stands twice in one object; send it once",
        ),
        (
            "application/json",
            b'{"unit_id": "u", "segment": {"land": "de", "land": "at"}}',
            "body: `land` stands twice in one object; send it once",
        ),
    ],
)
def test_a_body_that_is_none_is_told_how_to_be_one(
    served_to_all: Served, kind: str, content: bytes, detail: str
) -> None:
    key = served_to_all.key("admin")
    one = f"{LIST}/{served_to_all.experiment_once(key)}/assignments"
    answer = served_to_all.client.post(one, headers=key | {"content-type": kind}, content=content)
    assert (answer.status_code, answer.json()["detail"]) == (422, detail)


def test_no_route_that_takes_a_body_reads_a_key_twice(served_to_all: Served) -> None:
    taking = [one for one in routes_of(served_to_all.app) if one.body_field is not None]
    assert len(taking) > 10
    assert [one.path for one in taking if not isinstance(one, JsonRoute)] == []


def routes_of(app: FastAPI) -> list[APIRoute]:
    """All routes of the API."""
    return [one for router in app.state.api for one in router.routes if isinstance(one, APIRoute)]


def test_a_field_deep_in_a_body_is_told_what_stands_beside_it(served_to_all: Served) -> None:
    key = served_to_all.key("admin")
    one = f"{LIST}/{served_to_all.experiment_once(key)}/outcomes/batch"
    answer = served_to_all.client.post(one, headers=key, json={"outcomes": [{"unit_id": "u", "value": 1}]}).json()
    (wrong,) = [one["problem"] for one in answer["errors"] if one["field"] == "body.outcomes.0.value"]
    assert wrong.startswith("there is no such field; known are unit_id, ")
    assert "outcome" in wrong


def test_who_sends_too_much_before_reading_is_told_so_and_not_cut_off(sqlite_warehouse: Warehouse) -> None:
    with listening(create_app(sqlite_warehouse)) as address:
        for _ in range(3):
            sent = urllib.request.Request(address + LIST, b" " * 20_000_000, {"Content-Type": "application/json"})
            with pytest.raises(urllib.error.HTTPError, match="413"):
                urllib.request.urlopen(sent)


@pytest.mark.parametrize("path", ["/health", "/v1/experiments", "/v1/nothing"])
def test_head_answers_as_get_does_without_the_body(served_to_all: Served, path: str) -> None:
    client, key = served_to_all.client, served_to_all.key("read")
    asked, got = client.head(path, headers=key), client.get(path, headers=key)
    assert (asked.status_code, asked.content) == (got.status_code, b"")
    assert asked.headers["content-length"] == got.headers["content-length"]


def test_head_of_a_stream_that_never_ends_is_answered(sqlite_warehouse: Warehouse) -> None:
    let_serve(sqlite_warehouse)
    with TestClient(create_app(sqlite_warehouse), base_url=ADDRESS) as client:
        answer = client.head(LIVE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


def test_a_locked_warehouse_is_told_with_when_to_come_again(
    sqlite_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = Warehouse(sqlite_warehouse.url, patience=0.2)
    for served in serve_customers(patient):
        key = served.key("admin")
        one = f"{LIST}/{served.experiment(key)}"
        with sqlite3.connect(tmp_path / "warehouse.db", isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            for path, body in (("/start", None), ("/assignments", {"unit_id": "u"})):
                answer = served.client.post(one + path, headers=key, json=body)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "2"), answer.text
            other.execute("ROLLBACK")
        other.close()
        assert served.client.post(f"{one}/assignments", headers=key, json={"unit_id": "u"}).status_code == 200


def test_a_warehouse_that_is_away_is_told_without_its_address() -> None:
    app = create_app(Warehouse("postgresql+psycopg://raptor:swordfish@127.0.0.1:9/none", patience=1))
    began = time.monotonic()
    with TestClient(app, base_url=ADDRESS, raise_server_exceptions=False) as client:
        answer = client.get(LIST, headers={"x-api-key": f"rf_{'0' * 16}_{'x' * 43}"})
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert "swordfish" not in answer.text
    assert time.monotonic() - began < 60
