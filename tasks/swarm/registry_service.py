"""Experts and their records in the warehouse, synchronously: seeded, found, registered, graded, put on teams."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from tasks.errors import InputError, require_between
from tasks.swarm import store
from tasks.swarm.changes import since, stretches
from tasks.swarm.default_experts import default_experts
from tasks.swarm.performance import PRIOR, Posterior, posterior, proven_level
from tasks.swarm.profiles import (
    AgentSkill,
    ExpertAgentProfile,
    TaskRequirements,
    known,
    require_text,
    with_id,
    with_role,
)
from tasks.swarm.skill_levels import COIN, Grade, LevelMove, interval, level_after, moves_of
from tasks.swarm.skills import AgentRole, ExpertiseLevel, SkillTag
from tasks.swarm.team import Team, team_for
from tasks.warehouse import Warehouse, open_warehouse

logger = logging.getLogger("raptorflow")


class RegistryService:
    """The experts of one warehouse, which is opened and seeded with the default ones at first use."""

    def __init__(self, warehouse: Warehouse | None = None) -> None:
        self._given = warehouse
        self._opened: Warehouse | None = None

    def warehouse(self) -> Warehouse:
        """The warehouse, opened and seeded with the default experts."""
        if self._opened is None:
            opened = open_warehouse(self._given)
            store.seed_experts(opened, default_experts())
            self._opened = opened
        return self._opened

    def agents(self) -> list[ExpertAgentProfile]:
        """All experts, in the order they were registered."""
        return store.experts(self.warehouse())

    def agent(self, role: AgentRole | str | None, agent_id: str | None) -> ExpertAgentProfile:
        """One expert, by id, else by role.

        Raises:
            UnknownNameError: if there is none.
        """
        agents = self.agents()
        return with_id(agents, agent_id) if agent_id is not None else with_role(agents, role)

    def agents_with_skills(
        self, skills: Sequence[SkillTag | str], min_level: ExpertiseLevel | str, require_all: bool
    ) -> list[ExpertAgentProfile]:
        """Experts who have any (or all) of the skills at `min_level` or above, the strongest first."""
        if not skills:
            raise InputError("no skill to look for; name at least one SkillTag")
        wanted = {known(SkillTag, skill, "skill") for skill in skills}
        least = known(ExpertiseLevel, min_level, "expertise level").value_of_level
        fewest = len(wanted) if require_all else 1
        able = [
            agent
            for agent in self.agents()
            if sum(skill.skill in wanted and skill.level.value_of_level >= least for skill in agent.skills) >= fewest
        ]
        return sorted(able, key=lambda agent: (-agent.level_of(wanted), agent.agent_id))

    def register(self, profile: ExpertAgentProfile) -> str:
        """Store an expert and return its id; the same role and name again replaces it, and a warning says so.

        Raises:
            InputError: if the id belongs to a default expert.
        """
        if profile.is_default or profile.agent_id in {agent.agent_id for agent in default_experts()}:
            raise InputError(f"'{profile.agent_id}' is a default expert; leave `agent_id` out to add a custom one")
        earlier = next((one for one in self.agents() if one.agent_id == profile.agent_id), None)
        if earlier is not None and earlier != profile:
            logger.warning(
                "agent %s was registered before and is replaced; give it another name to keep both", earlier.agent_id
            )
        store.save_expert(self.warehouse(), profile)
        return profile.agent_id

    def _levels_at(self, agents: Iterable[ExpertAgentProfile], task_type: str) -> dict[str, dict[str, float]]:
        """Effective levels by agent and skill, where graded work of this kind has moved them."""
        grades = {name: kinds.get(task_type, []) for name, kinds in store.grades_by_agent(self.warehouse()).items()}
        return {
            agent.agent_id: {
                skill.skill.value: level_after(skill, grades[agent.agent_id]).value_of_level * skill.confidence
                for skill in agent.skills
            }
            for agent in agents
            if grades.get(agent.agent_id)
        }

    def performance(self, agent_ids: Iterable[str], task_type: str) -> dict[str, Posterior]:
        """How good each agent has proved at a task type."""
        return records(store.grades_by_agent(self.warehouse()), agent_ids, task_type)

    def update_performance(self, agent_id: str, task_type: str, score: float, about: str | None) -> dict[str, Any]:
        """Record how well an agent did at a task; the agent's performance at such tasks now.

        Raises:
            InputError: if the score is not within 0 to 1, or there is no such agent.
        """
        require_between("performance_score", score, 0.0, 1.0)
        require_text("task_type", task_type, 64)
        with_id(self.agents(), agent_id)
        row = {"agent_id": agent_id, "task_type": task_type, "about": about or uuid.uuid4().hex, "score": float(score)}
        store.save_scores(self.warehouse(), [row])
        now = self.performance([agent_id], task_type)[agent_id]
        expected = {"agent_id": agent_id, "task_type": task_type, "expected_performance": now.mean}
        return expected | {"sd": now.sd, "graded": now.graded}

    def skill_history(self, agent_id: str) -> dict[str, Any]:
        """How the levels of an agent's skills moved by graded work, by kind of task.

        Raises:
            UnknownNameError: if there is no such agent.
        """
        agent = with_id(self.agents(), agent_id)
        by_task = store.grades_by_agent(self.warehouse(), agent_id).get(agent_id, {})
        rows = [_history(skill, kind, grades) for kind, grades in by_task.items() for skill in agent.skills]
        declared = {skill.skill.value: skill.level.value for skill in agent.skills}
        return {"agent_id": agent_id, "name": agent.name, "declared": declared, "skills": rows}

    def skills_of_all(self) -> list[dict[str, Any]]:
        """Every skill of every agent, one row a kind of graded task, or one that says that none was graded."""
        by_agent = store.grades_by_agent(self.warehouse())
        return [
            {"agent": agent.agent_id} | _history(skill, kind, grades)
            for agent in self.agents()
            for kind, grades in (by_agent.get(agent.agent_id) or {"": []}).items()
            for skill in agent.skills
        ]

    def assemble(self, requirements: TaskRequirements) -> dict[str, Any]:
        """The best team for a task, as `ExpertAgentRegistry.assemble_team` returns it.

        Raises:
            TeamInfeasibleError: if no allowed team covers the required skills; names them.
        """
        agents = {agent.agent_id: agent for agent in self.agents()}
        performance = self.performance(agents, requirements.task_type)
        levels = self._levels_at(agents.values(), requirements.task_type)
        team = team_for(requirements, list(agents.values()), performance, levels)
        members = [_member(agents[agent_id], team, performance[agent_id]) for agent_id in team.members]
        assembled = {"team": members, "task_type": requirements.task_type, "value": team.value}
        assembled |= {"coverage_value": team.coverage_value, "covered_by": team.covered_by, "method": team.method}
        return assembled | {"optimality_gap": team.gap}


def records(
    grades: Mapping[str, Mapping[str, Sequence[Grade]]], agent_ids: Iterable[str], task_type: str
) -> dict[str, Posterior]:
    """How good each agent has proved at a task type, from everybody's grades by agent and task type."""
    of_task = [(grade.at, agent, grade.score) for agent, kinds in grades.items() for grade in kinds.get(task_type, ())]
    occasions = [[row[1:] for row in rows] for _, rows in groupby(sorted(of_task), key=itemgetter(0))]
    times = stretches(occasions)
    return {
        agent_id: posterior(
            {kind: [grade.score for grade in given] for kind, given in grades.get(agent_id, {}).items()},
            task_type,
            since(times, agent_id),
        )
        for agent_id in agent_ids
    }


def _history(skill: AgentSkill, task_type: str, grades: Sequence[Grade]) -> dict[str, Any]:
    """One skill at one kind of task: what was declared, what it is now, and how it came to be."""
    moves = moves_of(skill.level, grades)
    right = math.fsum(grade.score for grade in grades)
    low, high = interval(right, len(grades))
    row: dict[str, Any] = {"skill": skill.skill.value, "task_type": task_type, "declared": skill.level.value}
    row |= {"level": (moves[-1].after if moves else skill.level).value, "graded": len(grades)}
    row |= {"right": right / len(grades) if grades else None, "interval": [low, high] if grades else None}
    return row | {"moves": [move.as_dict() for move in moves], "why": _why_level(moves, low, high, len(grades))}


def _why_level(moves: Sequence[LevelMove], low: float, high: float, graded: int) -> str:
    if not graded:
        return "as declared: nothing of it was graded yet"
    seen = f"right in {low:.0%} to {high:.0%} of {graded} graded tasks"
    if moves:
        return f"moved {len(moves)} time{'s' if len(moves) > 1 else ''}, last after {moves[-1].graded} grades: {seen}"
    return f"as declared: {seen}" + (", which a coin could be" if low <= COIN <= high else "")


def _member(agent: ExpertAgentProfile, team: Team, performance: Posterior) -> dict[str, Any]:
    covers = sorted(skill for skill, by in team.covered_by.items() if by == agent.agent_id)
    levels = {skill.skill.value: proven_level(skill.effective_level, performance) for skill in agent.skills}
    if covers:
        seen = f" after {performance.graded} graded" if performance.graded else ""
        why = "best on the team at " + ", ".join(f"{skill} ({levels[skill]:.2f}{seen})" for skill in covers)
    elif performance.mean > PRIOR.mean:
        why = f"right in {performance.mean:.0%} of such tasks by its record, which is worth a place"
    else:
        why = "makes up the least team size"
    member = {"agent_id": agent.agent_id, "role": agent.role, "name": agent.name, "covers": covers, "why": why}
    record = {"expected": performance.mean, "sd": performance.sd, "graded": performance.graded}
    return member | {"performance": record}
