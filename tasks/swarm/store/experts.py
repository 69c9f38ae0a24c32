"""Experts and their scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from tasks.swarm.profiles import AgentSkill, ExpertAgentProfile
from tasks.swarm.skill_levels import Grade
from tasks.swarm.skills import AgentRole, ExpertiseLevel, SkillTag
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import AgentScore, ExpertAgent


def seed_experts(warehouse: Warehouse, profiles: Iterable[ExpertAgentProfile]) -> None:
    """Write experts that are not there yet; those that are stay as they are."""
    present = {row["agent_id"] for row in warehouse.rows(select(ExpertAgent.agent_id))}
    missing = [profile for profile in profiles if profile.agent_id not in present]
    if missing:
        _write_experts(warehouse, missing, keep_existing=True)


def save_expert(warehouse: Warehouse, profile: ExpertAgentProfile) -> None:
    """Write one expert, in place of an earlier one of the same id."""
    _write_experts(warehouse, [profile], keep_existing=False)


def experts(warehouse: Warehouse) -> list[ExpertAgentProfile]:
    """All experts, the oldest first."""
    table = ExpertAgent.__table__
    rows = warehouse.rows(select(table).order_by(ExpertAgent.registered_at, ExpertAgent.agent_id))
    return [_profile(row) for row in rows]


def save_scores(warehouse: Warehouse, rows: Sequence[dict[str, Any]]) -> None:
    """Write graded pieces of work (`agent_id`, `task_type`, `about`, `score`); the same `about` counts once."""
    now = datetime.now(UTC)
    with warehouse.begin() as connection:
        warehouse.upsert(connection, AgentScore, [row | {"recorded_at": now} for row in rows])


def grades_by_agent(warehouse: Warehouse, agent_id: str | None = None) -> dict[str, dict[str, list[Grade]]]:
    """Grades by agent and task type, the oldest first; of one agent where it is named."""
    table = AgentScore
    columns = select(table.agent_id, table.task_type, table.score, table.recorded_at)
    ordered = columns.order_by(table.recorded_at, table.about, table.agent_id)
    named = ordered if agent_id is None else ordered.where(table.agent_id == agent_id)
    grades: dict[str, dict[str, list[Grade]]] = defaultdict(lambda: defaultdict(list))
    for row in warehouse.rows(named):
        grades[row["agent_id"]][row["task_type"]].append(Grade(row["score"], row["recorded_at"]))
    return {agent: dict(kinds) for agent, kinds in grades.items()}


def _write_experts(warehouse: Warehouse, profiles: Iterable[ExpertAgentProfile], *, keep_existing: bool) -> None:
    now = datetime.now(UTC)
    rows = [
        {"agent_id": one.agent_id, "role": one.role.value, "name": one.name, "description": one.description}
        | {"skills": [[skill.skill.value, skill.level.value, skill.confidence] for skill in one.skills]}
        | {"system_prompt": one.system_prompt, "temperature": one.temperature, "model": one.model}
        | {"is_default": one.is_default, "registered_at": now}
        for one in profiles
    ]
    with warehouse.begin() as connection:
        warehouse.upsert(connection, ExpertAgent, rows, keep_existing=keep_existing)


def _profile(row: dict[str, Any]) -> ExpertAgentProfile:
    skills = [AgentSkill(SkillTag(tag), ExpertiseLevel(level), sure) for tag, level, sure in row.pop("skills")]
    row.pop("registered_at")
    return ExpertAgentProfile(**row | {"skills": skills, "role": AgentRole(row["role"])})
