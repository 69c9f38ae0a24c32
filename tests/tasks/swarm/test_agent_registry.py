"""The registry knows seven experts, keeps custom ones, and learns from graded work without being fooled by one hit."""

from __future__ import annotations

import math

import pytest

from tasks.errors import InputError, OutOfRangeError, UnknownNameError
from tasks.swarm import (
    AgentRole,
    AgentSkill,
    ExpertAgentProfile,
    ExpertAgentRegistry,
    ExpertiseLevel,
    SkillTag,
    TaskRequirements,
)
from tasks.swarm.errors import TeamInfeasibleError
from tasks.warehouse import Warehouse

GUIDE = {
    "seo_expert": {"keyword_research", "semantic_seo", "technical_seo"},
    "copywriting_ninja": {"persuasive_writing", "storytelling", "cta_optimization", "headline_writing"},
    "data_storyteller": {"data_analysis", "data_visualization", "insight_generation"},
    "psychology_specialist": {"behavioral_psychology", "cognitive_biases", "emotional_triggers"},
    "viral_engineer": {"viral_mechanics", "shareability", "trend_analysis", "meme_culture"},
    "brand_guardian": {"brand_voice", "tone_consistency", "style_guidelines"},
    "technical_writer": {"technical_writing", "documentation", "simplification"},
}


def custom(**changes: object) -> ExpertAgentProfile:
    skills = [AgentSkill(SkillTag.STORYTELLING, ExpertiseLevel.EXPERT, 0.9)]
    given = {"role": AgentRole.CONTENT_STRATEGIST, "name": "Strategist", "description": "Plans", "skills": skills}
    return ExpertAgentProfile(**{**given, **changes})  # type: ignore[arg-type]


def test_the_seven_defaults_have_the_guides_skills(warehouse: Warehouse) -> None:
    agents = {agent.agent_id: agent for agent in ExpertAgentRegistry(warehouse=warehouse).list_agents()}
    assert set(agents) == set(GUIDE)
    for role, skills in GUIDE.items():
        assert skills <= {skill.skill.value for skill in agents[role].skills}


def test_custom_agents_survive_a_restart_and_registering_twice_is_one(warehouse: Warehouse) -> None:
    first = ExpertAgentRegistry(warehouse=warehouse).register_agent(custom())
    again = ExpertAgentRegistry(warehouse=warehouse).register_agent(custom(description="Plans better"))
    assert first == again
    found = ExpertAgentRegistry(warehouse=warehouse)
    assert found.get_agent(role=AgentRole.CONTENT_STRATEGIST).description == "Plans better"
    assert len(found.list_agents()) == 8


def test_a_default_expert_is_not_overwritten(sqlite_warehouse: Warehouse) -> None:
    registry = ExpertAgentRegistry(warehouse=sqlite_warehouse)
    with pytest.raises(InputError, match="default expert"):
        registry.register_agent(custom(agent_id="seo_expert"))


def test_a_custom_agent_of_a_default_role_is_preferred(sqlite_warehouse: Warehouse) -> None:
    registry = ExpertAgentRegistry(warehouse=sqlite_warehouse)
    mine = registry.register_agent(custom(role=AgentRole.SEO_EXPERT, name="Our SEO"))
    assert registry.get_agent(role="seo_expert").agent_id == mine


def test_find_agents_by_all_or_any_skill(sqlite_warehouse: Warehouse) -> None:
    registry = ExpertAgentRegistry(warehouse=sqlite_warehouse)
    both = [SkillTag.PERSUASIVE_WRITING, SkillTag.EMOTIONAL_TRIGGERS]
    assert {a.agent_id for a in registry.find_agents_by_skill(both, require_all=True)} == {
        "copywriting_ninja",
        "psychology_specialist",
    }
    strongest = registry.find_agents_by_skill([SkillTag.STORYTELLING], ExpertiseLevel.EXPERT)
    assert [agent.agent_id for agent in strongest] == ["copywriting_ninja"]


async def test_a_newcomers_perfect_score_does_not_outrank_a_veteran(
    sqlite_warehouse: Warehouse, debate_cases: dict[str, dict]
) -> None:
    """T02."""
    case = debate_cases["T02"]
    registry = ExpertAgentRegistry(warehouse=sqlite_warehouse)
    agents = {"veteran": "seo_expert", "newcomer": "brand_guardian"}
    for name, scores in case["given"]["scores"].items():
        for i, score in enumerate(scores):
            await registry.update_performance(agents[name], "x", score, about=f"task {i}")
    found = registry.performance(agents.values(), "x")
    for name, mean in case["expect"]["posterior_means"].items():
        assert found[agents[name]].mean == pytest.approx(mean, abs=1e-4)
    assert found["seo_expert"].optimistic > found["brand_guardian"].optimistic


async def test_update_order_does_not_matter_and_a_task_is_graded_once(warehouse: Warehouse) -> None:
    """T02."""
    registry = ExpertAgentRegistry(warehouse=warehouse)
    for i, (one, other) in enumerate(zip([0.2, 0.9, 0.5], [0.5, 0.9, 0.2], strict=True)):
        for _ in range(2):
            await registry.update_performance("seo_expert", "x", one, about=str(i))
            await registry.update_performance("technical_writer", "x", other, about=str(i))
    found = registry.performance(["seo_expert", "technical_writer"], "x")
    assert found["seo_expert"] == found["technical_writer"]
    assert found["seo_expert"].graded == 3


async def test_a_score_elsewhere_moves_only_the_shared_prior(sqlite_warehouse: Warehouse) -> None:
    """T02."""
    registry = ExpertAgentRegistry(warehouse=sqlite_warehouse)
    before = registry.performance(["seo_expert"], "y")["seo_expert"]
    await registry.update_performance("seo_expert", "x", 1.0)
    after = registry.performance(["seo_expert"], "y")["seo_expert"]
    assert after.graded == before.graded == 0
    assert after.mean == pytest.approx(6.2 / 10.2), "a fifth of a score: what is learned elsewhere says little here"
    assert after.right + after.wrong == before.right + before.wrong


@pytest.mark.parametrize("score", [-0.1, 1.01, math.nan, "0.5", None, True])
async def test_a_score_outside_0_to_1_is_refused(sqlite_warehouse: Warehouse, score: object) -> None:
    registry = ExpertAgentRegistry(warehouse=sqlite_warehouse)
    with pytest.raises(OutOfRangeError, match="performance_score must be between"):
        await registry.update_performance("seo_expert", "x", score)  # type: ignore[arg-type]
    assert registry.performance(["seo_expert"], "x")["seo_expert"].graded == 0


async def test_unknown_agents_and_roles_are_named(sqlite_warehouse: Warehouse) -> None:
    registry = ExpertAgentRegistry(warehouse=sqlite_warehouse)
    with pytest.raises(UnknownNameError, match="did you mean 'seo_expert'"):
        await registry.update_performance("seo_exprt", "x", 0.5)
    with pytest.raises(UnknownNameError, match="unknown agent role"):
        registry.get_agent(role="wizard")
    with pytest.raises(UnknownNameError, match="register_agent"):
        registry.get_agent(role=AgentRole.CONTENT_STRATEGIST)


async def test_a_better_record_wins_a_seat(sqlite_warehouse: Warehouse) -> None:
    registry = ExpertAgentRegistry(warehouse=sqlite_warehouse)
    twin = custom(skills=[AgentSkill(SkillTag.MEME_CULTURE, ExpertiseLevel.EXPERT, 0.85)], name="Twin")
    twin_id = registry.register_agent(twin)
    needs = TaskRequirements("memes", [SkillTag.MEME_CULTURE], max_team_size=1)
    for i in range(20):
        await registry.update_performance(twin_id, "memes", 1.0, about=str(i))
        await registry.update_performance("viral_engineer", "memes", 0.0, about=str(i))
    team = await registry.assemble_team(needs)
    assert [member["agent_id"] for member in team["team"]] == [twin_id]


async def test_infeasible_needs_name_the_skill(sqlite_warehouse: Warehouse) -> None:
    registry = ExpertAgentRegistry(warehouse=sqlite_warehouse)
    needs = TaskRequirements("t", [SkillTag.MEME_CULTURE], min_level=ExpertiseLevel.MASTER)
    with pytest.raises(TeamInfeasibleError, match="meme_culture"):
        await registry.assemble_team(needs)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: TaskRequirements("t", [SkillTag.STORYTELLING], min_team_size=4, max_team_size=3), "min_team_size"),
        (lambda: TaskRequirements("t", [SkillTag.STORYTELLING], max_team_size=0), "max_team_size"),
        (lambda: TaskRequirements("t", []), "asks for no skill"),
        (lambda: TaskRequirements("t", ["storyteling"]), "did you mean 'storytelling'"),  # type: ignore[list-item]
        (lambda: TaskRequirements(" ", [SkillTag.STORYTELLING]), "task_type is empty"),
        (lambda: custom(skills=[]), "has no skills"),
        (lambda: custom(temperature=3), "temperature must be between"),
        (lambda: custom(name=""), "agent name is empty"),
        (lambda: custom(system_prompt="x" * 9000), "system_prompt"),
        (lambda: AgentSkill(SkillTag.STORYTELLING, ExpertiseLevel.EXPERT, 1.2), "skill confidence"),
        (lambda: AgentSkill(SkillTag.STORYTELLING, "guru"), "unknown expertise level"),  # type: ignore[arg-type]
    ],
)
def test_contradictions_are_typed_errors_that_name_the_fix(make: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        make()  # type: ignore[operator]
