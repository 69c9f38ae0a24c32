"""What a caller asks, checked part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.errors import InputError, require_between
from tasks.swarm import briefing
from tasks.swarm.records import ConsensusStrategy, EvidenceRef, Option

MOST_PARTS = 6


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a problem, and the team that debates it: roles or agent ids."""

    problem: str
    agent_roles: Sequence[str]
    options: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What a caller asked, checked."""

    problem: str
    rounds: int
    strategy: ConsensusStrategy
    context: dict[str, Any]
    options: tuple[Option, ...]
    workspace_id: str | None
    debate_id: str | None
    extra_evidence: tuple[EvidenceRef, ...] = ()
    asks_a_person: bool = False
    stop_at_agreement: bool = True
    splits: bool = False
    parts: tuple[Part, ...] = ()

    @classmethod
    def checked(cls, asked: Mapping[str, Any], most_rounds: int) -> Question:
        """The question, if every part of it is in order.

        Raises:
            InputError: for the first part that is not, with what to do about it.
        """
        debate_id = asked["debate_id"]
        return cls(
            problem=briefing.check_problem(asked["problem"]),
            rounds=briefing.check_rounds(asked["rounds"], most_rounds),
            strategy=briefing.check_strategy(asked["strategy"]),
            context=briefing.check_context(asked["context"]),
            options=briefing.check_options(asked["options"]),
            workspace_id=asked["workspace_id"],
            debate_id=None if debate_id is None else briefing.check_id(debate_id),
            extra_evidence=tuple(asked["extra_evidence"]),
            asks_a_person=asked["asks_a_person"],
            stop_at_agreement=bool(asked["stop_at_agreement"]),
            splits=asked["in_parts"] is True,
            parts=_parts(asked["in_parts"]),
        )


def _parts(given: Any) -> tuple[Part, ...]:
    """The caller's parts; none where the lead divides the problem, or nobody does."""
    if isinstance(given, bool):
        return ()
    if not isinstance(given, Sequence) or not all(isinstance(one, Part) for one in given):
        raise InputError("in_parts is True, False, or a list of Part(problem, agent_roles, options)")
    if not given:
        raise InputError("no parts: give at least one Part, True to let the lead divide the problem, or leave it out")
    require_between("number of parts", len(given), 1, MOST_PARTS)
    for part in given:
        briefing.check_problem(part.problem)
    return tuple(given)
