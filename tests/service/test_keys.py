"""Keys: what they open, what they may do, how often, and that a copy of the warehouse opens nothing."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from service import gate
from tasks.access import AccessService, secret_texts
from tasks.access.errors import KeyRequestError
from tasks.errors import UnknownNameError
from tasks.settings import get_settings
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ApiKey, AuditEntry, Workspace
from tests.factories import store, workspace_row
from tests.service.conftest import ADDRESS, Served

LIST = "/v1/experiments"


def test_without_a_key_it_says_which_command_makes_one(served: Served) -> None:
    for headers in ({}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic cmFwdG9y"}):
        answer = served.client.get(LIST, headers=headers)
        assert answer.status_code == 401
        assert "raptorflow keys create" in answer.json()["detail"]
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_key_opens_its_workspace_and_an_organizations_key_all_of_its_own(served_twice: Served) -> None:
    own, group = served_twice.key("read"), served_twice.key("read", workspace=None, organisation_id="group")
    ask = served_twice.client.get
    assert ask(LIST, headers=own).status_code == 200
    assert ask(LIST, headers=own, params={"workspace": "acme"}).status_code == 200
    assert ask(LIST, headers=group, params={"workspace": "acme-uk"}).status_code == 200
    assert ask(LIST, headers=group).status_code == 422  # which of the two?
    refused = [ask(LIST, headers=key, params={"workspace": name}) for key, name in (
        (own, "umbrella"), (own, "acme-uk"), (own, "nobody"), (group, "umbrella"), (group, "nobody"),
    )]  # fmt: skip
    assert {answer.status_code for answer in refused} == {404}
    assert len({answer.text for answer in refused}) == 1, "a workspace of others is told from none"


def test_what_is_kept_of_a_key_opens_nothing(served_mostly: Served) -> None:
    key = served_mostly.key("read")
    (row,) = served_mostly.warehouse.rows(select(ApiKey.__table__))
    secret = key["authorization"].rpartition("_")[2]
    assert secret not in str(row)
    forged = secret_texts.text_of(row["key_id"], row["hash"].hex()[:43])
    assert served_mostly.client.get(LIST, headers={"x-api-key": forged}).status_code == 401


def test_a_scope_is_what_it_says(served: Served) -> None:
    admin, post = served.key("admin"), served.client.post
    for scope, reads, assigns, writes, decides in (
        ("read", 200, 403, 403, 403), ("assign", 403, 200, 403, 403), ("write", 200, 200, 200, 403),
        ("admin", 200, 200, 200, 200),
    ):  # fmt: skip
        key, one = served.key(scope), f"{LIST}/{served.experiment(admin, scope)}"
        assert served.client.get(one, headers=key).status_code == reads
        assert post(f"{one}/assignments", headers=key, json={"unit_id": "u1"}).status_code == assigns
        post(f"{one}/assignments", headers=admin, json={"unit_id": "u1"})
        assert post(f"{one}/outcomes", headers=key, json={"unit_id": "u1", "outcome": 1}).status_code == writes
        assert post(f"{one}/decide", headers=key, json={"winner": "short"}).status_code == decides


def test_a_revoked_key_is_none_within_seconds(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "STANDING_SECONDS", 0.0)
    key = served.key("read")
    assert served.client.get(LIST, headers=key).status_code == 200
    access = AccessService(served.warehouse)
    (listed,) = access.list_keys("acme")
    assert listed.last_used_at is not None
    revoked = access.revoke(listed.key_id)
    assert access.revoke(listed.key_id).revoked_at == revoked.revoked_at
    assert served.client.get(LIST, headers=key).status_code == 401


def test_a_verified_key_costs_no_second_slow_hash_and_nor_does_a_wrong_one(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    slow = secret_texts.slow_hash

    def counting(secret: str, salt: bytes) -> bytes:
        hashed.append(secret)
        return slow(secret, salt)

    monkeypatch.setattr(secret_texts, "slow_hash", counting)
    key, wrong = served.key("read"), {"x-api-key": secret_texts.text_of("0" * 16, "x" * 43)}
    hashed.clear()
    for _ in range(5):
        assert served.client.get(LIST, headers=key).status_code == 200
        assert served.client.get(LIST, headers=wrong).status_code == 401
    assert len(hashed) == 2


def test_many_requests_that_come_with_a_new_key_at_once_wait_for_one_check(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "MOST_WAITING", 1)
    key = served.key("read")
    with ThreadPoolExecutor(20) as pool:
        statuses = set(pool.map(lambda _: served.client.get(LIST, headers=key).status_code, range(40)))
    assert statuses == {200}


def test_guessing_many_keys_at_once_is_put_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MOST_WAITING", 0)
    assert served.client.get(LIST, headers=served.key("read")).status_code == 429


def test_a_key_sends_no_more_than_it_may(served: Served) -> None:
    key = served.key("read", per_minute=30)  # five at once, then one every two seconds
    answers = [served.client.get(LIST, headers=key) for _ in range(12)]
    assert [answer.status_code for answer in answers[:5]] == [200] * 5
    limited = answers[-1]
    assert limited.status_code == 429
    assert 1 <= int(limited.headers["retry-after"]) <= 2
    assert served.client.get(LIST, headers=served.key("read")).status_code == 200, "another key waits for this one"


@pytest.mark.parametrize(("proxies", "actor"), [("", None), ("10.0.0.0/8", "eve@shop"), ("10.1.2.3", "Jürgen Łukasz")])
def test_every_write_is_in_the_log_with_key_person_what_and_when(
    served: Served, monkeypatch: pytest.MonkeyPatch, proxies: str, actor: str | None
) -> None:
    monkeypatch.setenv("RAPTORFLOW_TRUSTED_PROXIES", proxies)
    get_settings.cache_clear()
    asked = TestClient(served.app, base_url=ADDRESS, client=("10.1.2.3", 4444))
    person = (actor or "eve@shop").encode()  # as proxies send it
    body = {"name": "n", "variants": [{"name": "a", "is_control": True}, {"name": "b"}], "metric_name": "m"}
    key = served.key("write")
    named = [*((name.encode(), value.encode()) for name, value in key.items()), (b"x-actor", person)]
    identifier = asked.post(LIST, headers=named, json=body).json()["experiment_id"]
    asked.post(LIST, headers=named, json=body | {"variants": []})  # refused: nothing was written
    (entry,) = served.warehouse.rows(select(AuditEntry.__table__))
    assert (entry["workspace_id"], entry["actor"]) == ("acme", actor)
    assert (entry["action"], entry["subject"]) == ("POST /v1/experiments", identifier)
    assert entry["key_id"] in key["authorization"]
    assert abs(entry["recorded_at"].timestamp() - time.time()) < 60


def test_assignments_are_counted_in_the_log(served: Served) -> None:
    key = served.key("admin")
    one = f"{LIST}/{served.experiment(key)}"
    for k in range(5):
        served.client.post(f"{one}/assignments", headers=key, json={"unit_id": f"u{k}"})
    until = time.monotonic() + 20
    counted = 0
    while counted < 5 and time.monotonic() < until:
        rows = served.warehouse.rows(select(AuditEntry.__table__).where(AuditEntry.action.like("%assignments")))
        counted = sum(row["count"] for row in rows)
        time.sleep(0.1)
    assert counted == 5


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"workspace_id": "acme", "organisation_id": "group"}, KeyRequestError),
        ({}, KeyRequestError),
        ({"workspace_id": "nobody"}, UnknownNameError),
        ({"organisation_id": "nobody"}, UnknownNameError),
    ],
)
def test_a_key_of_nobody_is_not_made(sqlite_warehouse: Warehouse, given: dict[str, Any], error: type) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row(organisation_id="group")])
    with pytest.raises(error):
        AccessService(sqlite_warehouse).create("name", ["read"], **given)
    assert AccessService(sqlite_warehouse).list_keys() == []


@pytest.mark.parametrize(("name", "scopes"), [("", ["read"]), ("n", []), ("n", ["reed"]), ("x" * 200, ["read"])])
def test_a_key_says_what_it_is_for_and_what_it_may(sqlite_warehouse: Warehouse, name: str, scopes: list[str]) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    with pytest.raises((KeyRequestError, UnknownNameError)):
        AccessService(sqlite_warehouse).create(name, scopes, workspace_id="acme")
