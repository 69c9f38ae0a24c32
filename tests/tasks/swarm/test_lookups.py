"""An expert may look something up before it answers: read-only, of its own workspace, counted, refused in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.swarm import AgentDebateOrchestrator, Endpoint, Limits
from tasks.swarm.records import EvidenceRef
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ExperimentArm, Workspace
from tests.factories import store, workspace_row
from tests.fake_llm import MARK, FakeLLM, Script, fake_llm
from tests.tasks.swarm.test_learned_panel import TITLES, simulated

Case = dict[str, Any]
ROLES = ["viral_engineer", "copywriting_ninja"]
TAGS = ("documentation",)  # a skill of neither: what earns it nobody knows at first
KNOWN = [
    EvidenceRef(id="p1", kind="pattern", statement="Posts with emoji in the subject do better", metric="clicks",
                effect=0.3, se=0.05, tags=TAGS, terms=("emoji",)),
    EvidenceRef(id="x1", kind="experiment", statement="'long' in experiment 'length'", metric="clicks", effect=-0.2,
                se=0.05, tags=TAGS, terms=("long",)),
]  # fmt: skip


def looking(kind: Any, about: Any, then: Case | None = None) -> Script:
    """Everybody looks something up once, and then cites what it has seen."""

    def script(phase: str, body: Case, schema: Case) -> Case | None:
        if phase != "propose":
            return None
        has_looked = any("That is what was looked up" in message["content"] for message in body["messages"])
        newest = json.loads(body["messages"][-1]["content"].split(MARK)[1])
        offered = newest["properties"]["evidence_ids"]["items"].get("enum", [])
        if has_looked:
            return {"option": "A", "evidence_ids": list(offered), "look_up": "nothing"} | (then or {})
        return {"option": "B", "look_up": kind, "look_up_words": about}

    return script


async def held(warehouse: Warehouse, fake: FakeLLM, **changes: Any) -> Case:
    limits = changes.pop("limits", Limits())
    asked: Case = {"problem": "Emoji or not?", "agent_roles": ROLES, "rounds": 1, "extra_evidence": KNOWN}
    asked |= {
        "options": ["Use emoji", "Use no pictures"],
        "workspace_id": "acme",
        "consensus_strategy": "weighted_vote",
    }
    model = Endpoint("ok", fake.url, "sk-x")
    return await AgentDebateOrchestrator(warehouse=warehouse, endpoint=model, limits=limits).orchestrate_debate(
        **asked | changes
    )


def shown_after(fake: FakeLLM) -> list[str]:
    """What was said to experts after they had looked something up."""
    last = [body["messages"][-1]["content"] for body in fake.bodies]
    return [text for text in last if "That is what was looked up" in text]


@pytest.fixture
def acme(sqlite_warehouse: Warehouse) -> Warehouse:
    store(sqlite_warehouse, Workspace, [workspace_row(), workspace_row(workspace_id="other", organisation_id="o")])
    return sqlite_warehouse


async def test_a_finding_that_was_looked_up_may_be_cited_and_counts_its_call(acme: Warehouse) -> None:
    with fake_llm(looking("patterns", "emoji, subject")) as fake:
        result = await held(acme, fake)
        assert fake.calls == result["usage"]["calls"] == 4
        assert all("Posts with emoji" in text and "length" not in text for text in shown_after(fake))
    assert {tuple(one["evidence_ids"]) for one in result["proposals"]} == {("p1",)}
    assert result["option"] == "A"
    assert "looked_up:patterns" in result["flags"]
    assert AgentDebateOrchestrator(warehouse=acme).replay(result["debate_id"]) == result


async def test_a_draft_is_judged_by_what_was_learned_here_and_nowhere_else(acme: Warehouse) -> None:
    store(acme, ExperimentArm, simulated(60, 3, 0.4))
    store(acme, ExperimentArm, [row | {"workspace_id": "other", "title": "elsewhere"} for row in simulated(30, 4, 0.4)])
    with fake_llm(looking("prediction", "a secret in the garden")) as fake:
        await held(acme, fake, options=TITLES, extra_evidence=[])
        texts = shown_after(fake)
    assert len(texts) == 2
    data = json.loads(texts[0].split("\n")[1])
    assert {one["option"] for one in data["expected_against_today"]} == {"A", "B", "draft"}
    assert data["expected_against_today"][-1]["label"] == "the story of the lamp"
    assert "of earlier pairs right" in data["basis"]
    assert "elsewhere" not in texts[0]


async def test_a_draft_beside_no_text_is_not_called_the_best(acme: Warehouse) -> None:
    with fake_llm(looking("prediction", "a secret in the garden")) as fake:
        await held(acme, fake)
        data = [json.loads(text.split("\n")[1]) for text in shown_after(fake)]
    assert [set(one) for shown in data for one in shown["expected_against_today"]] == [
        {"option", "label", "expected", "interval_90"}
    ] * 2


@pytest.mark.parametrize(
    ("kind", "about", "says"),
    [
        ("DROP TABLE debate", "x", "look_up must be one of nothing, patterns, experiments, prediction"),
        ("patterns", "?!", "look_up_words is empty"),
        ("prediction", "long " * 1000, "at most 600 are read"),
        ("patterns", ["emoji"], "look_up_words is empty"),
        ("experiments", {"workspace_id": "other"}, "look_up_words is empty"),
    ],
)
async def test_hostile_arguments_are_refused_in_one_line(acme: Warehouse, kind: Any, about: Any, says: str) -> None:
    with fake_llm(looking(kind, about)) as fake:
        result = await held(acme, fake)
        texts = shown_after(fake)
    assert all(says in text for text in texts)
    assert len(texts) == 2
    assert "looked_up:refused" in result["flags"]
    assert result["option"] == "A"


@pytest.mark.parametrize("kind", [7, None, ["patterns"], "", "nothing", "NONE"])
async def test_what_asks_for_nothing_is_the_answer(acme: Warehouse, kind: Any) -> None:
    with fake_llm(looking(kind, "emoji")) as fake:
        result = await held(acme, fake)
        assert fake.calls == 2
    assert result["option"] == "B"


async def test_who_looks_up_for_ever_is_stopped_and_its_last_answer_counts(acme: Warehouse) -> None:
    with fake_llm(looking("patterns", "emoji", {"look_up": "patterns", "look_up_words": "emoji"})) as fake:
        result = await held(acme, fake, limits=Limits(lookups=2))
        assert fake.calls == 6
    assert result["option"] == "A"


async def test_where_the_budget_ends_the_answer_before_the_look_counts(acme: Warehouse) -> None:
    with fake_llm(looking("patterns", "emoji")) as fake:
        result = await held(acme, fake, agent_roles=ROLES[:1], limits=Limits(max_total_tokens=1_600))
        assert fake.calls == 1
    assert (result["option"], result["status"]) == ("B", "leaning"), "a finding is for the other one"


async def test_nothing_is_offered_without_a_workspace_or_where_it_is_turned_off(acme: Warehouse) -> None:
    with fake_llm() as fake:
        await held(acme, fake, workspace_id=None)
        await held(acme, fake, limits=Limits(lookups=0))
        assert not any("look_up" in body["messages"][1]["content"] for body in fake.bodies)
        await held(acme, fake, problem="Emoji, or rather not?")
        assert any("look_up" in body["messages"][1]["content"] for body in fake.bodies)
