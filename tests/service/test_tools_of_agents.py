"""Agents ask by the Model Context Protocol: the API's own operations and keys; nothing is written unless allowed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from mcp import Client, StdioServerParameters

from flows.platform.service_server import answer_agent, behind_front_door
from service.tool_server import ToolKeyError, scopes_of, tool_server
from service.tools import ApiTools, ToolCallError, tools_of
from tasks.access import secret_texts
from tasks.settings import get_settings
from tests.service.conftest import Served, listening
from tests.service.test_docs_for_applications import blocks
from tests.service.test_findings_over_http import learned

COST = secret_texts.COST
Asking = Callable[[Client], Awaitable[Any]]
HOSTILE = [
    "../../etc/passwd",
    "'; DROP TABLE content; --",
    "a\0b",
    "\u202e",
    "é" * 129,
    "%2e%2e%2fadmin",
    "x/decide",
    "..",
]


def asked(served: Served, key: dict[str, str], asking: Asking, *, writes: bool = False) -> Any:
    """What an agent with this key, in this process, gets by asking."""

    async def ask() -> Any:
        async with Client(tool_server(ApiTools(served.app, writes=writes), lambda _request: key)) as client:
            return await asking(client)

    return asyncio.run(ask())


def names(served: Served, key: dict[str, str], *, writes: bool = False) -> set[str]:
    async def listed(client: Client) -> set[str]:
        return {tool.name for tool in (await client.list_tools()).tools}

    found: set[str] = asked(served, key, listed, writes=writes)
    return found


def called(
    served: Served, key: dict[str, str], tool: str, *, writes: bool = False, **arguments: Any
) -> tuple[bool, str]:
    async def call(client: Client) -> tuple[bool, str]:
        result = await client.call_tool(tool, arguments)
        return not result.is_error, result.content[0].text  # type: ignore[union-attr]

    answer: tuple[bool, str] = asked(served, key, call, writes=writes)
    return answer


def test_every_operation_of_the_api_is_a_tool_with_words_and_a_schema(served: Served) -> None:
    described = {
        (path, method)
        for path, operations in served.app.openapi()["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/v1/") and "text/event-stream" not in json.dumps(operation["responses"])
    }
    tools = tools_of(served.app)
    assert {(tool.path, tool.method.lower()) for tool in tools} == described
    assert len({tool.name for tool in tools}) == len(tools)
    for tool in tools:
        assert tool.description
        assert set(tool.schema["required"]) <= set(tool.places)
        assert "$ref" not in json.dumps(tool.schema)
    (score,) = [tool for tool in tools if tool.name == "score"]
    assert {"title", "body", "channel"} <= set(score.places)


def test_tools_only_read_unless_writing_is_allowed_and_the_key_may(served: Served) -> None:
    reader, writer, admin = (served.key(scope) for scope in ("read", "write", "admin"))
    only_read = names(served, reader)
    assert {"list_patterns", "list_recommendations", "list_backlog", "score"} <= only_read
    assert only_read == names(served, writer) == names(served, reader, writes=True)
    assert names(served, admin) - only_read == {"list_entries"}
    assert {"create_experiment", "look_at_results"} <= names(served, writer, writes=True)
    assert "decide" not in names(served, writer, writes=True)
    assert "decide" in names(served, admin, writes=True)
    body = {"name": "n", "metric_name": "m", "variants": [{"name": "a"}, {"name": "b"}]}
    went_well, words = called(served, admin, "create_experiment", **body)
    assert (went_well, "no tool create_experiment here" in words) == (False, True)
    went_well, words = called(served, reader, "create_experiment", writes=True, **body)
    assert (went_well, words.startswith("403: this key may read")) == (False, True)
    assert served.client.get("/v1/experiments", headers=reader).json()["items"] == []


def test_an_agent_is_answered_as_the_api_answers_and_logged_as_it_logs(served: Served) -> None:
    learned(served.warehouse)
    key = served.key("admin")
    went_well, text = called(served, key, "list_patterns", pattern_type="winning", limit=None)
    assert went_well
    wanted = served.client.get("/v1/patterns", headers=key, params={"pattern_type": "winning"})
    assert json.loads(text) == wanted.json()
    body = {"name": "n", "metric_name": "m", "variants": [{"name": "a", "is_control": True}, {"name": "b"}]}
    went_well, text = called(served, key, "create_experiment", writes=True, **body)
    assert went_well, text
    identifier = json.loads(text)["experiment_id"]
    assert called(served, key, "start_experiment", writes=True, experiment_id=identifier)[0]
    entries = served.client.get("/v1/audit", headers=key).json()["items"]
    assert [row["action"] for row in entries] == [
        "POST /v1/experiments/{experiment_id}/start", "POST /v1/experiments",
    ]  # fmt: skip


def test_what_another_workspace_has_is_not_told_from_what_is_not_there(served: Served) -> None:
    theirs = served.experiment(served.key("admin", workspace="umbrella"), "secret")
    key = served.key("admin")
    for name in (theirs, "exp_" + "0" * (len(theirs) - 4)):
        went_well, words = called(served, key, "read_experiment", experiment_id=name)
        assert (went_well, words) == (False, "404: no such experiment, or not one that this key may read")
    for name in ("umbrella", "nobody"):
        went_well, words = called(served, key, "list_patterns", workspace=name)
        assert (went_well, words) == (False, "404: no such workspace, or not one that this key may read")


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("list_patterns", {"limit": "many"}, "query.limit"),
    ("list_patterns", {"limit": True}, "limit is a text or a number"),
    ("list_patterns", {"limit": [1]}, "limit is a text or a number"),
    ("list_patterns", {"Limit": 3}, "no argument Limit; it takes workspace, content_type"),
    ("list_patterns", {"x\x1b[2J\n": 3}, "no argument x"),
    ("list_patterns", {"content_type": "x" * 10**6}, "content_type is longer than 4000 characters"),
    ("read_experiment", {}, "read_experiment needs experiment_id"),
    ("score", {"title": {"a": 1}}, "body.title"),
    ("score", {"title": "x" * (5 * 10**6)}, "longer than 4 MB"),
    ("score", {"titel": "x"}, "no argument titel"),
    ("start_debate", {"idempotency_key": "é", "problem": "p", "agent_roles": ["a"]}, "signs of ASCII"),
    ("no\x1b[2J\nsuch", {}, "there is no tool no"),
]


def test_hostile_arguments_are_refused_in_one_line(served: Served) -> None:
    tools, key = ApiTools(served.app, writes=True), served.key("admin")
    for name, arguments, fix in WRONG:
        went_well, words = asyncio.run(tools.call(name, arguments, key))
        assert not went_well, name
        assert fix in words
        assert len(words) < 500
        assert words.isprintable()


def test_no_id_leads_to_another_address(served: Served) -> None:
    key, tools = served.key("admin"), ApiTools(served.app, writes=True)
    for given in [*HOSTILE, "\ud800", "a?stop=1", "a#b"]:
        for name in ("look_at_results", "read_run"):
            argument = next(iter(next(tool for tool in tools_of(served.app) if tool.name == name).places))
            went_well, words = asyncio.run(tools.call(name, {argument: given}, key))
            assert not went_well, (name, given)
            assert words.isprintable()
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, float("nan"), float("inf")):
        went_well, words = asyncio.run(tools.call("score", {"title": value}, key))
        assert (went_well, words) == (False, "an argument holds a number that is none, or is nested too deeply")


def test_without_a_key_that_may_read_nothing_is_shown(served: Served) -> None:
    for headers in ({}, {"authorization": "Bearer rf_nothing"}, served.key("assign")):
        with pytest.raises(ToolCallError, match="key"):
            asyncio.run(scopes_of(ApiTools(served.app, writes=False), headers))


@pytest.mark.parametrize("key", ["", "ké"])
def test_what_no_header_holds_is_no_key(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPTORFLOW_KEY", key)
    with pytest.raises(ToolKeyError, match="set RAPTORFLOW_KEY"):
        answer_agent(writes=False)


@pytest.fixture
def address(served: Served) -> Iterator[str]:
    with listening(behind_front_door(served.app)) as address:
        yield address


def test_over_http_the_keys_scope_says_what_is_offered(served: Served, address: str) -> None:
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    async def offered(key: dict[str, str], mode: str) -> set[str]:
        there = streamable_http_client(f"{address}/mcp", http_client=httpx2.AsyncClient(headers=key))
        async with Client(there, mode=mode) as client:
            result = await client.call_tool("list_workspaces", {})
            assert json.loads(result.content[0].text)["items"] == ["acme"]  # type: ignore[union-attr]
            return {tool.name for tool in (await client.list_tools()).tools}

    for mode in ("legacy", "auto"):
        assert asyncio.run(offered(served.key("read"), mode)) == names(served, served.key("read"))
    assert "create_experiment" in asyncio.run(offered(served.key("write"), "auto"))
    refused = httpx.post(f"{address}/mcp", json={})
    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
    foreign = httpx.post(f"{address}/mcp", json={}, headers=served.key("read") | {"origin": "https://evil.example"})
    assert foreign.status_code == 403
    for verb in ("GET", "DELETE"):  # a stream that never ends, and a session, which nothing here has
        assert httpx.request(verb, f"{address}/mcp", headers=served.key("read"), timeout=5).status_code == 405
    longer = httpx.post(f"{address}/mcp", content=b"x" * (5 * 10**6), headers=served.key("read"))
    assert longer.status_code == 413


def test_a_call_over_http_counts_once_and_what_is_more_is_refused(served: Served, address: str) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_workspaces"}}
    key = served.key("read", per_minute=6) | {"accept": "application/json"}
    answer = httpx.post(f"{address}/mcp", json=call, headers=key).json()["result"]
    assert (answer["isError"], "acme" in answer["content"][0]["text"]) == (False, True)
    assert httpx.post(f"{address}/mcp", json=call, headers=key).status_code == 429


@pytest.mark.parametrize(
    ("proxies", "person", "actor"),
    [("", "eve@shop", None), ("127.0.0.1", "eve@shop", "eve@shop"), ("", "zoë@shop", None)],
)
def test_what_an_agent_writes_over_http_is_logged_with_its_person(
    served: Served, address: str, monkeypatch: pytest.MonkeyPatch, proxies: str, person: str, actor: str | None
) -> None:
    monkeypatch.setenv("RAPTORFLOW_TRUSTED_PROXIES", proxies)
    get_settings.cache_clear()
    body = {"name": "n", "metric_name": "m", "variants": [{"name": "a", "is_control": True}, {"name": "b"}]}
    params = {"name": "create_experiment", "arguments": body}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    key = served.key("admin") | {"accept": "application/json", "x-actor": person}
    sent = {name: value.encode() for name, value in key.items()}
    answer = httpx.post(f"{address}/mcp", json=call, headers=sent, timeout=60)
    assert not answer.json()["result"]["isError"]
    (entry,) = served.client.get("/v1/audit", headers=sent).json()["items"]
    assert (entry["action"], entry["actor"]) == ("POST /v1/experiments", actor)


@pytest.mark.slow
def test_ctrl_c_ends_the_command_while_the_agent_is_silent(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_texts, "COST", COST)
    key = served.key("read")["authorization"].removeprefix("Bearer ")
    environment = dict(os.environ) | {"RAPTORFLOW_DATABASE_URL": served.warehouse.url, "RAPTORFLOW_KEY": key}
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    command = [sys.executable, "-m", "flows.cli", "mcp"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(call).encode() + b"\n")
        process.stdin.flush()
        assert b"raptorflow" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(20) == 128 + signal.SIGINT
        finally:
            process.kill()


def test_what_the_docs_declare_answers_an_agent(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_texts, "COST", COST)  # the command has the real one
    key = served.key("admin")["authorization"].removeprefix("Bearer ")
    environment = dict(os.environ) | {"RAPTORFLOW_DATABASE_URL": served.warehouse.url, "RAPTORFLOW_KEY": key}
    declared = json.loads(blocks("json")[0])["mcpServers"]["raptorflow"]
    assert (declared["command"], declared["env"].keys()) == ("raptorflow", {"RAPTORFLOW_KEY"})
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "flows.cli", *declared["args"]], env=environment
    )

    async def ask() -> tuple[set[str], dict[str, Any]]:
        async with Client(command) as client:
            listed = {tool.name for tool in (await client.list_tools()).tools}
            answer = await client.call_tool("list_workspaces", {})
            return listed, json.loads(answer.content[0].text)  # type: ignore[union-attr]

    listed, answer = asyncio.run(ask())
    assert "list_patterns" in listed
    assert "decide" not in listed
    assert answer["items"] == ["acme"]
