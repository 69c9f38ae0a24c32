"""The guide's agent swarm snippets run as written, but for the root of the imports."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.swarm import (
    AgentDebateOrchestrator,
    AgentRole,
    AgentSkill,
    ConsensusStrategy,
    ExpertAgentProfile,
    ExpertAgentRegistry,
    ExpertiseLevel,
    SkillTag,
    TaskRequirements,
)


def test_the_guides_modules_hold_the_names_it_imports_from_them() -> None:
    from tasks.swarm.agent_debate_orchestrator import AgentDebateOrchestrator as FromItsModule
    from tasks.swarm.expert_agent_registry import AgentRole as Role
    from tasks.swarm.expert_agent_registry import AgentSkill as Skill
    from tasks.swarm.expert_agent_registry import ExpertAgentProfile as Profile
    from tasks.swarm.expert_agent_registry import ExpertiseLevel as Level

    assert FromItsModule is AgentDebateOrchestrator
    assert (Role, Skill, Profile, Level) == (AgentRole, AgentSkill, ExpertAgentProfile, ExpertiseLevel)


async def test_registry_snippet() -> None:
    registry = ExpertAgentRegistry()

    seo_expert = registry.get_agent(role=AgentRole.SEO_EXPERT)

    writers = registry.find_agents_by_skill(
        skills=[SkillTag.PERSUASIVE_WRITING, SkillTag.STORYTELLING],
        min_level=ExpertiseLevel.ADVANCED,
        require_all=False,  # Match any skill
    )

    team = await registry.assemble_team(
        TaskRequirements(
            task_type="viral_social_campaign",
            required_skills=[SkillTag.VIRAL_MECHANICS, SkillTag.PERSUASIVE_WRITING, SkillTag.EMOTIONAL_TRIGGERS],
            preferred_skills=[SkillTag.TREND_ANALYSIS, SkillTag.BRAND_VOICE],
            min_team_size=3,
            max_team_size=5,
        )
    )

    await registry.update_performance(
        agent_id=seo_expert.agent_id, task_type="blog_optimization", performance_score=0.89
    )

    assert seo_expert.name == "Search Strategist"
    assert AgentRole.COPYWRITING_NINJA in {agent.role for agent in writers}
    assert 3 <= len(team["team"]) <= 5
    assert team["covered_by"]["viral_mechanics"] == "viral_engineer"


def test_custom_agent_snippet() -> None:
    registry = ExpertAgentRegistry()
    custom_agent = ExpertAgentProfile(
        role=AgentRole.CONTENT_STRATEGIST,
        name="Content Strategy Expert",
        description="Expert in content strategy and planning",
        skills=[
            AgentSkill(skill=SkillTag.STORYTELLING, level=ExpertiseLevel.EXPERT, confidence=0.9),
            AgentSkill(skill=SkillTag.DATA_ANALYSIS, level=ExpertiseLevel.ADVANCED, confidence=0.85),
        ],
        system_prompt="You are a content strategy expert...",
        temperature=0.7,
    )

    agent_id = registry.register_agent(custom_agent)

    restarted = ExpertAgentRegistry()
    assert restarted.get_agent(agent_id=agent_id) == custom_agent
    assert restarted.get_agent(role=AgentRole.CONTENT_STRATEGIST) == custom_agent


async def test_debate_snippet_without_a_model_and_without_evidence() -> None:
    registry = ExpertAgentRegistry()
    orchestrator = AgentDebateOrchestrator(
        agent_registry=registry, max_rounds=3, default_consensus=ConsensusStrategy.SYNTHESIS
    )

    result = await orchestrator.orchestrate_debate(
        problem="How to create a viral social media campaign for a SaaS product?",
        agent_roles=[
            AgentRole.VIRAL_ENGINEER,
            AgentRole.COPYWRITING_NINJA,
            AgentRole.PSYCHOLOGY_SPECIALIST,
            AgentRole.SEO_EXPERT,
        ],
        rounds=2,  # 2 rounds of proposal -> critique -> refine
        consensus_strategy=ConsensusStrategy.SYNTHESIS,
        context={"budget": 10000, "timeline": "3 months"},
    )

    assert set(result) >= {"decision", "reasoning", "confidence", "proposals", "critiques", "transcript", "debate_id"}
    assert result["status"] == "insufficient_evidence"
    assert result["decision"] is None
    assert "run `raptorflow run pattern-learning`" in result["reasoning"]
    assert len(result["proposals"]) == 4
    assert result["engine"] == "evidence_panel"
    assert result["llm_used"] is False


class BaseSupervisor:
    def __init__(self, name: str) -> None:
        self.name = name


class SmartStrategySupervisor(BaseSupervisor):
    """Strategy supervisor using multi-agent debate."""

    def __init__(self) -> None:
        super().__init__("smart_strategy_supervisor")
        self.registry = ExpertAgentRegistry()
        self.orchestrator = AgentDebateOrchestrator(self.registry)

    async def execute(self, goal: str, context: dict[str, Any]) -> dict[str, Any]:
        # Assemble expert team
        team = await self.registry.assemble_team(
            TaskRequirements(
                task_type="campaign_strategy",
                required_skills=[SkillTag.PERSUASIVE_WRITING, SkillTag.DATA_ANALYSIS, SkillTag.VIRAL_MECHANICS],
                min_team_size=3,
            )
        )

        # Run multi-agent debate
        debate_result = await self.orchestrator.orchestrate_debate(
            problem=goal,
            agent_roles=[m["role"] for m in team["team"]],
            rounds=2,
            consensus_strategy=ConsensusStrategy.SYNTHESIS,
            context=context,
        )

        return {
            "status": "success",
            "strategy": debate_result["decision"],
            "reasoning": debate_result["reasoning"],
            "confidence": debate_result["confidence"],
            "team": team["team"],
        }


async def test_supervisor_workflow() -> None:
    answer = await SmartStrategySupervisor().execute("Which campaign next quarter?", {"season": "spring"})
    assert answer["status"] == "success"
    assert {"copywriting_ninja", "data_storyteller", "viral_engineer"} <= {member["role"] for member in answer["team"]}
    assert answer["reasoning"]


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAPTORFLOW_LLM_MODEL", raising=False)
