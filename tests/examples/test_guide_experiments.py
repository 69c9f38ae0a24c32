"""The guide's snippets on experiments, as written but for the import's root."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.experiments import ExperimentEngine, ExperimentType, VariantAllocation
from tasks.warehouse import open_warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row

workspace_id = "acme"


@pytest.fixture(autouse=True)
def known_workspace(home: Any) -> None:
    store(open_warehouse(), Workspace, [workspace_row(workspace_id=workspace_id)])


async def test_usage_runs_as_written() -> None:
    # Initialize
    engine = ExperimentEngine(default_confidence=0.95, min_effect_size=0.05)

    # Create experiment
    experiment = await engine.create_experiment(
        name="Hook Style Test",
        workspace_id=workspace_id,
        variants=[
            {"name": "control", "description": "Current hook style"},
            {"name": "curiosity_gap", "description": "Curiosity gap hook"},
            {"name": "emotional", "description": "Emotional trigger hook"},
        ],
        metric_name="engagement_rate",
        experiment_type=ExperimentType.AB_TEST,
        allocation_strategy=VariantAllocation.THOMPSON,  # Dynamic allocation
        min_sample_size=100,
        confidence_level=0.95,
    )

    # Start experiment
    await engine.start_experiment(experiment.experiment_id)

    # Assign variant to user
    variant_id = await engine.assign_variant(experiment.experiment_id)

    # Record outcome
    await engine.record_outcome(
        experiment_id=experiment.experiment_id,
        variant_id=variant_id,
        outcome=0.15,  # 15% engagement rate
    )

    # Analyze results
    results = await engine.analyze_experiment(experiment.experiment_id)

    # Auto-complete when significant
    if results.confidence >= 0.95:
        await engine.complete_experiment(experiment.experiment_id)

    assert variant_id in {"control", "curiosity_gap", "emotional"}
    assert results.status == "insufficient_data", "one outcome proves nothing"
    assert results["confidence"] == results.confidence == 0.0
    assert results.metric_kind == "rate"
    assert {arm["variant_id"]: arm.n for arm in results["variants"]}[variant_id] == 1
    assert "no hypothesis was written down before the start" in results.warnings


class BaseAgent:
    """The guide's agents derive from a base that is not part of this project."""

    def __init__(self, name: str) -> None:
        self.name = name


class ExperimentingContentAgent(BaseAgent):
    """Content agent that runs continuous A/B tests."""

    def __init__(self) -> None:
        super().__init__("experimenting_content_agent")
        self.engine = ExperimentEngine()
        self.active_experiments: dict[str, str] = {}
        self.default_strategy: str | None = None

    async def execute(self, payload: dict[str, Any]) -> dict[str, Any]:
        workspace_id = payload["workspace_id"]

        # Check for active experiments
        experiment_id = self.active_experiments.get("hook_style")

        if not experiment_id:
            # Create new experiment
            experiment = await self.engine.create_experiment(
                name="Hook Style Test",
                workspace_id=workspace_id,
                variants=[
                    {"name": "control", "description": "Standard hook"},
                    {"name": "curiosity", "description": "Curiosity gap"},
                    {"name": "emotional", "description": "Emotional trigger"},
                ],
                metric_name="engagement_rate",
            )
            await self.engine.start_experiment(experiment.experiment_id)
            self.active_experiments["hook_style"] = experiment.experiment_id
            experiment_id = experiment.experiment_id

        # Assign variant
        variant_id = await self.engine.assign_variant(experiment_id)

        # Generate content with assigned variant
        content = await self._generate_with_variant(variant_id)

        return {"status": "success", "content": content, "experiment_id": experiment_id, "variant_id": variant_id}

    async def record_performance(self, experiment_id: str, variant_id: str, engagement_rate: float) -> None:
        """Called when engagement metrics are available."""
        await self.engine.record_outcome(experiment_id=experiment_id, variant_id=variant_id, outcome=engagement_rate)

        # Check if experiment is complete
        is_significant, winner = await self.engine.check_significance(experiment_id)
        if is_significant:
            await self.engine.complete_experiment(experiment_id, winner=winner)
            # Update strategy based on winner
            self._update_default_strategy(winner)

    async def _generate_with_variant(self, variant_id: str | None) -> str:
        return f"a post in the {variant_id} style"

    def _update_default_strategy(self, winner: str | None) -> None:
        self.default_strategy = winner


async def test_workflow_3_runs_as_written_until_it_has_a_winner() -> None:
    agent = ExperimentingContentAgent()
    for i in range(600):
        post = await agent.execute({"workspace_id": workspace_id})
        rate = (0.25 if post["variant_id"] == "curiosity" else 0.15) + 0.01 * (i % 7 - 3)
        # An agent that keeps its results as JSON knows the arm's name only.
        await agent.record_performance(post["experiment_id"], str(post["variant_id"]), rate)
        if agent.default_strategy is not None:
            break
    ended = await agent.engine.get_experiment(post["experiment_id"])
    assert agent.default_strategy == "curiosity", (await agent.engine.analyze_experiment(ended.experiment_id)).as_dict()
    assert (ended.status, ended["conclusion"], ended.winner) == ("completed", "winner", "curiosity")
