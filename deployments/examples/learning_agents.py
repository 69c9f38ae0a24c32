"""Three agents that learn, as the guide draws them: copy what you need into your own.

`.venv/bin/python deployments/examples/learning_agents.py` runs them over the simulated sample, after `make demo`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tasks.experiments import ExperimentEngine
from tasks.patterns import PerformanceAnalyzer
from tasks.swarm import (
    AgentDebateOrchestrator,
    ConsensusStrategy,
    ExpertAgentRegistry,
    SkillTag,
    TaskRequirements,
)
from tasks.transfer import TransferLearner

WORKSPACE = "simulated-bakery"


class SmartContentAgent:
    """Writes with what the workspace's own posts and similar workspaces have shown."""

    def __init__(self) -> None:
        self.analyzer = PerformanceAnalyzer()
        self.transfer_learner = TransferLearner()

    async def execute(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Learn, then write."""
        workspace_id = payload["workspace_id"]
        patterns = await self.analyzer.analyze_patterns(
            workspace_id=workspace_id, content_type=payload["content_type"], lookback_days=payload["lookback_days"]
        )
        insights = await self.transfer_learner.get_transfer_insights(
            target_workspace_id=workspace_id, insight_types=["content", "timing"]
        )
        content = self.write(patterns["winning_patterns"], insights["insights"], payload.get("requirements", {}))
        return {
            "status": "success",
            "content": content,
            "applied_patterns": len(patterns["winning_patterns"]),
            "applied_insights": len(insights["insights"]),
        }

    def write(self, patterns: list[Any], insights: list[Any], requirements: dict[str, Any]) -> str:
        """A brief for whoever writes; put your own generator here."""
        learnt = [found["description"] for found in [*patterns, *insights]]
        return "\n".join([f"About {requirements.get('subject', 'anything')}:", *(f"- {line}" for line in learnt)])


class SmartStrategySupervisor:
    """Puts a goal to a team of experts and comes back with a strategy and its reasons."""

    def __init__(self) -> None:
        self.registry = ExpertAgentRegistry()
        self.orchestrator = AgentDebateOrchestrator(self.registry)

    async def execute(self, goal: str, context: dict[str, Any], workspace_id: str | None = None) -> dict[str, Any]:
        """Assemble the team, debate over what this workspace has found, decide."""
        team = await self.registry.assemble_team(
            TaskRequirements(
                task_type="campaign_strategy",
                required_skills=[SkillTag.PERSUASIVE_WRITING, SkillTag.DATA_ANALYSIS, SkillTag.VIRAL_MECHANICS],
                min_team_size=3,
            )
        )
        debate_result = await self.orchestrator.orchestrate_debate(
            problem=goal,
            agent_roles=[m["role"] for m in team["team"]],
            rounds=2,
            consensus_strategy=ConsensusStrategy.SYNTHESIS,
            context=context,
            workspace_id=workspace_id,
        )
        return {
            "status": "success",
            "strategy": debate_result["decision"],
            "reasoning": debate_result["reasoning"],
            "confidence": debate_result["confidence"],
            "team": team["team"],
        }


class ExperimentingContentAgent:
    """Tests hooks while it writes, and keeps the winner.

    What arms declare to change (`changes`) calibrates what such changes bring, and what is proven becomes the
    workspace's default; the flow experiment-orchestration proposes, starts and decides such experiments by itself.
    """

    def __init__(self) -> None:
        self.engine = ExperimentEngine()
        self.active_experiments: dict[str, str] = {}
        self.default_strategy: str | None = None

    async def execute(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Write with the variant that the running experiment assigns."""
        experiment_id = self.active_experiments.get("hook_style") or await self._start(payload["workspace_id"])
        variant_id = await self.engine.assign_variant(experiment_id)
        return {
            "status": "success",
            "content": f"A text with hook '{variant_id}'",
            "experiment_id": experiment_id,
            "variant_id": variant_id,
        }

    async def _start(self, workspace_id: str) -> str:
        experiment = await self.engine.create_experiment(
            name="Hook Style Test",
            workspace_id=workspace_id,
            variants=[
                {"name": "control", "description": "Standard hook"},
                {"name": "curiosity", "description": "Curiosity gap", "changes": {"question_count": 1}},
                {"name": "emotional", "description": "Emotional trigger", "changes": {"exclamation_count": 1}},
            ],
            metric_name="engagement_rate",
        )
        await self.engine.start_experiment(experiment.experiment_id)
        self.active_experiments["hook_style"] = experiment.experiment_id
        return experiment.experiment_id

    async def record_performance(self, experiment_id: str, variant_id: str, engagement_rate: float) -> None:
        """Record what came of a text; complete the experiment once its answer holds."""
        await self.engine.record_outcome(experiment_id=experiment_id, variant_id=variant_id, outcome=engagement_rate)
        is_significant, winner = await self.engine.check_significance(experiment_id)
        if is_significant:
            completed = await self.engine.complete_experiment(experiment_id, winner=winner)
            await self._update_default_strategy(completed.workspace_id)

    async def _update_default_strategy(self, workspace_id: str) -> None:
        """Do what is proven and not refuted since; a winner that needs more proof changes nothing."""
        defaults = await self.engine.current_defaults(workspace_id)
        self.default_strategy = defaults[0]["statement"] if defaults else None


async def main() -> None:
    """Run the three, one after the other."""
    request = {"workspace_id": WORKSPACE, "content_type": "social", "lookback_days": 365}
    written = await SmartContentAgent().execute(request | {"requirements": {"subject": "the new rye bread"}})
    strategy = await SmartStrategySupervisor().execute("What to do more of?", {"budget": 10000}, WORKSPACE)
    experimenting = ExperimentingContentAgent()
    tested = await experimenting.execute(request)
    await experimenting.record_performance(tested["experiment_id"], tested["variant_id"], 0.15)
    for title, answer in (("content", written), ("strategy", strategy), ("experiment", tested)):
        print(f"== {title}")  # noqa: T201 - an example prints
        for name, value in answer.items():
            print(f"{name}: {value}")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
