"""Rounds that change nothing are not held for show: what moves a mind, what a tie is, and who only takes the first."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tasks.swarm import AgentDebateOrchestrator, Endpoint, Limits
from tasks.swarm.messages import Proposal, Turn, TurnRequest, Vote
from tasks.swarm.order_effects import listed, order_flags
from tasks.swarm.records import Brief, ConsensusStrategy, EvidenceRef, Expert, Option
from tasks.swarm.report import story
from tasks.warehouse import Warehouse
from tests.fake_llm import FakeLLM, fake_llm

Case = dict[str, Any]
ROLES = ["viral_engineer", "copywriting_ninja", "psychology_specialist", "seo_expert"]
NAMES = ("Viral", "Conversion", "Behavioral", "Search")
OPTIONS = ["Do one", "Do two", "Do three", "Do four"]
ITEM = EvidenceRef(id="e1", kind="experiment", statement="two works", metric="clicks", effect=0.2, se=0.05, n=900)
EVERYBODYS = ("viral_mechanics", "persuasive_writing", "emotional_triggers", "keyword_research", "data_analysis")
ABOUT_TWO = ITEM.model_copy(update={"terms": ("two",), "tags": EVERYBODYS})
ABOUT_NOTHING = ITEM.model_copy(update={"id": "e2", "terms": ("podcast",), "tags": EVERYBODYS})


def place(body: Case) -> int:
    return next(i for i, name in enumerate(NAMES) if f"You are {name}" in body["messages"][0]["content"])


def is_first(body: Case) -> bool:
    return "your_option" not in body["messages"][1]["content"]


async def debate(warehouse: Warehouse, fake: FakeLLM, **changes: Any) -> Case:
    experts = AgentDebateOrchestrator(warehouse=warehouse, endpoint=Endpoint("ok", fake.url, "k"), limits=Limits())
    given: Case = {"problem": "Which one?", "agent_roles": ROLES, "rounds": 2, "options": OPTIONS}
    return await experts.orchestrate_debate(**given | {"consensus_strategy": "majority_vote"} | changes)


def convinced(words: str) -> Any:
    """Everybody holds an option of its own, and then moves to B, with these words."""

    def script(phase: str, body: Case, schema: Case) -> Case | None:
        if phase == "propose" and is_first(body):
            return {"option": "ABCD"[place(body)], "claim": "Mine.", "reasoning": "It is mine."}
        return (
            {"option": "B", "claim": words, "reasoning": "", "reason": words} if phase in ("propose", "vote") else None
        )

    return script


async def test_without_findings_an_argument_moves_a_mind(sqlite_warehouse: Warehouse) -> None:
    with fake_llm(convinced("Two is the only one that can be undone.")) as fake:
        result = await debate(sqlite_warehouse, fake)
        refining = [body["messages"][1]["content"] for body in fake.prompts("propose") if not is_first(body)]
    assert (result["status"], result["option"], result["count"]["tally"]) == ("decided", "B", {"B": 4})
    assert {change["because"] for change in result["changes"]} == {"argument"}
    assert len(result["changes"]) == 3
    assert "by its argument" in story(result)
    assert all("No finding is about these options" in text for text in refining)
    assert not any("cite that evidence" in text for text in refining)


async def test_the_same_words_again_are_no_argument(sqlite_warehouse: Warehouse) -> None:
    with fake_llm(convinced(" ")) as fake:
        result = await debate(sqlite_warehouse, fake)
    assert result["status"] == "undecided"
    assert all(change["because"] is None for change in result["changes"])
    with fake_llm(convinced("mine.  IT is mine.")) as fake:
        result = await debate(sqlite_warehouse, fake, problem="Which one now?")
    assert all(change["because"] is None for change in result["changes"]), "other blanks and capitals, the same words"


@pytest.mark.parametrize(("known", "tally"), [(ABOUT_TWO, {"B": 4}), (ABOUT_NOTHING, {"A": 1, "B": 1, "C": 1, "D": 1})])
async def test_with_findings_only_one_about_the_options_moves_a_mind(
    sqlite_warehouse: Warehouse, known: EvidenceRef, tally: dict[str, int]
) -> None:
    """The new id is cited late; one about something else is no reason."""

    def script(phase: str, body: Case, schema: Case) -> Case | None:
        said = convinced("New words.")(phase, body, schema)
        return said and said | {"evidence_ids": [] if is_first(body) else [known.id]}

    held_by_all = ABOUT_TWO.model_copy(update={"id": "e9", "tags": ("nobody's",)})
    with fake_llm(script) as fake:
        result = await debate(sqlite_warehouse, fake, extra_evidence=[known, held_by_all])
    assert result["count"]["tally"] == tally
    assert {change["because"] for change in result["changes"]} == (
        {"evidence"} if "B" in tally and len(tally) == 1 else {None}
    )


@pytest.mark.parametrize("strategy", ["majority_vote", "weighted_vote", "synthesis", "moderator"])
async def test_a_tie_is_undecided_under_every_rule_and_says_what_would_settle_it(
    warehouse: Warehouse, strategy: str
) -> None:
    def script(phase: str, body: Case, schema: Case) -> Case | None:
        return {"option": "AABB"[place(body)], "reason": "As before."} if phase in ("propose", "vote") else None

    with fake_llm(script) as fake:
        result = await debate(warehouse, fake, consensus_strategy=strategy, rounds=1)
        assert not fake.prompts("synthesis"), "there is nothing to write for"
    assert (result["status"], result["option"], result["decision"]) == ("undecided", None, None)
    assert result["count"]["tied"] == ["A", "B"]
    assert "tied between 'Do one' and 'Do two'" in result["reason"]
    assert "undecided: no decision" in story(result)
    assert AgentDebateOrchestrator(warehouse=warehouse).replay(result["debate_id"]) == result


async def test_who_takes_the_first_of_every_list_is_flagged_and_who_holds_an_option_is_not(
    sqlite_warehouse: Warehouse,
) -> None:
    def script(phase: str, body: Case, schema: Case) -> Case | None:
        if phase not in ("propose", "vote") or place(body) == 3:
            return None  # the fake takes the first of its list
        return {"option": "ABC"[place(body)]}

    with fake_llm(script) as fake:
        result = await debate(sqlite_warehouse, fake)
        firsts = {tuple(body["messages"][1]["content"].split('"options":')[1][:9]) for body in fake.prompts("propose")}
    assert [flag for flag in result["flags"] if "first_option" in flag] == ["takes_first_option:seo_expert"]
    assert len(firsts) > 1
    assert "Search Strategist named whatever stood first" in story(result)


async def test_a_team_that_follows_its_lists_is_flagged_after_one_round(sqlite_warehouse: Warehouse) -> None:
    with fake_llm() as fake:
        result = await debate(sqlite_warehouse, fake, rounds=1)
    assert "choices_follow_order" in result["flags"]
    assert "Each expert named what stood first in its own list" in story(result)


def brief_of(debate_id: str, options: int, experts: int) -> Brief:
    people = tuple(Expert(agent_id=f"a{i}", role="r", name=f"N{i}", weight=1.0) for i in range(experts))
    menu = tuple(Option(id="ABCDE"[i], label=f"Do {i}") for i in range(options))
    return Brief(
        debate_id=debate_id, problem="Which?", experts=people, options=menu, rounds=2, engine="llm",
        strategy=ConsensusStrategy.MAJORITY_VOTE,
    )  # fmt: skip


def turn_of(request: TurnRequest, option: str) -> Turn:
    message = Vote(option=option) if request.phase == "vote" else Proposal(option=option)
    return Turn(**request.model_dump(), message=message)


def flags_in(debates: int, seed: int, takers: int) -> tuple[int, int]:
    """Over seeded debates: how many honest experts were flagged, and how many first-takers were."""
    rng = random.Random(seed)
    honest = found = 0
    for number in range(debates):
        brief = brief_of(f"d{seed}-{number}", rng.choice([2, 3, 4]), 4)
        turns: dict[str, Turn] = {}
        for place, expert in enumerate(brief.experts):
            own = rng.choice(brief.options).id
            for round_number, phase in ((1, "propose"), (2, "refine"), (2, "vote")):
                request = TurnRequest(round=round_number, phase=phase, agent_id=expert.agent_id)  # type: ignore[arg-type]
                chosen = listed(brief, request)[0].id if place < takers else own
                turns[request.key] = turn_of(request, chosen)
        flagged = {flag for flag in order_flags(brief, turns) if flag.startswith("takes_first")}
        found += sum(f"takes_first_option:a{i}" in flagged for i in range(takers))
        honest += sum(f"takes_first_option:a{i}" in flagged for i in range(takers, 4))
    return honest, found


def test_every_first_taker_is_found_and_no_one_who_holds_an_option() -> None:
    honest, found = flags_in(300, seed=7, takers=1)
    print(f"BAR first-takers: {found} of 300 found, {honest} of 900 honest experts flagged (bars: all, none)")
    assert (honest, found) == (0, 300)


@pytest.mark.parametrize(("chosen", "status"), [("A", "leaning"), ("B", "decided")])
async def test_a_vote_decides_nothing_that_a_finding_is_against(
    sqlite_warehouse: Warehouse, chosen: str, status: str
) -> None:
    def of_one_mind(phase: str, body: Case, schema: Case) -> Case | None:
        return {"option": chosen} if phase in ("propose", "vote") else None

    with fake_llm(of_one_mind) as fake:
        result = await debate(sqlite_warehouse, fake, extra_evidence=[ABOUT_TWO])
    assert (result["option"], result["status"], result["agreement"]) == (chosen, status, 1.0)
    if status == "leaning":
        assert result["confidence"] < 0.2
        assert result["reason"].startswith("by what is known it is right with ")


def holding(options: str) -> Any:
    """Each expert keeps an option of its own."""

    def script(phase: str, body: Case, schema: Case) -> Case | None:
        return {"option": options[place(body)]} if phase in ("propose", "vote") else None

    return script


@pytest.mark.parametrize(("held", "control", "treatment"), [("CCCB", "B", "C"), ("DDCC", "C", "D"), ("DDDA", "A", "D")])
async def test_the_experiment_is_between_those_the_vote_left_open(
    sqlite_warehouse: Warehouse, held: str, control: str, treatment: str
) -> None:
    with fake_llm(holding(held)) as fake:
        result = await debate(sqlite_warehouse, fake, rounds=1)
    arms = {one["name"]: one["option"] for one in result["experiment"]["variants"]}
    assert arms == {"control": control, "treatment": treatment}


async def test_where_findings_are_for_another_the_experiment_is_against_that_one(sqlite_warehouse: Warehouse) -> None:
    with fake_llm(holding("CCCD")) as fake:
        result = await debate(sqlite_warehouse, fake, rounds=1, extra_evidence=[ABOUT_TWO])
    assert (result["status"], result["option"], result["baseline"]["option"]) == ("leaning", "C", "B")
    assert {one["option"] for one in result["experiment"]["variants"]} == {"C", "B"}


async def test_where_nothing_is_decided_nobody_dissents(sqlite_warehouse: Warehouse) -> None:
    with fake_llm(holding("DDCC")) as fake:
        result = await debate(sqlite_warehouse, fake, rounds=1)
    assert (result["status"], result["dissent"]) == ("undecided", [])
    with fake_llm(holding("DDDA")) as fake:
        result = await debate(sqlite_warehouse, fake, rounds=1, problem="Which one now?")
    assert (result["option"], len(result["dissent"])) == ("D", 1)
    assert "decide better than one who is asked as often was not measured" in story(result)
