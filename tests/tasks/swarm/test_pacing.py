"""An endpoint that allows so many requests a second gets so many, and no expert is lost to it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tasks.swarm import AgentDebateOrchestrator, Endpoint, Limits
from tasks.swarm.pacing import FIRST_REST_SECONDS, OPENS_AFTER, EndpointPace
from tasks.warehouse import Warehouse
from tests.fake_llm import Raw, fake_llm

Case = dict[str, Any]
FIVE = ["viral_engineer", "copywriting_ninja", "psychology_specialist", "seo_expert", "data_storyteller"]
OPTIONS = ["Do one", "Do two", "Do three"]


class Metered:
    """Refuses what comes sooner after the last accepted request than `gap` seconds, and `first` after the first."""

    def __init__(self, gap: float, headers: Callable[[float], dict[str, str]], first: int = 0) -> None:
        self.gap, self.headers, self.first = gap, headers, first
        self.accepted_at, self.refused = float("-inf"), 0

    def __call__(self, head: str, body: Case) -> Raw | None:
        now = time.monotonic()
        left = self.gap - (now - self.accepted_at)
        is_first = self.accepted_at == float("-inf")
        if is_first or (left <= 0 and self.refused >= self.first):
            self.accepted_at = now
            return None
        self.refused += 1
        return 429, self.headers(max(left, 0.0)), json.dumps({"error": {"message": "slow down"}}).encode()


def in_ms(left: float) -> dict[str, str]:
    return {"retry-after-ms": str(int(1000 * left) + 1)}


def in_seconds(left: float) -> dict[str, str]:
    return {"retry-after": str(int(left) + 1)}


def unsaid(left: float) -> dict[str, str]:
    return {}


async def held(warehouse: Warehouse, meter: Metered, limits: Limits, rounds: int = 1) -> tuple[Case, float, int]:
    with fake_llm(lambda phase, body, schema: {"option": "A"} if phase in ("propose", "vote") else None) as fake:
        fake.special = meter
        experts = AgentDebateOrchestrator(warehouse=warehouse, endpoint=Endpoint("ok", fake.url, "k"), limits=limits)
        started = time.monotonic()
        result = await experts.orchestrate_debate(
            "Which one?", FIVE, rounds, "majority_vote", options=OPTIONS, stop_at_agreement=False
        )
        return result, time.monotonic() - started, fake.calls


async def test_no_expert_is_lost_to_a_limit_and_waiting_is_no_part_of_a_call(sqlite_warehouse: Warehouse) -> None:
    """Five a second, and a call may take a fifth of what the last expert has to wait."""
    meter = Metered(0.2, in_ms, first=4)  # however far apart a busy machine lets the five leave
    limits = Limits(call_seconds=0.2, debate_seconds=30, attempts=1)
    result, _, _ = await held(sqlite_warehouse, meter, limits)
    assert meter.refused >= 4
    assert (result["status"], result["count"]["valid"]) == ("decided", 5), result["reason"]


@pytest.mark.slow
@pytest.mark.parametrize("headers", [in_seconds, in_ms, unsaid])
async def test_one_request_a_second_and_five_experts(
    sqlite_warehouse: Warehouse, headers: Callable[[float], dict[str, str]]
) -> None:
    meter = Metered(1.0, headers)
    result, seconds, calls = await held(sqlite_warehouse, meter, Limits(), rounds=2)
    print(
        f"BAR one request a second, five experts, {headers.__name__}: {result['count']['valid']} of 5 valid, "
        f"{seconds:.1f} s, {calls} requests for 20 replies (least 19 s; ratio {seconds / 19:.2f})"
    )
    assert (result["status"], result["count"]["valid"]) == ("decided", 5), result["reason"]


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_circuit_opens_looks_once_and_closes() -> None:
    clock = Clock()
    pace = EndpointPace(clock)
    for _ in range(OPENS_AFTER):
        assert await pace.may_leave(1e9, 30) is None
        pace.stumbled("HTTP 500: broken")
        pace.failed()
    assert "does not answer (HTTP 500: broken); request not sent" in str(await pace.may_leave(1e9, 30))
    clock.now += 1.2 * FIRST_REST_SECONDS
    assert await pace.may_leave(1e9, 30) is None, "one looks"
    waiting = asyncio.create_task(pace.may_leave(1e9, 30))
    await asyncio.sleep(0.12)
    assert not waiting.done(), "the others wait for what it finds"
    pace.stumbled("HTTP 500: broken")
    assert "does not answer" in str(await waiting)
    clock.now += 1.2 * FIRST_REST_SECONDS
    assert await pace.may_leave(1e9, 30) is not None, "the next rest is longer"
    clock.now += FIRST_REST_SECONDS
    left_at = clock.now
    assert await pace.may_leave(1e9, 30) is None
    pace.answered(left_at)
    assert [await pace.may_leave(1e9, 30) for _ in range(5)] == [None] * 5


async def test_one_that_looked_and_was_cancelled_does_not_keep_the_others_out_for_ever() -> None:
    clock = Clock()
    pace = EndpointPace(clock)
    for _ in range(OPENS_AFTER):
        pace.stumbled("down")
        pace.failed()
    clock.now += 1.2 * FIRST_REST_SECONDS
    assert await pace.may_leave(1e9, 30) is None
    clock.now += 31.0
    assert await pace.may_leave(1e9, 30) is None


async def test_a_limit_is_learned_once_for_a_wave_and_never_undercut_again() -> None:
    clock = Clock()
    pace = EndpointPace(clock)
    for _ in range(4):
        assert await pace.may_leave(1e9, 30) is None
    for _ in range(4):
        pace.refused(0.0, 1.0, "HTTP 429")
    accepted_at, refused, spent = 0.0, 0, 0
    while spent < 60:
        wait = max(pace._blocked_until, pace._next_at) - clock.now
        clock.now += max(wait, 0.0)
        assert await pace.may_leave(1e9, 30) is None
        spent += 1
        if clock.now - accepted_at >= 1.0:
            accepted_at = clock.now
            pace.answered(clock.now)
        else:
            refused += 1
            pace.refused(clock.now, 1.0 - (clock.now - accepted_at), "HTTP 429")
    assert refused <= 6
    assert clock.now < 1.5 * (60 - refused)


async def test_what_asks_for_more_patience_than_there_is_gets_no_request() -> None:
    clock = Clock()
    pace = EndpointPace(clock)
    pace.refused(0.0, 121.0, "HTTP 429: slow down")
    assert "asks to wait 12" in str(await pace.may_leave(1e9, 30))
    pace.refused(0.0, float("inf"), "HTTP 429: slow down")
    clock.now += 700.0
    assert await pace.may_leave(1e9, 30) is None, "nobody is kept out for ever by one header"
    pace, clock.now = EndpointPace(clock), 0.0
    pace.refused(0.0, 5.0, "HTTP 429: slow down")
    assert "the debate ends before" in str(await pace.may_leave(3.0, 30))
