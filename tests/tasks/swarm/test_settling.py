"""The experiment that would settle a debate is proposed where the workspace's traffic can carry it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.swarm import AgentDebateOrchestrator
from tasks.swarm.records import Brief, ConsensusStrategy, Option
from tasks.swarm.settling import in_words, settling_experiment
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Content, Workspace
from tests.factories import content_row, store, workspace_row

NEARLY_ALIKE = 0.01  # what the two are expected to differ by: an experiment takes 759,000 an arm to see 2 %


def design_of(impressions_a_week: float | None) -> dict[str, Any]:
    options = (Option(id="A", label="Red"), Option(id="B", label="Green"))
    brief = Brief(
        debate_id="d",
        problem="Which color?",
        workspace_id="acme",
        experts=(),
        options=options,
        rounds=1,
        strategy=ConsensusStrategy.SYNTHESIS,
        engine="evidence_panel",
        prior_sd=NEARLY_ALIKE,
        impressions_a_week=impressions_a_week,
    )
    design = settling_experiment(brief, [], {})
    assert design is not None
    return design


def test_what_would_take_years_is_not_proposed_as_if_it_could_be_run() -> None:
    design = design_of(3_000.0)
    assert design["units_per_arm"] > 700_000
    assert design["command"] is None
    assert "about 9.8 years, too long to run" in in_words(design)


@pytest.mark.parametrize(("impressions", "words"), [(100_000.0, "takes about 16 weeks"), (None, "(power .8)")])
def test_what_ends_in_a_year_comes_with_its_command(impressions: float | None, words: str) -> None:
    """So does what nobody can tell the length of: who has no impressions may have visitors."""
    design = design_of(impressions)
    assert design["command"].startswith("raptorflow experiment create")
    assert in_words(design).endswith(words)


async def test_a_debate_knows_its_workspace_s_traffic(sqlite_warehouse: Warehouse) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    newest = datetime.now(UTC) - timedelta(days=10)
    posts = [
        content_row(content_id=f"p{i}", published_at=newest - timedelta(days=7 * i), impressions=500) for i in range(12)
    ]
    store(sqlite_warehouse, Content, posts)
    result = await AgentDebateOrchestrator(warehouse=sqlite_warehouse).orchestrate_debate(
        "Which color should the button have?",
        agent_roles=["data_storyteller"],
        workspace_id=workspace_row()["workspace_id"],
        options=["Red", "Green"],
    )
    assert result["experiment"]["command"] is None
    assert "years, too long to run" in result["reason"]
