"""A budget is what an endpoint may be paid in the end, whatever it counts, says of it, or is interrupted by."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tasks.errors import OutOfRangeError
from tasks.settings import get_settings
from tasks.swarm import AgentDebateOrchestrator, Endpoint, Limits
from tasks.swarm.limits import DebateBudget, configured_limits, worst_prompt_tokens
from tasks.swarm.messages import Usage
from tasks.swarm.report import story
from tasks.warehouse import Warehouse
from tests.fake_llm import FakeLLM, Raw, fake_llm, plain_answer, schema_of
from tests.generators.hostile_replies import good_completion

Case = dict[str, Any]
ROLES = ["viral_engineer", "copywriting_ninja", "psychology_specialist", "seo_expert"]
OPTIONS = ["先做一", "再做二", "最后做三"]
CHINESE = "我们应该先改变我们发布的内容中的哪一项，才能让更多的读者点击、评论和分享？" * 12
MOST = 14_000


class Counting:
    """Counts as a dear tokenizer does: a token a sign beyond ASCII, 4.5 letters a token; replies fill their limit."""

    def __init__(self, told: Callable[[int, int], Case | None]) -> None:
        self.told, self.tokens = told, 0

    def __call__(self, head: str, body: Case) -> Raw:
        text = "".join(str(one["content"]) for one in body["messages"])
        plain = sum(map(str.isascii, text))
        prompt, reply = int(plain / 4.5) + len(text) - plain, int(body["max_tokens"])
        self.tokens += prompt + reply
        found = good_completion(json.dumps(plain_answer(schema_of(body)))) | {"usage": self.told(prompt, reply)}
        return 200, {}, json.dumps(found).encode()


def truth(prompt: int, reply: int) -> Case:
    return {"prompt_tokens": prompt, "completion_tokens": reply}


def nothing(prompt: int, reply: int) -> None:
    return None


def less_than_nothing(prompt: int, reply: int) -> Case:
    return {"prompt_tokens": -(10**9), "completion_tokens": -5}


def experts(warehouse: Warehouse, fake: FakeLLM, limits: Limits) -> AgentDebateOrchestrator:
    return AgentDebateOrchestrator(warehouse=warehouse, endpoint=Endpoint("ok", fake.url, "k"), limits=limits)


ASKED: Case = {"problem": CHINESE, "agent_roles": ROLES, "rounds": 3, "options": OPTIONS}
ASKED |= {"consensus_strategy": "majority_vote", "stop_at_agreement": False, "debate_id": "d1"}


@pytest.mark.parametrize("told", [truth, nothing, less_than_nothing])
async def test_a_budget_holds_in_chinese_and_whatever_is_said_of_usage(
    sqlite_warehouse: Warehouse, told: Callable[[int, int], Case | None]
) -> None:
    counting = Counting(told)
    with fake_llm() as fake:
        fake.special = counting
        limits = Limits(max_total_tokens=MOST, max_completion_tokens=100)
        result = await experts(sqlite_warehouse, fake, limits).orchestrate_debate(**ASKED)
    assert result["status"] == "budget_exhausted"
    assert MOST / 4 < counting.tokens <= MOST, "some of it is used, and never more"


@pytest.mark.parametrize("told", [truth, nothing])
async def test_a_budget_holds_over_resumes(
    sqlite_warehouse: Warehouse, told: Callable[[int, int], Case | None]
) -> None:
    counting = Counting(told)
    limits = Limits(max_total_tokens=MOST, max_completion_tokens=100, max_concurrency=1)
    with fake_llm() as fake:
        fake.special = counting
        for number in range(12):
            running = asyncio.create_task(experts(sqlite_warehouse, fake, limits).orchestrate_debate(**ASKED))
            while not running.done() and fake.calls <= number:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.05)  # what was answered is stored
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        result = await experts(sqlite_warehouse, fake, limits).orchestrate_debate(**ASKED)
    assert result["status"] == "budget_exhausted"
    assert MOST / 8 < counting.tokens <= MOST, "what was asked and not heard counts at its worst"


def test_the_worst_case_is_one_for_every_kind_of_sign() -> None:
    def worst(text: str) -> int:
        return worst_prompt_tokens([{"role": "user", "content": text}])

    assert worst("中" * 100) >= 300, "byte by byte at the worst"
    assert worst("0123456789" * 10) >= 100, "a token a digit"
    assert worst("word " * 100) >= 100
    assert worst("\U0001f600" * 10) >= 40
    assert worst("half \ud83d") > 0


def test_what_an_endpoint_takes_beyond_the_worst_is_expected_the_next_time() -> None:
    budget = DebateBudget(Limits(max_total_tokens=10_000))
    asked = [{"role": "user", "content": "x" * 300}]
    first = budget.reserve(asked, 100)
    assert first is not None
    budget.settle(first, Usage(calls=1, prompt_tokens=2 * first.prompt, completion_tokens=300))
    second = budget.reserve(asked, 100)
    assert second is not None
    assert second.tokens == 2 * first.prompt + 300


async def test_what_it_cost_stands_on_every_report(sqlite_warehouse: Warehouse) -> None:
    with fake_llm() as fake:
        priced = Limits(prompt_price=1.0, completion_price=2.0, max_cost=1.0)
        result = await experts(sqlite_warehouse, fake, priced).orchestrate_debate(**ASKED | {"debate_id": "priced"})
        assert f"cost {140e-6 * fake.calls:.4f}" in story(result)
        free = await experts(sqlite_warehouse, fake, Limits()).orchestrate_debate(**ASKED | {"debate_id": "unpriced"})
        assert "cost unknown: set RAPTORFLOW\\_LLM\\_PROMPT\\_PRICE" in story(free)
        fake.special = lambda head, body: (200, {}, _without_usage(body))
        blind = await experts(sqlite_warehouse, fake, priced).orchestrate_debate(**ASKED | {"debate_id": "blind"})
        assert "unmeasured" in story(blind)
        assert blind["usage"]["cost"] is None or "cost at least" in story(blind)
    panel = await AgentDebateOrchestrator(warehouse=sqlite_warehouse).orchestrate_debate("Which?", ROLES)
    assert "no cost" in story(panel)


def _without_usage(body: Case) -> bytes:
    found = good_completion(json.dumps(plain_answer(schema_of(body))))
    del found["usage"]
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("RAPTORFLOW_LLM_MAX_COST", "five", "RAPTORFLOW_LLM_MAX_COST must be a number"),
        ("RAPTORFLOW_LLM_MAX_COST", "5", "above 0 where max_cost is set"),
        ("RAPTORFLOW_LLM_PROMPT_PRICE", "-1", "prompt_price must be between"),
        ("RAPTORFLOW_LLM_PROMPT_PRICE", "nan", "prompt_price must be between"),
        ("RAPTORFLOW_LLM_MAX_COMPLETION_TOKENS", "3", "max_completion_tokens must be between"),
        ("RAPTORFLOW_LLM_MAX_COMPLETION_TOKENS", "inf", "max_completion_tokens must be between"),
    ],
)
def test_settings_that_bound_nothing_are_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    get_settings.cache_clear()
    with pytest.raises(OutOfRangeError, match=says):
        configured_limits()


def test_limits_come_from_the_settings_and_from_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MAX_COMPLETION_TOKENS": "900",
        "PROMPT_PRICE": "2.5",
        "COMPLETION_PRICE": "",
        "MAX_COST": " ",
    }.items():
        monkeypatch.setenv(f"RAPTORFLOW_LLM_{name}", value)
    get_settings.cache_clear()
    limits = configured_limits(max_total_tokens=7)
    assert limits == Limits(max_completion_tokens=900, prompt_price=2.5, max_total_tokens=7)
