"""The guide's ExpertAgentRegistry: who can be put on a team, what they can do, and how they have done."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.errors import InputError, require_between
from tasks.swarm import store
from tasks.swarm.default_experts import default_experts
from tasks.swarm.performance import Posterior, posterior
from tasks.swarm.profiles import (
    AgentSkill,
    ExpertAgentProfile,
    TaskRequirements,
    known,
    require_text,
    with_id,
    with_role,
)
from tasks.swarm.skills import AgentRole, ExpertiseLevel, SkillTag
from tasks.swarm.team import Candidate, Need, Team, best_team
from tasks.warehouse import Warehouse, open_warehouse

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
        self._given = warehouse
        self._open: Warehouse | None = None

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse, opened and seeded with the default experts."""
        if self._open is None:
            opened = open_warehouse(self._given)
            store.seed_experts(opened, default_experts())
            self._open = opened
        return self._open

    def list_agents(self) -> list[ExpertAgentProfile]:
        """All experts, in the order they were registered."""
        return store.experts(self.warehouse)

    def get_agent(self, role: AgentRole | str | None = None, agent_id: str | None = None) -> ExpertAgentProfile:
        """One expert, by role (a custom one before a default one, the latest first) or by id.

        Raises:
            UnknownNameError: if there is none.
        """
        agents = self.list_agents()
        return with_id(agents, agent_id) if agent_id is not None else with_role(agents, role)

    def find_agents_by_skill(
        self,
        skills: Sequence[SkillTag | str],
        min_level: ExpertiseLevel | str = ExpertiseLevel.BEGINNER,
        require_all: bool = False,
    ) -> list[ExpertAgentProfile]:
        """Experts who have any (or all) of the skills at `min_level` or above, the strongest first."""
        if not skills:
            raise InputError("no skill to look for; name at least one SkillTag")
        wanted = {known(SkillTag, skill, "skill") for skill in skills}
        least = known(ExpertiseLevel, min_level, "expertise level").value_of_level
        enough = all if require_all else any

        def has(agent: ExpertAgentProfile) -> bool:
            levels = {skill.skill: skill.level.value_of_level for skill in agent.skills}
            return enough(levels.get(skill, 0.0) >= least for skill in wanted)

        return sorted(filter(has, self.list_agents()), key=lambda agent: (-agent.level_of(wanted), agent.agent_id))

    def register_agent(self, profile: ExpertAgentProfile) -> str:
        """Store an expert and return its id; the same role and name again replaces it.

        Raises:
            InputError: if the id belongs to a default expert.
        """
        if profile.is_default or profile.agent_id in {agent.agent_id for agent in default_experts()}:
            raise InputError(f"'{profile.agent_id}' is a default expert; leave `agent_id` out to add a custom one")
        store.save_expert(self.warehouse, profile)
        return profile.agent_id

    async def assemble_team(self, requirements: TaskRequirements) -> dict[str, Any]:
        """The best team for a task, proved optimal, with what each member is there for.

        Returns:
            `team` (one dictionary a member: `agent_id`, `role`, `name`, `covers`, `performance`, `why`), `value`,
            `coverage_value`, `covered_by`, `method`, `optimality_gap`, `task_type`.

        Raises:
            TeamInfeasibleError: if no allowed team covers the required skills; names them.
        """
        return await asyncio.to_thread(self._assemble, requirements)

    async def update_performance(
        self, agent_id: str, task_type: str, performance_score: float, *, about: str | None = None
    ) -> dict[str, Any]:
        """Record how well an agent did at a task, 0 wrong to 1 right; grade against outcomes, not against agreement.

        Args:
            about: what was graded, such as a debate id: the same `about` counts once. None is always a new score.

        Returns:
            `agent_id`, `task_type`, `expected_performance`, `sd`, `graded`.
        """
        require_between("performance_score", performance_score, 0.0, 1.0)
        require_text("task_type", task_type, 64)
        row = {"agent_id": agent_id, "task_type": task_type, "about": about or uuid.uuid4().hex}
        return await asyncio.to_thread(self._score, row | {"score": float(performance_score)})

    def performance(self, agent_ids: Iterable[str], task_type: str) -> dict[str, Posterior]:
        """How good each agent has proved at a task type."""
        scores = store.scores_by_agent(self.warehouse)
        return {agent_id: posterior(scores.get(agent_id, {}), task_type) for agent_id in agent_ids}

    def _score(self, row: dict[str, Any]) -> dict[str, Any]:
        self.get_agent(agent_id=row["agent_id"])
        store.save_scores(self.warehouse, [row])
        now = self.performance([row["agent_id"]], row["task_type"])[row["agent_id"]]
        found = {"agent_id": row["agent_id"], "task_type": row["task_type"], "expected_performance": now.mean}
        return found | {"sd": now.sd, "graded": now.graded}

    def best_team_for(self, requirements: TaskRequirements) -> Team:
        """The proved best team for a task, as `assemble_team` explains it.

        Raises:
            TeamInfeasibleError: if no allowed team covers the required skills; names them.
        """
        agents = {agent.agent_id: agent for agent in self.list_agents()}
        return _best(agents, self.performance(agents, requirements.task_type), requirements)

    def _assemble(self, requirements: TaskRequirements) -> dict[str, Any]:
        agents = {agent.agent_id: agent for agent in self.list_agents()}
        record = self.performance(agents, requirements.task_type)
        team = _best(agents, record, requirements)
        members = [_member(agents[agent_id], team, record[agent_id]) for agent_id in team.members]
        found = {"team": members, "task_type": requirements.task_type, "value": team.value}
        found |= {"coverage_value": team.coverage_value, "covered_by": team.covered_by, "method": team.method}
        return found | {"optimality_gap": team.gap}


def _best(
    agents: Mapping[str, ExpertAgentProfile], record: Mapping[str, Posterior], requirements: TaskRequirements
) -> Team:
    candidates = [
        Candidate(
            agent_id,
            {skill.skill.value: skill.effective_level for skill in agent.skills},
            record[agent_id].optimistic,
        )
        for agent_id, agent in agents.items()
    ]
    need = Need(
        required=tuple(skill.value for skill in requirements.required_skills),
        preferred=tuple(skill.value for skill in requirements.preferred_skills),
        min_size=requirements.min_team_size,
        max_size=requirements.max_team_size,
        min_level=requirements.min_level.value_of_level,
    )
    return best_team(candidates, need)


def _member(agent: ExpertAgentProfile, team: Team, record: Posterior) -> dict[str, Any]:
    covers = sorted(skill for skill, by in team.covered_by.items() if by == agent.agent_id)
    levels = {skill.skill.value: skill.effective_level for skill in agent.skills}
    if covers:
        why = "best on the team at " + ", ".join(f"{skill} ({levels[skill]:.2f})" for skill in covers)
    else:
        why = f"brings {', '.join(sorted(levels))} for the least team size or a better record"
    found = {"agent_id": agent.agent_id, "role": agent.role, "name": agent.name, "covers": covers, "why": why}
    return found | {"performance": {"expected": record.mean, "sd": record.sd, "graded": record.graded}}
