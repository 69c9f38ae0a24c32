"""A key reads and changes nothing of another workspace's: not by an answer, its status, its words or its queries.

Each call names something of the other workspace, and is sent again with the same thing's name made up: both answers are
the same but for that name, after the same number of queries.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, func, select

from service import flags, gate
from tasks.warehouse.schema import AuditEntry, Base
from tests.service.conftest import Served
from tests.service.test_findings_over_http import learned

SECRET = "umbrellasecret"
TEXTS = ["", "x", "é" * 9, "'; DROP TABLE content; --", "../../etc/passwd", "%00", "\u202e", "{}", "a" * 200]
METHODS = ("get", "post", "put", "delete", "patch")


@contextmanager
def counted_queries(served: Served) -> Iterator[list[str]]:
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    event.listen(served.warehouse.engine, "before_cursor_execute", count)
    yield statements
    event.remove(served.warehouse.engine, "before_cursor_execute", count)


def secrets_of(served: Served) -> dict[str, str]:
    """Things of the other workspace, by what they are."""
    learned(served.warehouse, "umbrella")
    key = served.key("admin", workspace="umbrella")
    identifier = served.experiment(key, f"{SECRET} titles", hypothesis=SECRET, metric_name=SECRET)
    served.client.post(f"/v1/experiments/{identifier}/assignments", headers=key, json={"unit_id": f"{SECRET} unit"})
    body = {"problem": SECRET, "options": ["a", "b"], "agent_roles": ["copywriting_ninja"]}
    debate = served.client.post("/v1/debates", headers=key, json=body).json()["debate_id"]
    _wait_for_quiet(served, key, debate)
    return {"experiment_id": identifier, "debate_id": debate, "workspace": "umbrella", "flag": f"{SECRET} titles"}


def _wait_for_quiet(served: Served, key: dict[str, str], debate: str) -> None:
    """Until what goes on after an answer is done, whose queries would be counted."""
    until = time.monotonic() + 120
    logged = select(AuditEntry.entry_id).where(AuditEntry.action.like("%/assignments"))
    while not (
        served.client.get(f"/v1/debates/{debate}", headers=key).json()["is_over"] and served.warehouse.rows(logged)
    ):
        assert time.monotonic() < until, "the debate does not end, or the assignment is not in the log"
        time.sleep(0.1)


def made_up(value: str, what: str) -> str:
    """As long as the real one, and nobody's."""
    if what == "experiment_id":
        return f"exp_{uuid.uuid4().hex[: len(value) - 4]}"
    return f"api-{uuid.uuid4().hex}" if what == "debate_id" else uuid.uuid4().hex[: len(value)].ljust(len(value), "z")


def calls(served: Served, chance: random.Random) -> Iterator[tuple[str, str, dict[str, Any], Any, str]]:
    """Method, path with its names open, parameters, body, and which name is of the other workspace."""
    described = served.app.openapi()["paths"]
    paths = [path for path in described if "runs" not in path and "predictions" not in path and "score" not in path]
    paths.remove("/v1/workspaces")  # names none
    paths = [path for path in paths if "promote" not in path and "rollback" not in path]  # scored beside, see below
    while True:
        path = chance.choice(paths)
        method = chance.choice([*described[path], *described[path], chance.choice(METHODS)])
        named = next((name for name in ("experiment_id", "debate_id") if f"{{{name}}}" in path), "workspace")
        named = "flag" if "{key}" in path else named
        params: dict[str, Any] = {"task_type": "ad_copy"} if "recommendations" in path else {}
        if chance.random() < 0.3:
            params["cursor"] = chance.choice(TEXTS)
        yield method, path.replace("{key}", "{flag}"), params, body_of(path, chance), named


def body_of(path: str, chance: random.Random) -> Any:
    text = chance.choice(TEXTS)
    bodies: list[Any] = [
        {}, [], text, {"unit_id": text or "u"}, {"unit_id": f"{SECRET} unit", "outcome": 1}, {"winner": "short"},
        {"units": [{"unit_id": "u"}]}, {"outcomes": [{"unit_id": f"{SECRET} unit", "outcome": 1}]}, {"stop": True},
        {"reason": "r", "traffic_share": 1.0}, {"reason": "r", "weights": {"control": 0.5, "short": 0.5}},
        {"variant": "short", "reason": "r"}, {"context": {"targetingKey": f"{SECRET} unit"}},
    ]  # fmt: skip
    if path == "/v1/experiments":
        bodies += [{"name": f"{SECRET} titles", "variants": [{"name": "a"}, {"name": "b"}], "metric_name": "m"}]
    return chance.choice(bodies)


def sent(
    served: Served, key: dict[str, str], call: tuple[str, str, dict[str, Any], Any, str], name: str
) -> tuple[int, str, int]:
    method, path, params, body, named = call
    headers = key
    if named == "workspace":
        params = params | {"workspace": name}
        headers = key | {"x-workspace": name}
        body = body | {"workspace": name} if isinstance(body, dict) and path.startswith("/v1/") else body
    with counted_queries(served) as statements:
        answer = served.client.request(
            method, path.format_map({named: name}), headers=headers, params=params,
            **({} if method == "get" else {"json": body}),
        )  # fmt: skip
    return answer.status_code, answer.text.replace(name, "NAME"), len(statements)


def contents(served: Served) -> dict[str, int]:
    """Rows of every table but the log."""
    tables = [table for table in Base.metadata.sorted_tables if table.name not in (AuditEntry.__tablename__, "api_key")]
    return {
        table.name: served.warehouse.rows(select(func.count().label("n")).select_from(table))[0]["n"]
        for table in tables
    }


def fuzz(served: Served, how_many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((gate, "STANDING_SECONDS"), (gate, "SECONDS_BETWEEN_USES"), (flags, "KEPT_SECONDS")):
        monkeypatch.setattr(module, name, 1e9)
    of_others = secrets_of(served)
    key = served.key("admin", per_minute=10_000_000)
    served.client.get("/v1/experiments", headers=key)
    served.client.post("/ofrep/v1/evaluate/flags", headers=key, json={})
    before, chance = contents(served), random.Random(22)
    statuses = set()
    for _, call in zip(range(how_many // 2), calls(served, chance), strict=False):
        name = of_others[call[4]]
        theirs, nobodys = (sent(served, key, call, one) for one in (name, made_up(name, call[4])))
        assert theirs == nobodys, f"{call}: what is another workspace's is told from what is not there"
        assert theirs[0] < 500
        assert theirs[0] not in range(200, 300), f"{call}: {theirs}"
        assert SECRET not in theirs[1].replace(json.dumps(call[3])[1:-1], ""), call
        statuses.add(theirs[0])
    assert {404, 422} <= statuses
    assert contents(served) == before, "something was written"


def test_two_hundred_calls_with_a_foreign_key_read_and_change_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    fuzz(served, 200, monkeypatch)


@pytest.mark.slow
def test_ten_thousand_calls_with_a_foreign_key_read_and_change_nothing(
    served_twice: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    fuzz(served_twice, 10_000, monkeypatch)


def test_what_is_computed_beside_is_refused_before_it_is_asked(served: Served) -> None:
    key = served.key("admin")
    for path, body in (
        ("/v1/score", {"title": "t"}), ("/v1/predictions/TONE_CLASSIFIER", {"row_ids": ["c1"]}),
        ("/v1/models/TONE_CLASSIFIER/promote", {"reason": "r"}),
        ("/v1/models/TONE_CLASSIFIER/rollback", {"reason": "r"}),
        ("/v1/runs", {"deployment": "model-refresh"}),
    ):  # fmt: skip
        theirs, nobodys = (
            served.client.post(path, headers=key, json=body | {"workspace": name}) for name in ("umbrella", "nobody")
        )
        assert (theirs.status_code, theirs.text) == (404, nobodys.text)
    assert served.app.state.scoring._pool is None
