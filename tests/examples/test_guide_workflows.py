"""The guide's three integration workflows, as deployments/examples holds them, over the simulated sample."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from tasks.content.sample import simulate
from tasks.content.sample.agency import AGENCY
from tasks.experiments import ExperimentEngine
from tasks.warehouse.ingestion import ingest

EXAMPLE = Path(__file__).resolve().parents[2] / "deployments" / "examples" / "learning_agents.py"
BAKERY = "simulated-bakery"
RATES = {"curiosity": 0.3}  # of 1; the other hooks have 0.1


@pytest.fixture(scope="module")
def agents() -> dict[str, Any]:
    """What the example defines; it does not run on import."""
    return runpy.run_path(str(EXAMPLE))


@pytest.fixture
def bakery(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated bakery's posts, in the settings' warehouse."""
    monkeypatch.setattr("tasks.content.sample.AGENCY", tuple(w for w in AGENCY if w.workspace_id == BAKERY))
    files = simulate(tmp_path).files
    for kind in ("workspaces", "content"):
        ingest(kind, [files[kind]])


async def test_a_content_agent_writes_with_what_won(agents: dict[str, Any], bakery: None) -> None:
    payload = {"workspace_id": BAKERY, "content_type": "social", "lookback_days": 365}
    answer = await agents["SmartContentAgent"]().execute(payload)
    assert answer["status"] == "success"
    assert answer["applied_patterns"] >= 2
    assert "includes emojis" in answer["content"]


async def test_a_supervisor_debates_what_the_workspace_has_found(agents: dict[str, Any], bakery: None) -> None:
    await agents["SmartContentAgent"]().execute(
        {"workspace_id": BAKERY, "content_type": "social", "lookback_days": 365}
    )
    answer = await agents["SmartStrategySupervisor"]().execute("What to do more of?", {"budget": 10000}, BAKERY)
    assert len(answer["team"]) >= 3
    assert answer["strategy"].startswith(("Publish more content that ", "Avoid content that "))
    assert "no language model was used" in answer["reasoning"]
    assert 0 < answer["confidence"] <= 1


async def test_a_content_agent_keeps_the_hook_that_wins(agents: dict[str, Any], bakery: None) -> None:
    agent = agents["ExperimentingContentAgent"]()
    payload = {"workspace_id": BAKERY}
    first, second = await agent.execute(payload), await agent.execute(payload)
    assert first["experiment_id"] == second["experiment_id"]
    assigned = await agent.engine.assign_variants(first["experiment_id"], [f"earlier-{n}" for n in range(400)])
    earlier = [{"unit_id": one.unit_id, "outcome": RATES.get(one, 0.1) + n % 7 / 100} for n, one in enumerate(assigned)]
    await agent.engine.record_outcomes(first["experiment_id"], earlier)
    await agent.record_performance(first["experiment_id"], first["variant_id"], RATES.get(first["variant_id"], 0.1))
    assert agent.default_strategy == "content that has 1 question"
    completed = await ExperimentEngine().get_experiment(first["experiment_id"])
    assert completed.status == "completed"
