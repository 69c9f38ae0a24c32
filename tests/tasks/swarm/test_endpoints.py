"""Endpoints as they are: whatever of the protocol one lacks, refuses or writes otherwise, an expert gets its answer."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tasks.errors import InputError
from tasks.swarm import AgentDebateOrchestrator, Endpoint, ExpertAgentRegistry, Limits
from tasks.swarm.endpoint_http import addresses_for, key_header, shown
from tasks.swarm.report import story
from tasks.warehouse import Warehouse
from tests.fake_llm import FakeLLM, Raw, fake_llm, plain_answer, schema_of
from tests.generators.hostile_replies import damaged, good_completion, written, wrong_shapes

Case = dict[str, Any]
KEY = "sk-canary-5551"
ROLES = ["viral_engineer", "copywriting_ninja", "psychology_specialist"]
OPTIONS = ["Do one", "Do two", "Do three"]
QUICK = Limits(call_seconds=5, debate_seconds=20)


async def ask(warehouse: Warehouse, fake: FakeLLM, url: str = "", **changes: Any) -> Case:
    """One expert, one round: one call, where nothing is wrong."""
    limits = changes.pop("limits", QUICK)
    endpoint = Endpoint(changes.pop("model", "ok"), url or fake.url, KEY)
    orchestrator = AgentDebateOrchestrator(ExpertAgentRegistry(warehouse=warehouse), endpoint=endpoint, limits=limits)
    given: Case = {"problem": "Which one?", "agent_roles": ROLES[:1], "rounds": 1, "options": OPTIONS}
    given |= {"consensus_strategy": "majority_vote"}
    result = await orchestrator.orchestrate_debate(**given | changes)
    assert KEY not in json.dumps(result)
    return result


def error(status: int, message: str) -> Raw:
    return status, {}, json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()


def completion(body: Case) -> Case:
    return good_completion(json.dumps(plain_answer(schema_of(body))))


def refuses_role(role: str, message: str) -> Callable[[str, Case], Raw | None]:
    def special(head: str, body: Case) -> Raw | None:
        return error(400, message) if body["messages"][0]["role"] == role else None

    return special


def needs_a_stream(head: str, body: Case) -> Raw:
    if "stream_options" in body:
        return error(400, "Unrecognized request argument supplied: stream_options")
    if not body.get("stream"):
        return error(400, "This model only supports streaming: set 'stream' to true")
    text = json.dumps(plain_answer(schema_of(body)))
    pieces = [{"choices": [{"index": 0, "delta": {"content": text[i : i + 9]}}]} for i in range(0, len(text), 9)]
    pieces += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
    events = "".join(f"data: {json.dumps(one)}\n\n" for one in pieces)
    return 200, {"content-type": "text/event-stream"}, f"{events}data: [DONE]\n\n".encode()


def no_lengths(head: str, body: Case) -> Raw | None:
    schema = json.dumps(body.get("response_format", {}).get("json_schema", {}))
    return error(400, "'maxLength' is not permitted") if "maxLength" in schema else None


def newer(head: str, body: Case) -> Raw | None:
    if "max_tokens" in body:
        return error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    return error(400, "'temperature' does not support 0.7") if "temperature" in body else None


def under_v1(head: str, body: Case) -> Raw | None:
    return None if head.startswith("POST /v1/chat/completions ") else (404, {}, b"404 page not found")


def a_page_below_v1(head: str, body: Case) -> Raw | None:
    return None if head.startswith("POST /v1/") else (200, {"content-type": "text/html"}, b"<html>chat with it</html>")


def packed_in_parts(head: str, body: Case) -> Raw:
    whole = json.dumps(completion(body)).encode()
    return 200, {"content-encoding": "gzip"}, gzip.compress(whole[:40]) + gzip.compress(whole[40:])


def packed(head: str, body: Case) -> Raw:
    return 200, {"content-encoding": "gzip"}, gzip.compress(json.dumps(completion(body)).encode())


ODD: dict[str, tuple[Any, int]] = {
    "no system role": (refuses_role("system", "Only user and assistant roles are supported!"), 2),
    "developer instead": (refuses_role("system", "Unsupported role 'system': use 'developer'"), 2),
    "stream only": (needs_a_stream, 3),
    "no lengths": (no_lengths, 2),
    "newer limit, no temperature": (newer, 3),
    "v1 left out": (under_v1, 2),
    "v1 left out, a page there": (a_page_below_v1, 2),
    "packed": (packed, 1),
    "packed in parts": (packed_in_parts, 1),
}


@pytest.mark.parametrize("name", ODD)
async def test_what_an_endpoint_refuses_is_done_without(sqlite_warehouse: Warehouse, name: str) -> None:
    special, calls = ODD[name]
    with fake_llm() as fake:
        fake.special = special
        url = fake.url.removesuffix("/v1") if "v1" in name else fake.url
        result = await ask(sqlite_warehouse, fake, url)
    assert result["status"] == "decided", result["reason"]
    assert fake.calls == calls
    system = "You are one of several experts"
    assert system in fake.bodies[-1]["messages"][0]["content"], "the rules are sent under whatever role"
    assert result["usage"]["calls"] == 1


async def test_an_address_that_answers_nothing_is_named(sqlite_warehouse: Warehouse) -> None:
    with fake_llm() as fake:
        fake.special = lambda head, body: (404, {}, b"404 page not found")
        root = fake.url.removesuffix("/v1")
        result = await ask(sqlite_warehouse, fake, f"{root}?token=sk-in-the-query")
    assert result["status"] == "failed"
    assert f"{root}/chat/completions and {root}/v1/chat/completions" in result["reason"]
    assert "sk-in-the-query" not in json.dumps(result)
    assert "0 tokens, no cost" in story(result), (
        "nothing came back, so nothing was paid, whether or not there are prices"
    )


@pytest.mark.parametrize(
    ("base", "first"),
    [
        (None, "https://api.openai.com/v1/chat/completions"),
        ("http://h:11434", "http://h:11434/chat/completions"),
        ("http://h/v1/", "http://h/v1/chat/completions"),
        ("http://h/v1/chat/completions", "http://h/v1/chat/completions"),
        ("https://h/api/v1beta/openai?key=1", "https://h/api/v1beta/openai/chat/completions?key=1"),
        (
            "https://me.openai.azure.com",
            "https://me.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://me.openai.azure.com/openai/deployments/mine?api-version=2025-01-01",
            "https://me.openai.azure.com/openai/deployments/mine/chat/completions?api-version=2025-01-01",
        ),
        ("https://me.openai.azure.com/openai/v1", "https://me.openai.azure.com/openai/v1/chat/completions"),
    ],
)
def test_where_a_model_answers(base: str | None, first: str) -> None:
    assert addresses_for(base, "gpt")[0] == first
    assert key_header(base, "k") == ({"api-key": "k"} if base and "azure" in base else {"authorization": "Bearer k"})


def test_what_is_shown_of_an_address_holds_no_secret() -> None:
    assert shown("https://me:pass@h:8/v1/x?key=1#y") == "https://h:8/v1/x"


@pytest.mark.parametrize(
    "base", ["not an address", "ftp://h/v1", "http://", "http://h:99999/v1", "http://[::1/v1", "h/v1"]
)
def test_an_address_that_is_none_is_refused_before_anything_is_sent(base: str) -> None:
    with pytest.raises(InputError, match="write it as https://host/v1"):
        Endpoint("m", base, "k")


@pytest.mark.parametrize("key", ["sk-1\n", "sk-é", "sk\x00", "ключ"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(InputError, match="OPENAI_API_KEY holds") as problem:
        Endpoint("m", "http://h/v1", key)
    assert key not in str(problem.value)


async def test_a_redirect_to_another_origin_gets_neither_prompt_nor_key(sqlite_warehouse: Warehouse) -> None:
    with fake_llm() as thief, fake_llm() as fake:
        for status in (301, 302, 303, 307, 308):
            fake.special = lambda head, body, s=status: (s, {"location": f"{thief.url}/chat/completions"}, b"")  # type: ignore[misc]
            result = await ask(sqlite_warehouse, fake, debate_id=f"d{status}", limits=Limits(attempts=1))
            assert result["status"] == "failed"
            assert f"redirects to {thief.url}" in result["reason"]
        assert thief.calls == 0


async def test_a_redirect_within_the_origin_is_followed(sqlite_warehouse: Warehouse) -> None:
    with fake_llm() as fake:
        fake.special = lambda head, body: (307, {"location": "/v2/chat"}, b"") if "/v1/" in head.split()[1] else None
        result = await ask(sqlite_warehouse, fake)
        assert result["status"] == "decided"
        fake.special = lambda head, body: (307, {"location": "/v1/chat/completions"}, b"")
        result = await ask(sqlite_warehouse, fake, debate_id="circle", limits=Limits(attempts=1))
    assert "redirects in a circle" in result["reason"]


async def _endless(head: str) -> AsyncIterator[bytes]:
    yield f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\n".encode()
    while True:
        yield b"10000\r\n" + b" " * 65_536 + b"\r\n"


def _bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b" " * 2**20) for _ in range(200)) + packer.flush()


async def test_bodies_are_bounded_packed_or_not(sqlite_warehouse: Warehouse) -> None:
    with fake_llm() as fake:
        limits = Limits(attempts=1)
        fake.special = lambda head, body: _endless("transfer-encoding: chunked\r\n")
        result = await ask(sqlite_warehouse, fake, debate_id="endless", limits=limits)
        assert "larger than 4 MB" in result["reason"]
        bomb, before = _bomb(), _peak()
        assert len(bomb) < 2**20
        fake.special = lambda head, body: (200, {"content-encoding": "gzip"}, bomb)
        result = await ask(sqlite_warehouse, fake, debate_id="bomb", limits=limits)
        assert "larger than 4 MB" in result["reason"]
        assert _peak() - before < 60 * 2**10, "200 MB unpacked are never held"
        fake.special = lambda head, body: (200, {"content-encoding": "br"}, b"x")
        result = await ask(sqlite_warehouse, fake, debate_id="br", limits=limits)
        assert "was not asked for" in result["reason"]
        fake.special = lambda head, body: (200, {"content-encoding": "gzip"}, b"no gzip")
        result = await ask(sqlite_warehouse, fake, debate_id="broken", limits=limits)
        assert "packs its reply wrongly" in result["reason"]


def _peak() -> int:
    """The most memory that this process has held, in KiB."""
    with open(f"/proc/{os.getpid()}/status") as status:  # noqa: PTH123
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


async def test_a_model_that_thinks_first_gets_room_for_both(sqlite_warehouse: Warehouse) -> None:
    def thinking(head: str, body: Case) -> Raw:
        answer = completion(body)
        message = answer["choices"][0]["message"]
        if body["max_tokens"] < 3000:
            message["content"] = "<think>" + "let me see " * 50
            answer["choices"][0]["finish_reason"] = "length"
        else:
            message["content"] = f"<think>{{}} hm</think>{message['content']}"
        return 200, {}, json.dumps(answer).encode()

    with fake_llm() as fake:
        fake.special = thinking
        result = await ask(sqlite_warehouse, fake)
    assert [body["max_tokens"] for body in fake.bodies] == [700, 11_200]
    assert result["status"] == "decided"


async def test_who_takes_an_answer_back_is_asked_and_who_sends_it_again_means_it(sqlite_warehouse: Warehouse) -> None:
    def saying(*replies: tuple[str, str]) -> Callable[[str, Case], Raw]:
        def special(head: str, body: Case) -> Raw:
            option, after = replies[min(fake.calls, len(replies)) - 1]
            text = json.dumps(plain_answer(schema_of(body)) | {"option": option})
            return 200, {}, json.dumps(good_completion(f"{text}\n{after}")).encode()

        return special

    cases = {
        "talks on": ([("C", "It has the best evidence.")], "C", 2),
        "takes it back": ([("C", "Never mind, B."), ("B", "")], "B", 2),
        "wavers": ([("C", "Or B."), ("B", "Or C.")], None, 2),
    }
    for name, (replies, option, calls) in cases.items():
        with fake_llm() as fake:
            fake.special = saying(*replies)
            result = await ask(sqlite_warehouse, fake, debate_id=name)
            assert (result["option"], fake.calls) == (option, calls), name


@pytest.mark.parametrize("code", [429, "503", None])
async def test_an_error_with_status_200_is_tried_again(sqlite_warehouse: Warehouse, code: Any) -> None:
    with fake_llm() as fake:
        failing = {"error": {"message": "upstream is down", "code": code}}
        fake.special = lambda head, body: (200, {}, json.dumps(failing).encode()) if fake.calls == 1 else None
        result = await ask(sqlite_warehouse, fake)
    assert (result["status"], fake.calls) == ("decided", 2)


@pytest.mark.parametrize(
    "message", ["You exceeded your current quota: insufficient_quota", "content management policy"]
)
async def test_what_no_repetition_changes_is_asked_once(sqlite_warehouse: Warehouse, message: str) -> None:
    with fake_llm() as fake:
        fake.special = lambda head, body: error(429 if "quota" in message else 400, message)
        result = await ask(sqlite_warehouse, fake)
    assert (result["status"], fake.calls) == ("failed", 1)
    assert message in result["reason"]


async def test_hostile_replies_cost_one_expert_its_turn_and_never_the_debate(warehouse: Warehouse) -> None:
    """A sample of every kind of damage, to one of three experts, on both databases; each is stored and replayed."""
    good = good_completion("{}")
    kinds = [
        *wrong_shapes(good),
        *({"choices": [{"message": {"content": one}}]} for one in wrong_shapes({"option": "A"})),
    ]
    bodies = [written(one) for one in kinds] + list(damaged(json.dumps(good).encode(), 5, 40))
    sample = bodies[:: len(bodies) // 14]
    limits = Limits(call_seconds=2, debate_seconds=10, attempts=1, repairs=1)
    with fake_llm(lambda phase, body, schema: {"option": "A"}) as fake:
        for number, hostile in enumerate(sample):
            fake.special = lambda head, body, h=hostile: (200, {}, h) if "Viral" in _system(body) else None  # type: ignore[misc]
            asked: Case = {"agent_roles": ROLES, "debate_id": f"d{number}", "limits": limits}
            result = await ask(warehouse, fake, **asked)
            assert result["status"] in ("decided", "degraded"), hostile[:200]
            assert result["count"]["valid"] >= 2
            assert AgentDebateOrchestrator(warehouse=warehouse).replay(f"d{number}") == result


def _system(body: Case) -> str:
    return str(body["messages"][0]["content"])


async def test_a_call_that_is_cancelled_leaves_nothing_behind(sqlite_warehouse: Warehouse) -> None:
    with fake_llm() as fake:
        running = asyncio.create_task(ask(sqlite_warehouse, fake, model="slow:5"))
        await asyncio.sleep(0.6)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        result = await ask(sqlite_warehouse, fake, model="slow:5", limits=Limits(call_seconds=0.2, debate_seconds=2))
    assert result["status"] == "failed", "no lease stands in its way, and the call's own time ends it"
