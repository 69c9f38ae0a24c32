"""Debates are reminded of what was learned before, within their scope, and take none of it for evidence."""

from __future__ import annotations

import json
from typing import Any

from tasks.learnings import LearningService
from tasks.swarm import AgentDebateOrchestrator, Endpoint
from tasks.swarm.report import story
from tasks.warehouse import Warehouse
from tests.fake_llm import fake_llm
from tests.learning_history import write_history

TIKTOK: dict[str, Any] = {"kind": "debate", "problem": "Should we open a TikTok account?", "chosen": 1}
TIKTOK |= {"options": ["Open one", "Stay with Instagram"]}
ASKED: dict[str, Any] = {"problem": "Is a TikTok account worth it?", "options": ["Open one", "Wait"]}
ASKED |= {"agent_roles": ["viral_engineer", "brand_guardian"], "workspace_id": "acme"}


def remembered(warehouse: Warehouse) -> None:
    write_history(warehouse, "acme", [TIKTOK])
    write_history(warehouse, "zenith", [TIKTOK | {"problem": "Zenith's TikTok account?"}], organisation_id="z")
    LearningService(warehouse).remember(["acme", "zenith"], "night")


async def test_the_panel_shows_it_and_counts_none_of_it(sqlite_warehouse: Warehouse) -> None:
    remembered(sqlite_warehouse)
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    result = await panel.orchestrate_debate(**ASKED)
    (known,) = result["transcript"]["brief"]["recalled"]
    assert known["statement"].startswith("Debate 'Should we open a TikTok account?': decided 'Stay with Instagram'")
    assert result["status"] == "insufficient_evidence", "what was decided once is no finding"
    assert result["transcript"]["brief"]["evidence"] == []
    page = story(result)
    assert "## Learned before" in page
    assert "still true? yes, as far as is known; not graded yet" in page
    assert "Zenith" not in json.dumps(result)


async def test_the_same_question_is_the_same_debate_though_it_is_remembered_since(sqlite_warehouse: Warehouse) -> None:
    remembered(sqlite_warehouse)
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    first = await panel.orchestrate_debate(**ASKED)
    LearningService(sqlite_warehouse).remember(["acme"], "next night")
    again = await panel.orchestrate_debate(**ASKED)
    assert again["debate_id"] == first["debate_id"]
    assert again["transcript"] == first["transcript"]


async def test_models_are_told_that_it_is_no_evidence_and_cannot_cite_it(sqlite_warehouse: Warehouse) -> None:
    remembered(sqlite_warehouse)
    (learning,) = LearningService(sqlite_warehouse).recall("tiktok", "acme")

    def script(phase: str, _body: dict[str, Any], _schema: dict[str, Any]) -> dict[str, Any] | None:
        return {"option": "A", "evidence_ids": [learning.learning_id]} if phase in ("propose", "vote") else None

    with fake_llm(script) as fake:
        panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse, endpoint=Endpoint("ok", fake.url, "sk-x"))
        result = await panel.orchestrate_debate(**ASKED)
        asked = json.dumps(fake.bodies)
    assert "known already; no new evidence, not to be cited" in asked
    assert "Stay with Instagram" in asked
    assert learning.learning_id not in asked, "what has no id cannot be cited"
    assert all(not vote["evidence_ids"] for vote in result["votes"])
