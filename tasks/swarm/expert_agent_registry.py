"""The guide's ExpertAgentRegistry: who can be put on a team, what they can do, and how they have done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from tasks.swarm.performance import Posterior
from tasks.swarm.profiles import AgentSkill, ExpertAgentProfile, TaskRequirements
from tasks.swarm.registry_service import RegistryService
from tasks.swarm.skills import AgentRole, ExpertiseLevel, SkillTag
from tasks.warehouse import Warehouse

# The guide imports all of these from this module.
__all__ = [
    "AgentRole",
    "AgentSkill",
    "ExpertAgentProfile",
    "ExpertAgentRegistry",
    "ExpertiseLevel",
    "SkillTag",
    "TaskRequirements",
]


class ExpertAgentRegistry:
    """Experts in the warehouse; seven defaults to begin with, custom ones beside them.

    Args:
        warehouse: another warehouse than the settings' one; opened at first use.
    """

    def __init__(self, *, warehouse: Warehouse | None = None) -> None:
        self.service = RegistryService(warehouse)

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse, opened and seeded with the default experts."""
        return self.service.warehouse()

    def list_agents(self) -> list[ExpertAgentProfile]:
        """All experts, in the order they were registered."""
        return self.service.agents()

    def get_agent(self, role: AgentRole | str | None = None, agent_id: str | None = None) -> ExpertAgentProfile:
        """One expert, by role (a custom one before a default one, the latest first) or by id.

        Raises:
            UnknownNameError: if there is none.
        """
        return self.service.agent(role, agent_id)

    def find_agents_by_skill(
        self,
        skills: Sequence[SkillTag | str],
        min_level: ExpertiseLevel | str = ExpertiseLevel.BEGINNER,
        require_all: bool = False,
    ) -> list[ExpertAgentProfile]:
        """Experts who have any (or all) of the skills at `min_level` or above, the strongest first."""
        return self.service.agents_with_skills(skills, min_level, require_all)

    def register_agent(self, profile: ExpertAgentProfile) -> str:
        """Store an expert and return its id; the same role and name again replaces it.

        Raises:
            InputError: if the id belongs to a default expert.
        """
        return self.service.register(profile)

    def performance(self, agent_ids: Iterable[str], task_type: str) -> dict[str, Posterior]:
        """How good each agent has proved at a task type."""
        return self.service.performance(agent_ids, task_type)

    def skill_history(self, agent_id: str) -> dict[str, Any]:
        """How the levels of an agent's skills moved; they move by graded work alone, and not by grades like a coin's.

        Returns:
            `agent_id`, `name`, `declared` (levels by skill) and `skills`, one dictionary a skill and kind of graded
            task: `skill`, `task_type`, `declared`, `level` now, `graded`, `right` (share) with its `interval`, `moves`
            (`from`, `to`, `at`, `graded`, `right`, `interval`), `why`.

        Raises:
            UnknownNameError: if there is no such agent.
        """
        return self.service.skill_history(agent_id)

    async def assemble_team(self, requirements: TaskRequirements) -> dict[str, Any]:
        """The best team for a task, proved optimal, with what each member is there for.

        Returns:
            `team` (one dictionary a member: `agent_id`, `role`, `name`, `covers`, `performance`, `why`), `value`,
            `coverage_value`, `covered_by`, `method`, `optimality_gap`, `task_type`.

        Raises:
            TeamInfeasibleError: if no allowed team covers the required skills; names them.
        """
        return await asyncio.to_thread(self.service.assemble, requirements)

    async def update_performance(
        self, agent_id: str, task_type: str, performance_score: float, *, about: str | None = None
    ) -> dict[str, Any]:
        """Record how well an agent did at a task, 0 wrong to 1 right; grade against outcomes, not against agreement.

        Args:
            about: what was graded, such as a debate id: the same `about` counts once. None is always a new score.

        Returns:
            `agent_id`, `task_type`, `expected_performance`, `sd`, `graded`.
        """
        return await asyncio.to_thread(self.service.update_performance, agent_id, task_type, performance_score, about)
