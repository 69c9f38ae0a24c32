"""Of a divided vote, what does not exclude each other is put together, and decided only by another vote."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.conditions import Condition
from tasks.swarm import AgentDebateOrchestrator, Endpoint
from tasks.swarm.records import EvidenceRef
from tasks.swarm.report import story_for_terminal
from tasks.warehouse import Warehouse
from tests.fake_llm import FakeLLM, Script, fake_llm

Case = dict[str, Any]
ROLES = ["viral_engineer", "copywriting_ninja", "psychology_specialist", "seo_expert"]
NAMES = ["Viral", "Copywriter", "Psychologist", "Search"]
OPTIONS = ["Ask readers a question", "Show a video", "Do nothing new"]


def divided(merge: Case, ratify: str | None, *, begins: str = "AABB") -> Script:
    """Votes that are divided, what the lead makes of them, and how everybody votes on that (None: for the first)."""

    def script(phase: str, body: Case, schema: Case) -> Case | None:
        place = next(i for i, name in enumerate(NAMES) if name in body["messages"][0]["content"])
        menu = schema["properties"].get("option", {}).get("enum", [])
        if "merge" in schema["properties"]:
            return {"reasoning": "both", "summary": "How to do it."} | merge
        if phase == "vote" and any("+" in one for one in menu):
            return {"reason": "As I see it.", "option": menu[0] if ratify is None else ratify, "evidence_ids": []}
        return {"option": begins[place], "reason": "As before."} if phase in ("propose", "vote") else None

    return script


BOTH = {"merge": ["A", "B"], "merged_label": "Ask readers a question in a video"}


async def held(warehouse: Warehouse, fake: FakeLLM, **changes: Any) -> Case:
    asked: Case = {"problem": "What next?", "agent_roles": ROLES, "rounds": 1, "options": OPTIONS}
    experts = AgentDebateOrchestrator(warehouse=warehouse, endpoint=Endpoint("ok", fake.url, "sk-x"))
    return await experts.orchestrate_debate(**asked | {"consensus_strategy": "synthesis"} | changes)


async def test_a_divided_vote_is_settled_by_what_both_sides_can_do(warehouse: Warehouse) -> None:
    with fake_llm(divided(BOTH, "A+B")) as fake:
        result = await held(warehouse, fake)
        assert fake.calls == 4 + 1 + 4 + 1
    assert (result["status"], result["option"], result["merged"]) == ("decided", "A+B", ["A", "B"])
    assert result["decision"].startswith("Ask readers a question in a video")
    assert result["dissent"] == []
    text = story_for_terminal(result)
    assert "Merged from A and B, and voted on again: 4 of 4 for it; it was decided." in text
    orchestrator = AgentDebateOrchestrator(warehouse=warehouse)
    assert orchestrator.replay(result["debate_id"]) == result
    scores = await orchestrator.grade_debate(result["debate_id"], "A+B", "seen")
    assert set(scores.values()) == {1.0}


@pytest.mark.parametrize(
    ("merge", "ratify", "calls"),
    [
        (BOTH, "A", 4 + 1 + 4),  # refused by the vote
        ({"merge": [], "merged_label": ""}, "A+B", 4 + 1),  # the lead holds that they exclude each other
        ({"merge": ["A", "nothing"], "merged_label": "x"}, "A+B", 4 + 1),
        ({"merge": "A+B", "merged_label": "x"}, "A+B", 4 + 1),
    ],
)
async def test_nothing_is_merged_without_the_vote(
    sqlite_warehouse: Warehouse, merge: Case, ratify: str, calls: int
) -> None:
    with fake_llm(divided(merge, ratify)) as fake:
        result = await held(sqlite_warehouse, fake)
        assert fake.calls == calls
    assert (result["status"], result["option"], result["merged"]) == ("undecided", None, [])
    assert [one["id"] for one in result["options"]] == ["A", "B", "C"]
    assert result["count"]["tied"] == ["A", "B"]


async def test_whoever_closes_a_divided_vote_may_merge_it_without_another_call(sqlite_warehouse: Warehouse) -> None:
    with fake_llm(divided(BOTH, "A+B", begins="AAAB")) as fake:
        result = await held(sqlite_warehouse, fake)
        assert fake.calls == 4 + 1 + 4
    assert result["decision"] == "Ask readers a question in a video — How to do it."
    with fake_llm(divided(BOTH, "A", begins="AAAB")) as fake:
        result = await held(sqlite_warehouse, fake, problem="What then?")
    assert result["decision"] == "Ask readers a question", "a text about what was refused is not shown"
    assert result["status"] == "leaning"
    with fake_llm(divided({"merge": [], "merged_label": ""}, None, begins="AAAB")) as fake:
        result = await held(sqlite_warehouse, fake, problem="What else?")
        assert fake.calls == 4 + 1
    assert result["decision"] == "Ask readers a question — How to do it."


async def test_half_of_the_experts_do_not_make_it_a_decision(sqlite_warehouse: Warehouse) -> None:
    def script(phase: str, body: Case, schema: Case) -> Case | None:
        answer = divided(BOTH, "A+B", begins="AAAB")(phase, body, schema)
        is_one_of_two = any(name in body["messages"][0]["content"] for name in NAMES[:2])
        return answer | {"option": "A"} if answer and answer.get("option") == "A+B" and is_one_of_two else answer

    with fake_llm(script) as fake:
        result = await held(sqlite_warehouse, fake)
    assert (result["option"], result["merged"]) == ("A", []), "a tie on what was merged leaves what was ahead"


MEDIA = [{"label": "Video", "attributes": {"media_type": "video"}},
         {"label": "Photos", "attributes": {"media_type": "photo"}}]  # fmt: skip
TEXTS = [{"title": "One headline"}, {"title": "Another headline"}]


@pytest.mark.parametrize("options", [MEDIA, TEXTS])
async def test_what_excludes_each_other_is_not_put_together(sqlite_warehouse: Warehouse, options: list[Case]) -> None:
    with fake_llm(divided(BOTH, "A+B")) as fake:
        result = await held(sqlite_warehouse, fake, options=options)
        assert not fake.prompts("merge"), "no call is spent on it"
    assert result["merged"] == []


@pytest.mark.parametrize("strategy", ["majority_vote", "weighted_vote", "moderator"])
async def test_other_strategies_merge_nothing(sqlite_warehouse: Warehouse, strategy: str) -> None:
    with fake_llm(divided(BOTH, "A+B")) as fake:
        await held(sqlite_warehouse, fake, consensus_strategy=strategy)
        assert not fake.prompts("merge")


def effect(name: str, feature: str, value: str | int, size: float) -> EvidenceRef:
    about = (Condition(feature=feature, op="==", value=value),)
    words: Case = {"kind": "experiment", "statement": f"{feature} {value}", "metric": "clicks"}
    return EvidenceRef(id=name, effect=size, se=0.03, conditions=about, tags=("data_analysis",), **words)


async def test_the_panel_says_what_can_be_done_beside_its_choice(sqlite_warehouse: Warehouse) -> None:
    known = [effect("v", "media_type", "video", 0.3), effect("p", "media_type", "photo", 0.2)]
    known += [effect("h", "local_hour", 20, 0.15), effect("n", "local_hour", 9, -0.2)]
    options = [*MEDIA, {"label": "Evening", "attributes": {"local_hour": 20}}]
    options += [{"label": "Morning", "attributes": {"local_hour": 9}}]
    result = await AgentDebateOrchestrator(warehouse=sqlite_warehouse).orchestrate_debate(
        "What next?", ROLES, options=options, extra_evidence=known
    )
    assert result["label"] == "Video"
    assert [one["label"] for one in result["also"]] == ["Evening"], "photos are no video, and mornings do worse"
    assert result["decision"] == "Video. Beside it: Evening"
