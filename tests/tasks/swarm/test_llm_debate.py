"""A debate of language models against a loopback endpoint: what is asked, what is counted, what it costs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.swarm import AgentDebateOrchestrator, AgentRole, Endpoint, ExpertAgentRegistry, Limits
from tasks.swarm.records import EvidenceRef
from tasks.warehouse import Warehouse
from tests.fake_llm import FakeLLM, fake_llm, schema_of

Case = dict[str, Any]
ROLES = ["viral_engineer", "copywriting_ninja", "psychology_specialist", "seo_expert"]
OPTIONS = [{"id": "A", "label": "Do one"}, {"id": "B", "label": "Do two"}, {"id": "C", "label": "Do three"}]
ITEM = EvidenceRef(id="e1", kind="experiment", statement="two works", metric="clicks", effect=0.2, se=0.05, n=900)
EVIDENCE = [
    ITEM.model_copy(update={"id": f"e{i}", "terms": ("two",), "tags": ("data_analysis", tag)})
    for i, tag in enumerate(["viral_mechanics", "persuasive_writing", "emotional_triggers", "keyword_research"], 1)
]


def who(body: Case) -> str:
    """The role of the expert that is being asked, by its system message."""
    names = {"Viral": ROLES[0], "Conversion": ROLES[1], "Behavioral": ROLES[2], "Search": ROLES[3]}
    system = body["messages"][0]["content"]
    return next(role for name, role in names.items() if f"You are {name}" in system)


def stubborn(phase: str, body: Case, schema: Case) -> Case | None:
    """Everybody holds an option of their own to the end: A, B, C, A."""
    if phase in ("propose", "vote"):
        return {"option": "ABCA"[ROLES.index(who(body))]}
    return None


def agreeing(phase: str, body: Case, schema: Case) -> Case | None:
    return {"option": "B"} if phase in ("propose", "vote") else None


async def debate(warehouse: Warehouse, fake: FakeLLM, model: str = "ok", **changes: Any) -> Case:
    limits = changes.pop("limits", Limits())
    registry = changes.pop("registry", None) or ExpertAgentRegistry(warehouse=warehouse)
    orchestrator = AgentDebateOrchestrator(registry, endpoint=Endpoint(model, fake.url, "sk-secret"), limits=limits)
    given: Case = {"problem": "Which one?", "agent_roles": ROLES, "rounds": 2, "options": OPTIONS}
    given |= {"extra_evidence": EVIDENCE}
    return await orchestrator.orchestrate_debate(**given | changes)


async def test_d01_critiques_are_anonymous_shuffled_and_leave_out_ones_own(
    sqlite_warehouse: Warehouse, debate_cases: dict[str, Case]
) -> None:
    assert debate_cases["D01"]["given"]["agents"] == len(ROLES)

    def script(phase: str, body: Case, schema: Case) -> Case | None:
        own = {"claim": f"As {who(body)} I am Conversion Copywriter, viral engineer", "reasoning": f"by {who(body)}"}
        return own | {"option": "ABCA"[ROLES.index(who(body))]} if phase == "propose" else None

    orders: list[list[list[str]]] = []
    for _ in range(2):
        with fake_llm(script) as fake:
            result = await debate(sqlite_warehouse, fake, debate_id=f"d{len(orders)}")
            turns = {t["agent_id"]: t for t in result["transcript"]["turns"] if t["phase"] == "critique"}
            for body in fake.prompts("critique"):
                others = set(ROLES) - {who(body)}
                data = body["messages"][1]["content"].split("\n\n")[0]
                names = {"Viral Content Specialist", "Conversion Copywriter", "Behavioral Psychologist"}
                for name in others | {role.replace("_", " ") for role in others} | names:
                    assert name.lower() not in data.lower()
                assert schema_of(body)["properties"]["target"]["enum"] == ["P1", "P2", "P3"]
                assert set(turns[who(body)]["shown_as"].values()) == others
            orders.append([list(turns[role]["shown_as"].values()) for role in ROLES])
    assert len({tuple(order) for order in orders[0]}) > 1
    assert orders[0] != orders[1]  # another debate, another order
    with fake_llm(script) as fake:
        again = await debate(sqlite_warehouse, fake, debate_id="d0")
    assert fake.calls == 0
    repeated = {t["agent_id"]: t for t in again["transcript"]["turns"] if t["phase"] == "critique"}
    assert orders[0] == [list(repeated[role]["shown_as"].values()) for role in ROLES]


async def test_d02_agreement_stops_early_and_rounds_have_a_limit(
    sqlite_warehouse: Warehouse, debate_cases: dict[str, Case]
) -> None:
    expect = debate_cases["D02"]["expect"]
    assert "rounds_run==1" in expect["a"]
    with fake_llm(agreeing) as fake:
        result = await debate(sqlite_warehouse, fake, rounds=3)
        assert (result["rounds_run"], result["stop_reason"], result["option"]) == (1, "agreement", "B")
        assert fake.calls <= 2 * len(ROLES) + 1
    assert "rounds_run==3" in expect["b"]
    with fake_llm(stubborn) as fake:
        result = await debate(sqlite_warehouse, fake, rounds=3, consensus_strategy="majority_vote")
        assert (result["rounds_run"], result["stop_reason"]) == (3, "max_rounds")
        assert fake.calls == len(ROLES) * 2 * 3
    assert expect["c"] == "ValueError"
    with fake_llm() as fake, pytest.raises(ValueError, match="rounds must be between 1 and 3"):
        await debate(sqlite_warehouse, fake, rounds=0)


async def test_d03_a_moderator_who_follows_the_order_is_set_aside(
    sqlite_warehouse: Warehouse, debate_cases: dict[str, Case]
) -> None:
    assert "order_sensitive=true" in debate_cases["D03"]["expect"]["expect"]
    with fake_llm(stubborn) as fake:  # the fake's moderator picks the first option listed
        result = await debate(sqlite_warehouse, fake, consensus_strategy="moderator")
    assert "order_sensitive" in result["flags"]
    assert result["option"] == result["count"]["decision"] == "A"


async def test_a_consistent_moderator_settles_a_tie_and_nothing_more(sqlite_warehouse: Warehouse) -> None:
    def script(phase: str, body: Case, schema: Case) -> Case | None:
        if phase == "moderate":
            return {"option": "B"}
        return {"option": "AABB"[ROLES.index(who(body))]} if phase in ("propose", "vote") else None

    with fake_llm(script) as fake:
        result = await debate(sqlite_warehouse, fake, consensus_strategy="moderator")
    assert result["count"]["outcome"] == "tie"
    assert result["option"] == "B"
    assert "settled_by_moderator" in result["flags"]


async def test_d04_phases_run_in_parallel(sqlite_warehouse: Warehouse, debate_cases: dict[str, Case]) -> None:
    expect = debate_cases["D04"]["expect"]
    with fake_llm(stubborn) as fake:
        await debate(sqlite_warehouse, fake, "slow:0.3")
        assert fake.calls == debate_cases["D04"]["given"]["calls"]
        assert fake.most_in_flight == expect["max_inflight"]
        # Five waves of 0.2 s are the 1.0 s that wall_s_max allows a third more than; tests/benchmarks prints the time.
        assert fake.waves == 5
    with fake_llm(stubborn) as fake:
        await debate(sqlite_warehouse, fake, "slow:0.01", limits=Limits(max_concurrency=2))
        assert fake.most_in_flight <= 2


async def test_a_change_without_new_evidence_does_not_count(sqlite_warehouse: Warehouse) -> None:
    def script(phase: str, body: Case, schema: Case) -> Case | None:
        if phase == "propose":  # proposals and refinements alike
            first = "your_option" not in body["messages"][1]["content"]
            return {"option": "ABAB"[ROLES.index(who(body))] if first else "B", "evidence_ids": ["e99"]}
        return {"option": "B"} if phase == "vote" else None

    with fake_llm(script) as fake:
        result = await debate(sqlite_warehouse, fake, consensus_strategy="majority_vote")
    assert result["count"]["tally"] == {"A": 2, "B": 2}
    assert {change["to_option"] for change in result["changes"]} == {"B"}
    assert all(change["because_evidence_ids"] == [] for change in result["changes"])
    assert "unknown_evidence:1" in result["flags"]


async def test_a_change_that_cites_new_evidence_counts(sqlite_warehouse: Warehouse) -> None:
    def script(phase: str, body: Case, schema: Case) -> Case | None:
        known = schema["properties"].get("evidence_ids", {}).get("items", {}).get("enum", [])
        if phase == "propose" and "your_option" not in body["messages"][1]["content"]:
            return {"option": "ABAB"[ROLES.index(who(body))], "evidence_ids": known[:1]}
        return {"option": "B", "evidence_ids": known} if phase in ("propose", "vote") else None

    with fake_llm(script) as fake:
        result = await debate(sqlite_warehouse, fake, consensus_strategy="majority_vote")
    assert result["count"]["tally"] == {"B": 4}
    assert all(change["because_evidence_ids"] for change in result["changes"])


async def test_who_has_evidence_owes_a_choice_and_who_has_none_may_decline(sqlite_warehouse: Warehouse) -> None:
    def declining(phase: str, body: Case, schema: Case) -> Case | None:
        menu = schema["properties"].get("option", {}).get("enum", [])
        return {"option": menu[-1] if menu[-1] == "abstain" else "B"} if phase in ("propose", "vote") else None

    team = [*ROLES[:3], "brand_guardian"]  # for whose skills there is no finding
    with fake_llm(declining) as fake:
        result = await debate(sqlite_warehouse, fake, agent_roles=team, rounds=1)
        menus = [schema_of(body)["properties"]["option"]["enum"] for body in fake.prompts("propose")]
    assert sorted(map(sorted, menus)) == [["A", "B", "C"]] * 3 + [["A", "B", "C", "abstain"]]
    held = {turn["agent_id"]: turn for turn in result["transcript"]["turns"] if turn["phase"] == "propose"}
    assert held["brand_guardian"]["message"]["option"] is None
    assert held["brand_guardian"]["status"] == "valid"
    assert result["count"]["tally"] == {"B": 3}
    assert result["status"] == "decided"


async def test_who_abstains_unasked_is_taken_at_its_word(sqlite_warehouse: Warehouse) -> None:
    def script(phase: str, body: Case, schema: Case) -> Case | None:
        return {"option": "abstain" if who(body) == ROLES[0] else "B"} if phase in ("propose", "vote") else None

    with fake_llm(script) as fake:
        result = await debate(sqlite_warehouse, fake, rounds=1)
        assert fake.calls == len(ROLES) + 1, "nobody is asked again"
    assert result["count"]["tally"] == {"B": 3}


async def test_every_round_is_heard_where_agreement_does_not_end_it(sqlite_warehouse: Warehouse) -> None:
    with fake_llm(agreeing) as fake:
        result = await debate(sqlite_warehouse, fake, stop_at_agreement=False)
        assert fake.calls == 17
    assert (result["rounds_run"], result["stop_reason"], result["option"]) == (2, "max_rounds", "B")


async def test_options_are_proposed_first_where_none_are_given(sqlite_warehouse: Warehouse) -> None:
    with fake_llm(agreeing) as fake:
        result = await debate(sqlite_warehouse, fake, options=None)
    assert [option["label"] for option in result["options"]] == ["First answer", "Second answer"]
    assert result["decision"].startswith("Second answer")
    assert result["status"] == "decided"


async def test_synthesis_writes_for_the_voted_option_and_cannot_change_it(sqlite_warehouse: Warehouse) -> None:
    def script(phase: str, body: Case, schema: Case) -> Case | None:
        return (
            {"decision": "C", "summary": "Let us do three"} if phase == "synthesis" else agreeing(phase, body, schema)
        )

    with fake_llm(script) as fake:
        result = await debate(sqlite_warehouse, fake)
    assert result["option"] == "B"
    assert result["decision"] == "Do two"
    assert "three" not in result["decision"]
    assert result["status"] == "degraded"
    assert "synthesis" in result["reason"]


async def test_usage_and_baseline_stand_beside_the_decision(sqlite_warehouse: Warehouse) -> None:
    limits = Limits(prompt_price=1.0, completion_price=2.0)
    with fake_llm(stubborn) as fake:
        result = await debate(sqlite_warehouse, fake, limits=limits)
    assert result["usage"]["calls"] == fake.calls == 17
    assert result["usage"]["prompt_tokens"] == 1700
    assert result["usage"]["cost"] == pytest.approx(17 * 140 / 1e6)
    assert result["baseline"]["option"] == "B"
    assert result["baseline"]["engine"] == "evidence_panel"
    assert result["llm_used"] is True


async def test_the_transcript_is_complete_to_request_and_response(sqlite_warehouse: Warehouse) -> None:
    with fake_llm(stubborn) as fake:
        result = await debate(sqlite_warehouse, fake)
    sent = [
        exchange["request"]["messages"]
        for turn in result["transcript"]["turns"]
        for exchange in turn["exchanges"]
        if exchange["reply"]["text"]
    ]
    assert sorted(map(json.dumps, sent)) == sorted(json.dumps(body["messages"]) for body in fake.bodies)


async def test_each_agent_may_have_a_model_and_a_temperature_of_its_own(sqlite_warehouse: Warehouse) -> None:
    from dataclasses import replace

    registry = ExpertAgentRegistry(warehouse=sqlite_warehouse)
    mine = replace(
        registry.get_agent(role=AgentRole.SEO_EXPERT), agent_id="", is_default=False, model="fenced", temperature=0.1
    )
    registry.register_agent(mine)
    with fake_llm(stubborn) as fake:
        await debate(sqlite_warehouse, fake, registry=registry)
    assert {(b["model"], b["temperature"]) for b in fake.bodies} == {("ok", 0.7), ("fenced", 0.1)}
