"""Parts are debated by their own teams; what they decided is evidence for the leads, and no more."""

from __future__ import annotations

import pytest

from tasks.errors import InputError
from tasks.swarm import AgentDebateOrchestrator, Endpoint
from tasks.swarm.hierarchy import Part, debate_in_parts
from tasks.swarm.records import EvidenceRef
from tasks.warehouse import Warehouse
from tests.fake_llm import fake_llm

ITEM = EvidenceRef(id="e1", kind="experiment", statement="video", metric="clicks", effect=0.2, se=0.05,
                   terms=("video",), tags=("data_analysis",))  # fmt: skip
PARTS = [
    Part("Which medium?", ["viral_engineer"], ["Video first", "Photos first"]),
    Part("Which tone?", ["brand_guardian"], ["Calm", "Loud"]),
]


async def test_decisions_of_the_parts_reach_the_leads(sqlite_warehouse: Warehouse) -> None:
    def script(phase: str, body: dict, schema: dict) -> dict | None:
        return {"option": "A"} if phase in ("propose", "vote") else None

    with fake_llm(script) as fake:
        experts = AgentDebateOrchestrator(warehouse=sqlite_warehouse, endpoint=Endpoint("ok", fake.url, "sk-x"))
        whole = await debate_in_parts(
            experts, "Which campaign?", ["data_storyteller"], PARTS, options=["Calm video", "Loud photos"], rounds=1
        )
        asked = fake.prompts("propose")[-1]["messages"][1]["content"]
    assert [part["label"] for part in whole["parts"]] == ["Video first", "Calm"]
    assert "the part's team decided 'Video first'" in asked
    assert whole["label"] == "Calm video"
    assert len({whole["debate_id"], *(part["debate_id"] for part in whole["parts"])}) == 3


async def test_a_part_without_a_decision_gives_nothing(sqlite_warehouse: Warehouse) -> None:
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    whole = await debate_in_parts(
        panel, "Which campaign?", ["data_storyteller"], PARTS, options=["Video", "Photos"], extra_evidence=[ITEM]
    )
    assert [part["status"] for part in whole["parts"]] == ["insufficient_evidence"] * 2
    assert [item["id"] for item in whole["transcript"]["brief"]["evidence"]] == ["e1"]
    assert whole["label"] == "Video"


async def test_no_parts_are_refused(sqlite_warehouse: Warehouse) -> None:
    with pytest.raises(InputError, match="no parts"):
        await debate_in_parts(AgentDebateOrchestrator(warehouse=sqlite_warehouse), "p", ["seo_expert"], [])
