"""The remaining cases (T01, A10), and that no case goes without a test."""

from __future__ import annotations

import random
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from tasks.swarm import AgentDebateOrchestrator, SkillTag, TaskRequirements
from tasks.swarm.errors import TeamInfeasibleError
from tasks.swarm.records import EvidenceRef
from tasks.swarm.team import Need, TeamCandidate, best_team
from tasks.warehouse import Warehouse

Case = dict[str, Any]


def test_every_case_has_a_test(debate_cases: dict[str, Case]) -> None:
    text = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    named = set(re.findall(r'debate_cases\["(\w\d\d)"\]', text))
    assert set(debate_cases) - named == set()
    assert len(debate_cases) == 30


def test_t01_the_hand_checked_optimum(debate_cases: dict[str, Case]) -> None:
    given, expect = debate_cases["T01"]["given"], debate_cases["T01"]["expect"]
    people = [TeamCandidate(name, levels) for name, levels in given["agents"].items()]
    for least, most in given["sizes"]:
        need = Need(tuple(given["required"]), tuple(given["preferred"]), least, most, given["min_level"])
        wanted = expect[f"size_{least}_{most}"]
        for _ in range(20):
            random.Random(least + most).shuffle(people)
            team = best_team(people, need)
            assert list(team.members) == wanted["team"]
            assert team.coverage_value == pytest.approx(wanted["value"])
    with pytest.raises(TeamInfeasibleError, match="video"):
        best_team(people, Need(("video",), (), 1, 3, 0.5))
    with pytest.raises(ValueError, match="min_team_size"):
        TaskRequirements("t", [SkillTag.STORYTELLING], min_team_size=3, max_team_size=2)


def no_network(*_: Any, **__: Any) -> None:
    raise AssertionError("no model is configured: nobody may be called")


async def test_a10_no_model_is_said_and_needs_no_network(
    sqlite_warehouse: Warehouse, debate_cases: dict[str, Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    expect = debate_cases["A10"]["expect"]
    assert "engine=evidence_panel, llm_used=false" in expect["a"]
    assert "status=insufficient_evidence" in expect["b"]
    monkeypatch.setattr(socket.socket, "connect", no_network)
    item = EvidenceRef(id="e1", kind="experiment", statement="video", metric="clicks", effect=0.2, se=0.05, n=900,
                       terms=("video",), tags=("data_analysis",))  # fmt: skip
    panel = AgentDebateOrchestrator(warehouse=sqlite_warehouse)
    asked: Case = {"problem": "Which?", "agent_roles": ["data_storyteller"], "options": ["Video", "Photos"]}
    with_evidence = await panel.orchestrate_debate(**asked, extra_evidence=[item])
    assert (with_evidence["engine"], with_evidence["llm_used"]) == ("evidence_panel", False)
    assert re.search(r"\[e1\]", with_evidence["reasoning"])
    assert re.search(r"\+22.1%, 90 % interval .* n = 900", with_evidence["reasoning"])
    without = await panel.orchestrate_debate(**asked)
    assert (without["decision"], without["status"]) == (None, "insufficient_evidence")
    assert "exposures an arm" in without["reason"]
    for result in (with_evidence, without):
        assert result["reasoning"].startswith("Statistical panel; no language model was used.")
        assert result["usage"]["calls"] == 0
