"""The report tells the story, and what others wrote in it is never markup."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.swarm import AgentDebateOrchestrator
from tasks.swarm.records import EvidenceRef
from tasks.swarm.report import headline, story
from tasks.warehouse import Warehouse

ITEMS = [
    EvidenceRef(id="e1", kind="experiment", statement="video <b>wins</b> | [x](http://evil)", metric="clicks",
                effect=0.2, se=0.05, n=900, terms=("video",), tags=("data_analysis",)),
    EvidenceRef(id="e2", kind="experiment", statement="photos win", metric="clicks",
                effect=0.5, se=0.05, n=900, terms=("photo",), tags=("viral_mechanics",)),
]  # fmt: skip


@pytest.fixture
async def result(sqlite_warehouse: Warehouse) -> dict[str, Any]:
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    return await panel.orchestrate_debate(
        "Which <script>medium</script>?", ["data_storyteller", "viral_engineer", "brand_guardian"], rounds=2,
        options=["Publish video", "Publish photos"], extra_evidence=ITEMS,
    )  # fmt: skip


def test_the_story_has_question_positions_changes_decision_and_price(result: dict[str, Any]) -> None:
    text = story(result)
    for part in ("No language model was used", "## Positions", "## Changes of mind", "## Decision", "## Price"):
        assert part in text
    assert "Data Storyteller: A → B, by `e2`" in text
    assert "**Data Storyteller** (began with A)" in text
    assert "- `e2` photos win (clicks +64.9%, 90 % interval +51.9% to +79.0%, n = 900)" in text
    assert "0 calls · 0 tokens" in text
    assert headline(result).startswith("decided: Publish photos, confidence")


def test_what_others_wrote_is_not_markup(result: dict[str, Any]) -> None:
    text = story(result)
    for sign in ("<script>", "<b>", "[x](http"):
        assert sign not in text


def test_experts_of_one_mind_and_one_reason_are_quoted_once(result: dict[str, Any]) -> None:
    told = [line.removeprefix("- ") for line in result["reasoning"].splitlines() if line.startswith("- ")]
    reasons = [line.partition(" for '")[2] or line.partition(" abstaining")[2] for line in told]
    assert len(reasons) == len(set(reasons))
    names = [name for line in told for name in line.partition(" for '")[0].partition(" abstaining")[0].split(", ")]
    assert len(names) == 3
