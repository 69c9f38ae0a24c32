"""A problem in parts: divided by the caller or by the lead, each part debated by its own team, then the whole."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest

from tasks.conditions import Condition
from tasks.errors import InputError
from tasks.swarm import AgentDebateOrchestrator, Endpoint, Limits, Part, store
from tasks.swarm.records import EvidenceRef
from tasks.swarm.report import story
from tasks.warehouse import Warehouse
from tests.fake_llm import FakeLLM, fake_llm

Case = dict[str, Any]
ITEM = EvidenceRef(id="e1", kind="experiment", statement="video", metric="clicks", effect=0.2, se=0.05,
                   terms=("video",), tags=("data_analysis",))  # fmt: skip
PARTS = [
    Part("Which medium?", ["viral_engineer"], ["Video first", "Photos first"]),
    Part("Which tone?", ["brand_guardian"], ["Calm", "Loud"]),
]
LEADS = ["data_storyteller", "copywriting_ninja"]


def finding(name: str, feature: str, value: str | int, effect: float) -> EvidenceRef:
    return EvidenceRef(
        id=name, kind="experiment", statement=f"{feature} {value}", metric="clicks", effect=effect, se=0.03,
        conditions=(Condition(feature=feature, op="==", value=value),), tags=("data_analysis", "trend_analysis"),
    )  # fmt: skip


FINDINGS = [
    *[finding("h9", "local_hour", 9, 0.05), finding("h20", "local_hour", 20, 0.15)],
    *[finding("video", "media_type", "video", 0.30), finding("link", "media_type", "link", 0.02)],
]


def dividing(phase: str, body: Case, schema: Case) -> Case | None:
    if phase == "split":
        return {"content": "", "strategy": " ", "timing": "At what hour?", "channel": "In which form?"}
    return {"option": "A"} if phase in ("propose", "vote") else None


def model(warehouse: Warehouse, fake: FakeLLM, name: str = "ok") -> AgentDebateOrchestrator:
    return AgentDebateOrchestrator(warehouse=warehouse, endpoint=Endpoint(name, fake.url, "sk-x"))


async def test_decisions_of_the_callers_parts_reach_every_lead(sqlite_warehouse: Warehouse) -> None:
    with fake_llm(dividing) as fake:
        whole = await model(sqlite_warehouse, fake).orchestrate_debate(
            "Which campaign?", LEADS, options=["Calm video", "Loud photos"], rounds=1, in_parts=PARTS
        )
        asked = [body["messages"][1]["content"] for body in fake.prompts("propose")[-len(LEADS) :]]
    assert [part["label"] for part in whole["parts"]] == ["Video first", "Calm"]
    assert all("the part's team decided 'Video first'" in text for text in asked)
    assert whole["label"] == "Calm video"
    assert "Whether dividing helps language models at the same cost was not measured" in story(whole)
    assert len({whole["debate_id"], *(part["debate_id"] for part in whole["parts"])}) == 3


@pytest.mark.parametrize(("tokens", "status"), [(6_000, "budget_exhausted"), (30_000, "decided")])
async def test_the_whole_and_its_parts_spend_one_budget(sqlite_warehouse: Warehouse, tokens: int, status: str) -> None:
    """6,000 tokens are enough for any of the three debates alone, and 2,000 for none."""
    with fake_llm(dividing) as fake:
        experts = model(sqlite_warehouse, fake)
        experts.limits = Limits(max_total_tokens=tokens)
        alone = await experts.orchestrate_debate("Which one?", LEADS, options=["Calm video", "Loud photos"], rounds=1)
        whole = await experts.orchestrate_debate(
            "Which campaign?", LEADS, options=["Calm video", "Loud photos"], rounds=1, in_parts=PARTS
        )
    assert alone["status"] == "decided"
    assert whole["status"] == status, whole["reason"]


async def test_a_part_without_a_decision_gives_nothing(sqlite_warehouse: Warehouse) -> None:
    whole = await AgentDebateOrchestrator(warehouse=sqlite_warehouse).orchestrate_debate(
        "Which campaign?", LEADS, options=["Video", "Photos"], extra_evidence=[ITEM], in_parts=PARTS[1:]
    )
    assert [part["status"] for part in whole["parts"]] == ["insufficient_evidence"]
    assert [item["id"] for item in whole["transcript"]["brief"]["evidence"]] == ["e1"]
    assert whole["label"] == "Video"
    assert "No decision (no finding is about these 2 options" in story(whole)


async def test_the_panels_lead_divides_by_what_the_findings_are_about(sqlite_warehouse: Warehouse) -> None:
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    whole = await panel.orchestrate_debate("What first?", LEADS, extra_evidence=FINDINGS, in_parts=True)
    assert {part["name"]: part["label"] for part in whole["parts"]} == {
        "timing": "Publish more content that is posted between 20 and 21 h",
        "channel": "Publish more content that is a video",
    }
    labels = [option["label"] for option in whole["options"]]
    assert labels == [
        "Publish more content that is a video",
        "Publish more content that is posted between 20 and 21 h",
        "Keep what is done today.",
    ]
    assert whole["label"] == "Publish more content that is a video"
    assert "*When should it be published?* **Publish more content that is posted between 20 and 21 h**" in story(whole)
    assert panel.replay(whole["debate_id"]) == whole


SIDES: dict[str, tuple[str | int | bool, ...]] = {
    **{"local_hour": (9, 13, 20), "media_type": ("video", "photo", "link"), "question_count": (1, 2)},
    **{"has_cta": (True,)},
}


def simulated_findings(rng: np.random.Generator) -> tuple[list[EvidenceRef], dict[str, float]]:
    """Experiments on four sides of a problem, and what doing each would bring, by the words of its condition."""
    known, gains = [], {}
    for feature, values in SIDES.items():
        spread = rng.choice([0.05, 0.1, 0.3])
        for value in values:
            effect, error = rng.normal(0.0, spread), float(rng.choice([0.03, 0.1]))
            item = finding(f"{feature} {value}", feature, value, effect + rng.normal(0.0, error))  # type: ignore[arg-type]
            known.append(item.model_copy(update={"se": error, "share": 0.2}))
            gains[item.conditions[0].words] = effect
    return known, gains


def gained(labels: list[str], gains: dict[str, float]) -> float:
    """What doing all of it brings: what wins is done always, what loses never; a fifth of today's content has it."""
    worth = [(label, gain) for label in labels for words, gain in gains.items() if words in label]
    return float(sum(0.8 * gain if label.startswith("Publish") else -0.2 * gain for label, gain in worth))


@pytest.mark.parametrize("decisions", [4, pytest.param(200, marks=pytest.mark.slow)])
async def test_dividing_a_problem_does_not_help_and_the_report_says_so(
    sqlite_warehouse: Warehouse, decisions: int
) -> None:
    """The same findings at the same cost: the panel's first choice is the same, and less is known to do beside it."""
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    first, both, same = [], [], []
    for seed in range(decisions):
        known, gains = simulated_findings(np.random.default_rng(seed))
        asked: Case = {"problem": "What works?", "agent_roles": LEADS, "rounds": 1, "extra_evidence": known}
        flat = await panel.orchestrate_debate(**asked, debate_id=f"flat {seed}")
        divided = await panel.orchestrate_debate(**asked, debate_id=f"divided {seed}", in_parts=True)
        assert divided["undivided"] == flat["label"]
        assert flat["undivided"] is None
        same.append(divided["label"] == flat["label"])
        says = "Dividing it changed nothing" if same[-1] else "Undivided, the same findings choose"
        assert says in story(divided)
        for lost, also in ((first, False), (both, True)):
            sums = [
                gained([one["label"], *(a["label"] for a in one["also"] if also)], gains)
                for one in (divided, flat)
                if one["label"]
            ]
            lost.append(sums[0] - sums[1] if len(sums) == 2 else 0.0)
    errors = [np.std(one) / np.sqrt(decisions) for one in (first, both)]
    print(f"BAR divided against flat, the same findings, {decisions} simulated decisions: the same first choice in "
          f"{np.mean(same):.2f}, which brings {np.mean(first):+.4f} ± {errors[0]:.4f}, all that is advised "
          f"{np.mean(both):+.3f} ± {errors[1]:.3f} (log ratio)")  # fmt: skip
    assert np.mean(first) <= 3 * errors[0] + 1e-9, "where dividing helps, the report may say so"


async def test_what_parts_decided_is_not_counted_as_evidence_again(sqlite_warehouse: Warehouse) -> None:
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    asked: Case = {"problem": "What first?", "agent_roles": LEADS, "extra_evidence": FINDINGS}
    asked |= {"options": [{"label": "Evening", "attributes": {"local_hour": 20}},
                          {"label": "Video", "attributes": {"media_type": "video"}}]}  # fmt: skip
    plain = await panel.orchestrate_debate(**asked)
    divided = await panel.orchestrate_debate(**asked, in_parts=True)
    assert len(divided["parts"]) == 2
    assert divided["standings"] == plain["standings"]
    assert divided["confidence"] == plain["confidence"]


@pytest.mark.parametrize("known", [[], FINDINGS[:2]])
async def test_findings_about_one_side_are_not_divided(sqlite_warehouse: Warehouse, known: list[EvidenceRef]) -> None:
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    whole = await panel.orchestrate_debate("What first?", LEADS, extra_evidence=known, in_parts=True)
    assert whole["parts"] == []
    assert whole["label"] == ("Publish more content that is posted between 20 and 21 h" if known else None)


async def test_a_models_lead_divides_and_each_team_sees_its_own_findings(sqlite_warehouse: Warehouse) -> None:
    with fake_llm(dividing) as fake:
        whole = await model(sqlite_warehouse, fake).orchestrate_debate(
            "What first?", LEADS, rounds=1, options=["One", "Two"], extra_evidence=FINDINGS, in_parts=True
        )
        assert len(fake.prompts("split")) == 1
        of_timing = [body["messages"][1]["content"] for body in fake.bodies if '"At what hour?"' in str(body)]
    assert [(part["problem"], part["status"]) for part in whole["parts"]] == [
        ("In which form?", "decided"), ("At what hour?", "decided")
    ]  # fmt: skip
    assert any("local_hour 20" in text for text in of_timing)
    assert not any("media_type video" in text for text in of_timing)
    assert whole["usage"]["calls"] == fake.calls
    assert whole["status"] == "decided"


async def test_a_model_may_leave_the_problem_whole(sqlite_warehouse: Warehouse) -> None:
    def whole_only(phase: str, body: Case, schema: Case) -> Case | None:
        blank = dict.fromkeys(["content", "timing", "channel", "strategy"], "")
        return blank if phase == "split" else dividing(phase, body, schema)

    with fake_llm(whole_only) as fake:
        whole = await model(sqlite_warehouse, fake).orchestrate_debate(
            "What first?", LEADS, rounds=1, options=["One", "Two"], in_parts=True
        )
    assert whole["parts"] == []
    assert whole["status"] == "decided"


@pytest.mark.parametrize("after", [0.3, 0.9])
async def test_killed_in_a_part_nothing_is_paid_twice(sqlite_warehouse: Warehouse, after: float) -> None:
    asked: Case = {"problem": "What first?", "agent_roles": LEADS, "rounds": 1, "options": ["One", "Two"]}
    asked |= {"extra_evidence": FINDINGS, "in_parts": True, "debate_id": "whole"}
    with fake_llm(dividing) as fake:
        running = asyncio.create_task(model(sqlite_warehouse, fake, "slow:0.25").orchestrate_debate(**asked))
        await asyncio.sleep(after)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.sleep(0.4)
        sent = fake.calls
        known = [row["debate_id"] for row in store.list_debates(sqlite_warehouse, None, 9)]
        turns = [one for name in known for one in store.exchanges_of(sqlite_warehouse, name).values()]
        paid = sum(exchange["reply"]["trouble"] is None for one in turns for exchange in one)
        whole = await model(sqlite_warehouse, fake, "slow:0.25").orchestrate_debate(**asked)
        assert fake.calls - sent == whole["usage"]["calls"] - paid
    assert [part["status"] for part in whole["parts"]] == ["decided"] * 2
    assert AgentDebateOrchestrator(warehouse=sqlite_warehouse).replay("whole") == whole


async def test_a_part_that_failed_is_asked_again(sqlite_warehouse: Warehouse) -> None:
    asked: Case = {"problem": "Which campaign?", "agent_roles": LEADS, "rounds": 1, "options": ["One", "Two"]}
    asked |= {"in_parts": PARTS[:1], "debate_id": "whole"}
    with fake_llm(dividing) as fake:
        first = await model(sqlite_warehouse, fake, "http401*9").orchestrate_debate(**asked)
        assert first["status"] == "failed"
        again = await model(sqlite_warehouse, fake, "http401*0").orchestrate_debate(**asked | {"debate_id": "other"})
    assert [part["status"] for part in first["parts"]] == ["failed"]
    assert [part["status"] for part in again["parts"]] == ["decided"]


@pytest.mark.parametrize(
    ("parts", "says"),
    [([], "no parts"), ("timing", "in_parts is True"), ([Part(" ", ["seo_expert"])], "problem is empty"),
     ([Part("p", ["nobody"])], "unknown agent role"), ([Part("p", ["seo_expert"], ["one"])], "between 2 and 8"),
     ([Part("p", [])], "no agents"), ([Part("p", ["seo_expert"])] * 7, "number of parts")],
)  # fmt: skip
async def test_bad_parts_are_refused(sqlite_warehouse: Warehouse, parts: Any, says: str) -> None:
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    with pytest.raises(InputError, match=says):
        await panel.orchestrate_debate("p", ["seo_expert"], in_parts=parts)
    assert store.list_debates(sqlite_warehouse, None, 9) == []


async def test_calls_at_a_time_and_the_end_hold_for_whole_and_parts_together(
    sqlite_warehouse: Warehouse,
) -> None:
    asked: Case = {"agent_roles": LEADS, "options": ["Calm video", "Loud photos"], "rounds": 1, "in_parts": PARTS}
    with fake_llm(dividing) as fake:
        experts = model(sqlite_warehouse, fake, "slow:0.05")
        experts.limits = Limits(max_concurrency=1)
        await experts.orchestrate_debate("Which campaign?", **asked)
        assert fake.most_in_flight == 1
    with fake_llm(dividing) as fake:
        experts = model(sqlite_warehouse, fake, "slow:30")
        experts.limits = Limits(debate_seconds=2.0)
        started = time.monotonic()
        whole = await experts.orchestrate_debate("Which campaign, in time?", **asked)
        seconds = time.monotonic() - started
    assert whole["status"] == "failed"
    assert "the debate's 2 s" in whole["reason"]
    assert [part["status"] for part in whole["parts"]] == ["failed", "failed"]
    assert seconds < 4.0, "once two seconds, not once for each level"
