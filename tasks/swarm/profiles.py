"""Who an expert is and what a task needs; both check themselves when made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from tasks.errors import InputError, OutOfRangeError, UnknownNameError, require_between
from tasks.plain_text import digest, slug
from tasks.swarm.skills import AgentRole, ExpertiseLevel, SkillTag

Name = TypeVar("Name", bound=StrEnum)

LONGEST_NAME = 100
LONGEST_PROMPT = 8_000
LARGEST_TEAM = 12


@dataclass(frozen=True, slots=True)
class AgentSkill:
    """One skill of an agent.

    Attributes:
        confidence: how sure we are of the level, 0 to 1; the effective level is level × confidence.
    """

    skill: SkillTag
    level: ExpertiseLevel
    confidence: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "skill", known(SkillTag, self.skill, "skill"))
        object.__setattr__(self, "level", known(ExpertiseLevel, self.level, "expertise level"))
        require_between("skill confidence", self.confidence, 0.0, 1.0)

    @property
    def effective_level(self) -> float:
        """Level × confidence, 0 to 1."""
        return self.level.value_of_level * self.confidence


@dataclass(frozen=True, slots=True)
class ExpertAgentProfile:
    """An expert that can be put on a team.

    Attributes:
        system_prompt: the instructions that make a model answer as this expert; unused by the evidence panel.
        temperature: sampling temperature of that model, 0 to 2.
        model: a model of its own; None takes the configured one.
        agent_id: made of role and name unless given, so that registering twice is one agent.
    """

    role: AgentRole
    name: str
    description: str
    skills: Sequence[AgentSkill]
    system_prompt: str = ""
    temperature: float = 0.7
    model: str | None = None
    agent_id: str = ""
    is_default: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", known(AgentRole, self.role, "agent role"))
        object.__setattr__(self, "skills", tuple(self.skills))
        require_text("agent name", self.name, LONGEST_NAME)
        if len(self.system_prompt) > LONGEST_PROMPT:
            raise OutOfRangeError("system_prompt", len(self.system_prompt), f"at most {LONGEST_PROMPT} characters")
        require_between("temperature", self.temperature, 0.0, 2.0)
        if not self.skills:
            raise InputError(f"agent '{self.name}' has no skills; give at least one AgentSkill")
        if len({skill.skill for skill in self.skills}) < len(self.skills):
            raise InputError(f"agent '{self.name}' names a skill twice; keep one AgentSkill for each")
        object.__setattr__(self, "agent_id", self.agent_id or f"{self.role}-{id_part(self.name)}")
        require_text("agent_id", self.agent_id, LONGEST_NAME + 28)

    def level_of(self, skills: Iterable[SkillTag]) -> float:
        """The best effective level among these skills; 0 where it has none."""
        wanted = set(skills)
        return max((skill.effective_level for skill in self.skills if skill.skill in wanted), default=0.0)


@dataclass(frozen=True, slots=True)
class TaskRequirements:
    """What a task needs of a team.

    Attributes:
        required_skills: each must be covered by a member at `min_level` (effective) or better.
        preferred_skills: worth having, never decisive over a required one.
    """

    task_type: str
    required_skills: Sequence[SkillTag]
    preferred_skills: Sequence[SkillTag] = field(default_factory=tuple)
    min_team_size: int = 1
    max_team_size: int = 5
    min_level: ExpertiseLevel = ExpertiseLevel.INTERMEDIATE

    def __post_init__(self) -> None:
        require_text("task_type", self.task_type, 64)
        required = [known(SkillTag, skill, "skill") for skill in self.required_skills]
        preferred = [known(SkillTag, skill, "skill") for skill in self.preferred_skills]
        if not required and not preferred:
            raise InputError(
                f"task '{self.task_type}' asks for no skill; name at least one required or preferred skill"
            )
        object.__setattr__(self, "required_skills", tuple(sorted(set(required))))
        object.__setattr__(self, "preferred_skills", tuple(sorted(set(preferred) - set(required))))
        object.__setattr__(self, "min_level", known(ExpertiseLevel, self.min_level, "expertise level"))
        require_between("max_team_size", self.max_team_size, 1, LARGEST_TEAM)
        if not 1 <= self.min_team_size <= self.max_team_size:
            raise OutOfRangeError(
                "min_team_size", self.min_team_size, f"between 1 and max_team_size {self.max_team_size}"
            )


def known(kind: type[Name], value: Any, what: str) -> Name:
    """The member of an enumeration, from itself or its value.

    Raises:
        UnknownNameError: if there is no such member.
    """
    try:
        return kind(value)
    except ValueError:
        raise UnknownNameError(what, value, [member.value for member in kind]) from None


def with_id(agents: Sequence[ExpertAgentProfile], agent_id: str) -> ExpertAgentProfile:
    """The agent of that id.

    Raises:
        UnknownNameError: if there is none.
    """
    agent = next((agent for agent in agents if agent.agent_id == agent_id), None)
    if agent is None:
        raise UnknownNameError("agent", agent_id, [agent.agent_id for agent in agents])
    return agent


def with_role(agents: Sequence[ExpertAgentProfile], role: AgentRole | str | None) -> ExpertAgentProfile:
    """The agent of that role, from all in the order they were registered: custom before default, the latest first.

    Raises:
        UnknownNameError: if there is no such role, or no agent has it.
    """
    wanted = known(AgentRole, role, "agent role")
    of_role = [agent for agent in agents if agent.role is wanted]
    if not of_role:
        raise UnknownNameError("agent of role", wanted.value, fix="register one with `register_agent`")
    return min(reversed(of_role), key=lambda agent: agent.is_default)


def require_text(what: str, value: Any, longest: int) -> str:
    """The text, if it is not blank and not too long.

    Raises:
        InputError: if it is no text, blank or too long.
    """
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{what} is empty; give it as text")
    if len(value) > longest:
        raise OutOfRangeError(f"length of {what}", len(value), f"at most {longest} characters")
    return value


def id_part(text: str) -> str:
    """The text as a part of an id; one that loses letters so (any but English ones) is told by a hash."""
    plain = slug(text)
    is_whole = all(not letter.isalnum() or letter.isascii() for letter in text)
    return plain if plain and is_whole else "-".join(part for part in (plain, digest(text)) if part)
