"""A debate killed anywhere goes on without paying twice, and its record gives the same decision byte for byte."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tasks.errors import InputError, OutOfRangeError, UnknownNameError
from tasks.swarm import AgentDebateOrchestrator, Endpoint, ExpertAgentRegistry, Limits, debate_runner, store
from tasks.swarm.errors import DebateHeldError, DebateMismatchError, DebateOvertakenError, ModelNotReachableError
from tasks.swarm.leases import Lease, is_held
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Debate
from tests.fake_llm import FakeLLM, fake_llm

Case = dict[str, Any]
ROLES = ["viral_engineer", "copywriting_ninja", "psychology_specialist", "seo_expert"]
OPTIONS = [{"id": "A", "label": "Do one"}, {"id": "B", "label": "Do two"}]
ASKED: Case = {"problem": "Which one?", "agent_roles": ROLES, "rounds": 2, "options": OPTIONS, "debate_id": "d1"}
TOTAL = 17

CHILD = f"""
import asyncio, sys
from tasks.swarm import AgentDebateOrchestrator, Endpoint
from tasks.warehouse import Warehouse
url, model, database = sys.argv[1:]
orchestrator = AgentDebateOrchestrator(warehouse=Warehouse(database), endpoint=Endpoint(model, url, "sk-x"))
asked = {{"problem": "Which one?", "agent_roles": {ROLES!r}, "options": {OPTIONS!r}}}
asyncio.run(orchestrator.orchestrate_debate(**asked, rounds=2, debate_id="d1"))
"""


def split(phase: str, body: Case, schema: Case) -> Case | None:
    place = [i for i, who in enumerate(("Viral", "Conversion", "Behavioral", "Search"))
             if f"are {who}" in body["messages"][0]["content"]]  # fmt: skip
    return {"option": "ABBB"[place[0]]} if phase in ("propose", "vote") else None


def tied(phase: str, body: Case, schema: Case) -> Case | None:
    said = split(phase, body, schema)
    return said and {"option": "A" if "are Search" in body["messages"][0]["content"] else said["option"]}


def orchestrator(
    warehouse: Warehouse, fake: FakeLLM, model: str = "slow:0.15", **changes: Any
) -> AgentDebateOrchestrator:
    return AgentDebateOrchestrator(warehouse=warehouse, endpoint=Endpoint(model, fake.url, "sk-x"), **changes)


def decided(result: Case) -> str:
    kept = {k: v for k, v in result.items() if k != "transcript"}
    return json.dumps(kept, sort_keys=True)


async def test_a08_killed_in_the_critiques_resumed_and_replayed(
    sqlite_warehouse: Warehouse, debate_cases: dict[str, Case]
) -> None:
    assert "SIGKILL" in debate_cases["A08"]["given"]["kill_after"]
    ExpertAgentRegistry(warehouse=sqlite_warehouse).list_agents()
    with fake_llm(split) as fake:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, fake.url, "slow:0.3", sqlite_warehouse.url], cwd=Path.cwd(), env=os.environ
        )
        patience = time.monotonic() + 60
        while not fake.prompts("critique") and time.monotonic() < patience:
            await asyncio.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        child.wait()
        before = len(store.exchanges_of(sqlite_warehouse, "d1"))
        assert 4 <= before < TOTAL
        sent = fake.calls
        result = await orchestrator(sqlite_warehouse, fake, "slow:0.3").orchestrate_debate(**ASKED)
        assert fake.calls - sent == TOTAL - before
    again = AgentDebateOrchestrator(warehouse=sqlite_warehouse).replay("d1")  # no endpoint: nobody can be asked
    assert decided(again) == decided(result)
    assert again == result


@pytest.mark.parametrize("after", [0.05, 0.4, 0.7])
async def test_cancelled_anywhere_nothing_is_paid_twice(sqlite_warehouse: Warehouse, after: float) -> None:
    with fake_llm(split) as fake:
        running = asyncio.create_task(orchestrator(sqlite_warehouse, fake).orchestrate_debate(**ASKED))
        await asyncio.sleep(after)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.sleep(0.3)
        replies = [one["reply"] for some in store.exchanges_of(sqlite_warehouse, "d1").values() for one in some]
        paid = sum(reply["trouble"] is None for reply in replies)
        sent = fake.calls
        result = await orchestrator(sqlite_warehouse, fake).orchestrate_debate(**ASKED)
        assert fake.calls - sent == TOTAL - paid
    assert result["status"] in ("decided", "leaning")


async def test_a_reply_without_its_turn_is_read_again_not_paid_again(sqlite_warehouse: Warehouse) -> None:
    """As if killed between a reply that needed repair and the repaired one."""
    with fake_llm(split) as fake:
        await orchestrator(sqlite_warehouse, fake, "malformed*1").orchestrate_debate(**ASKED)
        sent = fake.calls
        with sqlite_warehouse.begin() as connection:
            connection.exec_driver_sql("DELETE FROM debate_turn")
            connection.exec_driver_sql("UPDATE debate SET status = 'running', decision = NULL")
        result = await orchestrator(sqlite_warehouse, fake, "malformed*1").orchestrate_debate(**ASKED)
        assert fake.calls == sent == TOTAL + 1
    assert result["usage"]["calls"] == TOTAL + 1


async def test_asking_again_reads_the_finished_debate(warehouse: Warehouse) -> None:
    asked = {key: value for key, value in ASKED.items() if key != "debate_id"}
    with fake_llm(split) as fake:
        first = await orchestrator(warehouse, fake, "ok").orchestrate_debate(**asked)
        sent = fake.calls
        second = await orchestrator(warehouse, fake, "ok").orchestrate_debate(**asked)
        assert fake.calls == sent
    assert first == second
    assert len(store.list_debates(warehouse, None, 10)) == 1


async def test_a_failed_debate_asks_again_only_those_who_did_not_answer(sqlite_warehouse: Warehouse) -> None:
    quick = Limits(attempts=1)
    with fake_llm(split) as fake:
        failed = await orchestrator(sqlite_warehouse, fake, "http500*3", limits=quick).orchestrate_debate(**ASKED)
        assert failed["status"] == "failed"
        answered = sum(bool(e["reply"]["text"]) for t in failed["transcript"]["turns"] for e in t["exchanges"])
        sent = fake.calls
        result = await orchestrator(sqlite_warehouse, fake, "http500*3", limits=quick).orchestrate_debate(**ASKED)
        assert result["status"] in ("decided", "leaning")
        assert fake.calls - sent == TOTAL - answered


async def test_an_id_belongs_to_one_question(sqlite_warehouse: Warehouse) -> None:
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    await panel.orchestrate_debate(**ASKED)
    with pytest.raises(DebateMismatchError, match="begun with another"):
        await panel.orchestrate_debate(**ASKED | {"problem": "Another?"})
    with pytest.raises(UnknownNameError, match="unknown debate 'd2'"):
        panel.replay("d2")


BAD: list[tuple[Case, str]] = [
    ({"agent_roles": ["wizard"]}, "unknown agent role 'wizard'"),
    ({"agent_roles": ["seo_expert", "seo_expert"]}, "duplicate agent seo_expert"),
    ({"agent_roles": []}, "no agents"),
    ({"rounds": 0}, "rounds must be between 1 and 3"),
    ({"rounds": 4}, "rounds must be between 1 and 3"),
    ({"rounds": 1.5}, "a whole number"),
    ({"problem": "  "}, "problem is empty"),
    ({"problem": "x" * 1_000_000}, "length of problem must be at most 20000"),
    ({"problem": None}, "problem is empty"),
    ({"context": {"x": object()}}, "context is not JSON"),
    ({"context": {"x": float("nan")}}, "context is not JSON"),
    ({"context": [1]}, "context must be a dictionary"),
    ({"context": {"x": "y" * 200_000}}, "length of context"),
    ({"options": ["one"]}, "number of options must be between 2 and 8"),
    ({"options": ["one", "one"]}, "share the label"),
    ({"options": ["one", ""]}, "option label is empty"),
    ({"options": [{"label": "one", "color": 1}, "two"]}, "unknown key of an option: color"),
    ({"options": "one,two"}, "options must be a list"),
    ({"consensus_strategy": "dictator"}, "unknown consensus strategy"),
    ({"workspace_id": "nobody"}, "unknown workspace 'nobody'"),
    ({"debate_id": ""}, "debate_id is empty"),
]


@pytest.mark.parametrize(("changes", "says"), BAD)
async def test_bad_input_is_a_typed_error_and_nothing_is_stored(
    sqlite_warehouse: Warehouse, changes: Case, says: str
) -> None:
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    with pytest.raises(InputError, match=says):
        await panel.orchestrate_debate(**ASKED | changes)
    assert store.list_debates(sqlite_warehouse, None, 10) == []


@pytest.mark.parametrize(
    "changes",
    [
        *[{"max_total_tokens": 0}, {"max_cost": 0.0, "prompt_price": 1.0}, {"max_cost": 1.0}, {"call_seconds": 0}],
        *[{"debate_seconds": float("nan")}, {"max_concurrency": 0}, {"attempts": 0}, {"repairs": 9}],
    ],
)
def test_limits_that_allow_nothing_are_refused(changes: Case) -> None:
    with pytest.raises(OutOfRangeError):
        Limits(**changes)


@pytest.mark.parametrize("rounds", [0, 6, True])
def test_the_orchestrators_rounds_are_bounded(rounds: int) -> None:
    with pytest.raises(OutOfRangeError, match="rounds must be"):
        AgentDebateOrchestrator(max_rounds=rounds)


async def test_a_model_without_an_address_is_no_silent_panel(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.settings import get_settings

    monkeypatch.setenv("RAPTORFLOW_LLM_MODEL", "some-model")
    get_settings.cache_clear()
    with pytest.raises(ModelNotReachableError, match="unset RAPTORFLOW_LLM_MODEL"):
        await AgentDebateOrchestrator(warehouse=sqlite_warehouse).orchestrate_debate(**ASKED)


async def test_a_person_votes_before_the_closing(sqlite_warehouse: Warehouse) -> None:
    async def person(brief: Any, turns: Any) -> str:
        assert any(turn.phase == "propose" for turn in turns.values())
        return "A"

    with fake_llm(tied) as fake:
        result = await orchestrator(sqlite_warehouse, fake, "ok", ask_person=person).orchestrate_debate(**ASKED)
    assert result["option"] == "A"  # a tie of two against two but for the person
    assert result["count"]["tally"] == {"A": 3, "B": 2}


@pytest.mark.parametrize("place", ["tasks.swarm.llm_deliberator.prompt_for", "tasks.swarm.store.record_exchanges"])
async def test_a_crash_ends_a_debate_failed_with_its_reason_and_it_can_be_gone_on_with(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the disk is full \ud83d")

    with fake_llm(split) as fake:
        with monkeypatch.context() as broke:
            broke.setattr(place, broken)
            with pytest.raises(RuntimeError, match="the disk is full"):
                await orchestrator(warehouse, fake, "ok").orchestrate_debate(**ASKED)
        row = store.load_debate(warehouse, "d1")
        assert (row["status"], row["decision"]["reason"]) == ("failed", "RuntimeError: the disk is full \ufffd")
        assert row["held_by"] is None
        result = await orchestrator(warehouse, fake, "ok").orchestrate_debate(**ASKED)
    assert result["status"] in ("decided", "leaning")


async def test_the_same_debate_held_twice_at_once_is_paid_once(warehouse: Warehouse) -> None:
    """Two runs in one process, as two workers would: the second waits for the first, and reads its result."""
    with fake_llm(split) as fake:
        held = [orchestrator(warehouse, fake, "slow:0.05").orchestrate_debate(**ASKED) for _ in range(2)]
        first, second = await asyncio.gather(*held)
        assert fake.calls == TOTAL
    assert first == second


async def test_who_cannot_wait_for_another_run_is_told_so(sqlite_warehouse: Warehouse) -> None:
    with fake_llm(split) as fake:
        running = asyncio.create_task(orchestrator(sqlite_warehouse, fake, "slow:1").orchestrate_debate(**ASKED))
        while not fake.calls:
            await asyncio.sleep(0.02)
        hasty = orchestrator(sqlite_warehouse, fake, "slow:1", limits=Limits(debate_seconds=0.3))
        with pytest.raises(DebateHeldError, match="held by another run"):
            await hasty.orchestrate_debate(**ASKED)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert store.load_debate(sqlite_warehouse, "d1")["held_by"] is None


async def test_who_was_overtaken_takes_no_more_turns(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a run that slept for longer than its lease: another one has it, and pays for what is due."""
    monkeypatch.setattr(debate_runner, "RENEWED_EACH_SECONDS", 0.05)
    other, until = "elsewhere/1/1/x", datetime.now(UTC) + timedelta(seconds=60)
    with fake_llm(split) as fake:
        slept = asyncio.create_task(orchestrator(warehouse, fake, "slow:0.4").orchestrate_debate(**ASKED))
        while not fake.calls:
            await asyncio.sleep(0.02)
        with warehouse.begin() as connection:
            connection.execute(update(Debate).values(held_by=other, held_until=until))
        with pytest.raises(DebateOvertakenError, match="taken over by another run"):
            await slept
        sent = fake.calls
        await asyncio.sleep(0.5)
        assert fake.calls == sent < TOTAL
    row = store.load_debate(warehouse, "d1")
    assert (row["status"], row["held_by"]) == ("running", other), "it is the other's to end"


def test_a_lease_ends_with_its_time_or_its_process() -> None:
    later, earlier = datetime.now(UTC) + timedelta(seconds=9), datetime.now(UTC) - timedelta(seconds=1)
    mine = Lease.of_this_process().holder
    assert is_held(mine, later)
    assert not is_held(mine, earlier)
    assert not is_held(None, None)
    host, pid, _start, name = mine.split("/")
    assert not is_held(f"{host}/{pid}/1/{name}", later), "the number of a process that is gone, given to another"
    assert is_held(f"elsewhere/{pid}/1/{name}", later), "another machine's processes cannot be looked for"
    assert not is_held(f"{host}/999999999/1/{name}", later)
