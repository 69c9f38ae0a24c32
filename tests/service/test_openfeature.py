"""Arms for every OpenFeature SDK: the protocol, and OpenFeature's own providers against a service that listens."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import Reason

from flows.platform.service_server import behind_front_door
from tasks.experiments.service import ExperimentService
from tests.service.conftest import Served, listening

FLAGS = "/ofrep/v1/evaluate/flags"
JAVASCRIPT = Path(__file__).with_name("javascript")
ON_OFF = [{"name": "off", "is_control": True}, {"name": "on"}]


def arms_of(served: Served, identifier: str, units: list[str]) -> list[str | None]:
    arms = ExperimentService(warehouse=served.warehouse).assigned_variants(identifier, units)
    return [None if arm is None else arm.variant_id for arm in arms]


def test_a_flag_is_an_experiments_arm_and_the_unit_is_assigned(served_twice: Served) -> None:
    identifier = served_twice.experiment(served_twice.key("admin"))
    key = served_twice.key("assign")
    answers = [
        served_twice.client.post(f"{FLAGS}/titles", headers=key, json={"context": {"targetingKey": f"u{k}"}}).json()
        for k in range(12)
    ]
    assert {answer["reason"] for answer in answers} == {"SPLIT"}
    assert [answer["value"] for answer in answers] == arms_of(served_twice, identifier, [f"u{k}" for k in range(12)])
    assert answers[0]["metadata"]["experiment_id"] == identifier


def test_what_is_served_before_the_start_and_after_the_end(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.flags.KEPT_SECONDS", 0.0)
    key, body = served.key("admin"), {"context": {"targetingKey": "u"}}
    identifier = served.experiment(key, start=False)
    ask = served.client.post
    seen = [ask(f"{FLAGS}/titles", headers=key, json=body).json()]
    ask(f"/v1/experiments/{identifier}/start", headers=key)
    seen.append(ask(f"{FLAGS}/titles", headers=key, json=body).json())
    ask(f"/v1/experiments/{identifier}/decide", headers=key, json={"winner": "short"})
    seen.append(ask(f"{FLAGS}/titles", headers=key, json=body).json())
    assert [answer["reason"] for answer in seen] == ["DISABLED", "SPLIT", "STATIC"]
    assert (seen[0]["value"], seen[2]["value"]) == ("control", "short")


def test_a_unit_that_takes_no_part_sees_the_control(served: Served) -> None:
    key = served.key("admin")
    served.experiment(key, design={"traffic_share": 0.0})
    answer = served.client.post(f"{FLAGS}/titles", headers=key, json={"context": {"targetingKey": "u"}}).json()
    assert (answer["value"], answer["reason"], answer["metadata"]["takes_part"]) == ("control", "DEFAULT", False)


def test_a_bulk_evaluation_answers_all_or_those_named_and_is_not_sent_twice(served: Served) -> None:
    key = served.key("admin")
    first, second = served.experiment(key), served.experiment(key, "new-page", variants=ON_OFF)
    named = {"context": {"targetingKey": "u", "experiments": ["titles"]}}
    asked = served.client.post(FLAGS, headers=key, json=named)
    assert [flag["key"] for flag in asked.json()["flags"]] == ["titles"]
    assert arms_of(served, second, ["u"]) == [None], "what was not named exposed nobody"
    everything = served.client.post(FLAGS, headers=key, json={"context": {"targetingKey": "u"}})
    by_key = {flag["key"]: flag["value"] for flag in everything.json()["flags"]}
    assert by_key["titles"] == arms_of(served, first, ["u"])[0]
    assert by_key["new-page"] is (arms_of(served, second, ["u"]) == ["on"])
    tag = {"if-none-match": everything.headers["etag"]}
    again = served.client.post(FLAGS, headers=key | tag, json={"context": {"targetingKey": "u"}})
    assert (again.status_code, again.content) == (304, b"")
    without = served.client.post(FLAGS, headers=key, json={}).json()["flags"]
    assert {flag["errorCode"] for flag in without} == {"TARGETING_KEY_MISSING"}


def test_holdouts_and_experiments_assigned_elsewhere_are_no_flags(served: Served) -> None:
    key = served.key("admin")
    ExperimentService(warehouse=served.warehouse).create_holdout("acme", 0.1, "clicks")
    served.experiment(key, "logged", start=False, design={"assigned_elsewhere": True})
    assert served.client.post(FLAGS, headers=key, json={"context": {"targetingKey": "u"}}).json() == {"flags": []}


@pytest.mark.parametrize(
    ("path", "content", "status", "code"),
    [
        ("/no-such", b"{}", 404, "FLAG_NOT_FOUND"),
        ("/titles", b"{", 400, "PARSE_ERROR"),
        ("/titles", b"[" * 100_000, 400, "PARSE_ERROR"),
        ("/titles", b'{"context": {"targetingKey": "u", "targetingKey": "v"}}', 400, "PARSE_ERROR"),
        ("/titles", b"[]", 400, "INVALID_CONTEXT"),
        ("/titles", b'{"context": 1}', 400, "INVALID_CONTEXT"),
        ("/titles", b"{}", 400, "TARGETING_KEY_MISSING"),
        ("/titles", b'{"context": {"targetingKey": 7}}', 400, "INVALID_CONTEXT"),
        ("/titles", b'{"context": {"targetingKey": "\\u0000"}}', 400, "INVALID_CONTEXT"),
        ("/titles", b'{"context": {"targetingKey": "u", "segment": {"a": {}}}}', 400, "INVALID_CONTEXT"),
        ("", b'{"context": {"targetingKey": "u", "experiments": "titles"}}', 400, "INVALID_CONTEXT"),
        ("", b"nonsense", 400, "PARSE_ERROR"),
    ],
)
def test_what_cannot_be_evaluated_is_told_in_the_protocols_words(
    served_to_all: Served, path: str, content: bytes, status: int, code: str
) -> None:
    key = served_to_all.key("admin")
    served_to_all.experiment_once(key)
    answer = served_to_all.client.post(FLAGS + path, headers=key, content=content)
    assert (answer.status_code, answer.json()["errorCode"]) == (status, code)


def test_the_official_python_provider_gets_the_engines_arms(served: Served) -> None:
    admin, key = served.key("admin"), served.key("assign")
    identifier, page = served.experiment(admin), served.experiment(admin, "new-page", variants=ON_OFF)
    units = [f"u{k}" for k in range(10)]
    with listening(behind_front_door(served.app)) as address:
        api.set_provider(OFREPProvider(address, headers_factory=lambda: {"Authorization": key["authorization"]}))
        client = api.get_client()
        details = [client.get_string_details("titles", "none", EvaluationContext(unit)) for unit in units]
        booleans = [client.get_boolean_value("new-page", False, EvaluationContext(unit)) for unit in units]
        missing = client.get_string_details("no-such-flag", "fallback", EvaluationContext("u1"))
        api.clear_providers()
    assert [one.value for one in details] == arms_of(served, identifier, units)
    assert {one.reason for one in details} == {Reason.SPLIT}
    assert booleans == [arm == "on" for arm in arms_of(served, page, units)]
    assert (missing.value, missing.error_code) == ("fallback", "FLAG_NOT_FOUND")


def test_the_official_javascript_providers_get_the_engines_arms(served: Served) -> None:
    node = shutil.which("node")
    if node is None or not (JAVASCRIPT / "node_modules").is_dir():
        pytest.skip("`npm install` in tests/service/javascript, and Node, run OpenFeature's JavaScript packages")
    admin, key = served.key("admin"), served.key("assign")
    identifier, page = served.experiment(admin), served.experiment(admin, "new-page", variants=ON_OFF)
    text = key["authorization"].removeprefix("Bearer ")
    with listening(behind_front_door(served.app)) as address:
        printed = subprocess.run(
            [node, "evaluate.mjs", address, text, "visitor"],
            cwd=JAVASCRIPT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert printed.returncode == 0, printed.stderr
    seen: dict[str, Any] = json.loads(printed.stdout)
    (arm,), (page_arm,) = arms_of(served, identifier, ["visitor"]), arms_of(served, page, ["visitor"])
    assert (seen["server"], seen["page"], seen["reason"]) == (arm, arm, "SPLIT")
    assert (seen["boolean"], seen["missing"]) == (page_arm == "on", "FLAG_NOT_FOUND")


def test_an_arm_follows_the_attributes_that_its_experiment_wants(served_mostly: Served) -> None:
    key = served_mostly.key("admin")
    identifier = served_mostly.experiment(key, experiment_type="contextual", design={"context": ["device"]})
    body = {"context": {"targetingKey": "u1", "device": "mobile", "shoe size": 47}}
    answer = served_mostly.client.post(f"{FLAGS}/titles", headers=key, json=body).json()
    assert answer["reason"] == "SPLIT"
    assert answer["metadata"]["propensity"] == pytest.approx(0.5), "nothing is known of the context yet"
    wrong = {"context": {"targetingKey": "u2", "device": ["a", "b"]}}
    refused = served_mostly.client.post(f"{FLAGS}/titles", headers=key, json=wrong)
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "INVALID_CONTEXT")
    direct = served_mostly.client.post(
        f"/v1/experiments/{identifier}/assignments", headers=key, json={"unit_id": "u3", "context": {"shoe size": 47}}
    )
    assert direct.status_code == 422
    assert "shoe size" in direct.json()["detail"]
    assert arms_of(served_mostly, identifier, ["u1", "u2", "u3"]) == [answer["value"], None, None]
