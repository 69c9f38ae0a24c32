"""Debates are graded by experiments decided later, experts by their own votes, and never by agreement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tasks.errors import InputError, UnknownNameError
from tasks.swarm import AgentDebateOrchestrator, Endpoint
from tasks.swarm.evidence import answered_by
from tasks.swarm.records import EvidenceRef, Option
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Debate, Experiment, ExperimentVariant, Workspace
from tests.factories import store, workspace_row
from tests.fake_llm import fake_llm

OPTIONS = ["Publish more video", "Publish more photos"]
ITEM = EvidenceRef(id="e1", kind="pattern", statement="video", metric="clicks", effect=0.2, se=0.05, terms=("video",),
                   tags=("data_analysis",))  # fmt: skip
ASKED: dict[str, Any] = {"problem": "Which medium?", "agent_roles": ["data_storyteller", "brand_guardian"]}
ASKED |= {"options": OPTIONS, "extra_evidence": [ITEM], "workspace_id": "acme"}


def experiment(warehouse: Warehouse, workspace_id: str, winner: str, days: float) -> None:
    at = datetime.now(UTC) + timedelta(days=days)
    row: dict[str, Any] = {"experiment_id": f"x-{workspace_id}-{days}", "workspace_id": workspace_id, "name": "hero"}
    row |= {"hypothesis": None, "experiment_type": "ab_test", "allocation_strategy": "equal", "metric_name": "m"}
    row |= {"design": {}, "salt": "s", "planned_units_per_arm": None, "status": "completed", "conclusion": "winner"}
    row |= {"winner": winner, "created_at": at, "started_at": at, "completed_at": at}
    store(warehouse, Experiment, [row])
    for place, name in enumerate(["video", "photo"]):
        arm = {"experiment_id": row["experiment_id"], "variant_id": name, "position": place, "description": None}
        store(warehouse, ExperimentVariant, [arm | {"weight": 0.5, "is_control": place == 0, "levels": None}])


async def test_an_experiment_decided_later_grades_the_debate_once(warehouse: Warehouse) -> None:
    store(warehouse, Workspace, [workspace_row(), workspace_row(workspace_id="zenith")])
    panel = AgentDebateOrchestrator(warehouse=warehouse)
    held = await panel.orchestrate_debate(**ASKED)
    experiment(warehouse, "acme", "video", -1)  # decided before the debate
    experiment(warehouse, "zenith", "photo", 1)  # another workspace's
    assert await panel.grade_decided() == {}
    experiment(warehouse, "acme", "photo", 1)
    # The brand guardian had nothing to go by until the data storyteller's finding was heard, and then followed it.
    assert await panel.grade_decided() == {held["debate_id"]: {"data_storyteller": 0.0, "brand_guardian": 0.0}}
    assert await panel.grade_decided() == {}
    assert panel.registry.performance(["data_storyteller"], "debate")["data_storyteller"].graded == 1
    (row,) = panel.list_debates("acme")
    assert (row["outcome_option"], row["outcome_source"]) == ("B", "experiment x-acme-1")


async def test_options_that_a_model_proposed_are_graded_and_remembered_too(sqlite_warehouse: Warehouse) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])

    def script(phase: str, body: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
        return {"options": OPTIONS} if phase == "options" else {"option": "A"} if phase in ("propose", "vote") else None

    with fake_llm(script) as fake:
        experts = AgentDebateOrchestrator(warehouse=sqlite_warehouse, endpoint=Endpoint("ok", fake.url, "sk-x"))
        held = await experts.orchestrate_debate(**ASKED | {"options": None})
        experiment(sqlite_warehouse, "acme", "photo", 1)
        assert list(await experts.grade_decided()) == [held["debate_id"]]
        after = await experts.orchestrate_debate(**ASKED | {"options": None, "problem": "And now?"})
    told = [item["statement"] for item in after["transcript"]["brief"]["evidence"] if item["kind"] == "debate"]
    assert told == ["'Publish more photos' turned out right in an earlier debate, but was not chosen"]


async def test_history_says_how_a_stated_confidence_is_to_be_read(sqlite_warehouse: Warehouse) -> None:
    """Fifty debates that were as sure as the next one, and right half of the time."""
    store(sqlite_warehouse, Workspace, [workspace_row()])
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    sure = await panel.orchestrate_debate(**ASKED)
    assert sure["confidence_basis"] == "evidence_posterior"
    assert sure["confidence"] > 0.6
    (row,) = sqlite_warehouse.rows(select(Debate.__table__))
    past = [
        row | {"debate_id": f"past-{i}", "outcome_option": "AB"[i % 2], "graded_at": row["created_at"]}
        for i in range(50)
    ]
    store(sqlite_warehouse, Debate, past)
    told = await panel.orchestrate_debate(**ASKED | {"problem": "Which medium now?"})
    assert (told["status"], told["option"]) == ("undecided", None), "as right as a coin: nobody may rely on it"


async def test_an_outcome_must_be_one_of_the_options(sqlite_warehouse: Warehouse) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    held = await panel.orchestrate_debate(**ASKED)
    with pytest.raises(UnknownNameError, match="unknown option 'C'"):
        await panel.grade_debate(held["debate_id"], "C", "me")


@pytest.mark.parametrize(
    ("arms", "winner", "expected"),
    [
        ({"video": None, "photo": None}, "photo", "B"),
        ({"A": "video", "B": "photos"}, "A", "A"),
        ({"A": None, "B": None}, "A", None),  # bare letters name nothing
        ({"video": None, "links": None}, "video", None),  # no rival is among the options
        ({"publish": None, "photo": None}, "publish", None),  # names both options
    ],
)
def test_an_experiment_answers_only_what_it_names(arms: dict[str, Any], winner: str, expected: str | None) -> None:
    options = [Option(id=i, label=label) for i, label in zip("AB", OPTIONS, strict=True)]
    assert answered_by(options, {"arms": arms, "winner": winner}) == expected


async def test_a_debate_without_options_says_so_and_not_that_one_is_unknown(sqlite_warehouse: Warehouse) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    held = await panel.orchestrate_debate("What is the weather?", ["data_storyteller"], workspace_id="acme")
    with pytest.raises(InputError, match=r"had no options, so that none .*; ask it again with the answers"):
        await panel.grade_debate(held["debate_id"], "A", "me")
