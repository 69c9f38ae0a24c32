"""How levels of skills move: by graded work alone, a step at a time, and not by grades that could be a coin's. Pure.

A level claims a share of right answers: 48 % a beginner, 56, 68, 76, 80 % a master (`performance`). It moves to the
next one where an interval for the true share, valid after every grade at once (95 %), lies wholly on that one's side of
the middle between the two. An interval that holds one half says nothing of the agent: grades like a coin's move
nothing. A second step away from what was declared must hold even if a fifth of the grades were false, and comes after
forty at the earliest: among fewer, chance puts more than a fifth together (one of 1,500 agents moved by two at its 24th
grade). Later moves are as many with forty as without.

The interval is the one of the beta mixture: a share p is left out once B(1 + s, 1 + n - s) / (p^s (1 - p)^(n - s)), a
martingale under p for grades anywhere in 0 to 1 in sum s, reaches 20 (Robbins 1970; Ville's inequality).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.swarm.performance import RIGHT_AT_NO_LEVEL, RIGHT_PER_LEVEL
from tasks.swarm.profiles import AgentSkill
from tasks.swarm.skills import ExpertiseLevel

ALPHA = 0.05
COIN = 0.5
FALSE_GRADES = 0.2  # share of grades that may be false where a level has moved already
FEWEST_FOR_A_SECOND_STEP = 40  # grades
LEVELS = tuple(ExpertiseLevel)
HALVINGS = 50


@dataclass(frozen=True, slots=True)
class Grade:
    """One graded piece of work, 0 wrong to 1 right."""

    score: float
    at: datetime


@dataclass(frozen=True, slots=True)
class LevelMove:
    """A level that has moved: when, after how many grades, on which share of right answers with its interval."""

    before: ExpertiseLevel
    after: ExpertiseLevel
    at: datetime
    graded: int
    right: float
    interval: tuple[float, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name."""
        plain = {"from": self.before.value, "to": self.after.value, "at": self.at, "graded": self.graded}
        return plain | {"right": self.right, "interval": list(self.interval)}


def claimed(level: ExpertiseLevel) -> float:
    """The share of right answers that a level claims."""
    return RIGHT_AT_NO_LEVEL + RIGHT_PER_LEVEL * level.value_of_level


def moves_of(declared: ExpertiseLevel, grades: Sequence[Grade]) -> list[LevelMove]:
    """How a declared level moved by the grades of one kind of task, the oldest first."""
    moves: list[LevelMove] = []
    place, right = LEVELS.index(declared), 0.0
    for graded, grade in enumerate(grades, start=1):
        right += grade.score
        step = _step(LEVELS.index(declared), place, right, graded)
        if step:
            before, place = LEVELS[place], place + step
            seen = interval(right, graded)
            moves.append(LevelMove(before, LEVELS[place], grade.at, graded, right / graded, seen))
    return moves


def level_after(skill: AgentSkill, grades: Sequence[Grade]) -> ExpertiseLevel:
    """The level of a skill after the grades of one kind of task."""
    moves = moves_of(skill.level, grades)
    return moves[-1].after if moves else skill.level


def interval(right: float, graded: int) -> tuple[float, float]:
    """The true share of right answers, with 95 % after every grade at once."""
    share = right / graded if graded else COIN
    return _end(right, graded, share, 0.0), _end(right, graded, share, 1.0)


def _step(declared: int, place: int, right: float, graded: int) -> int:
    """Up, down, or nowhere."""
    if not _leaves_out(COIN, right, graded):
        return 0
    share = right / graded
    for step in (1, -1):
        if not 0 <= place + step < len(LEVELS):
            continue
        middle = (claimed(LEVELS[place]) + claimed(LEVELS[place + step])) / 2.0
        if abs(place + step - declared) > 1:
            if graded < FEWEST_FOR_A_SECOND_STEP:
                continue
            middle = (1.0 - FALSE_GRADES) * middle + (FALSE_GRADES if step > 0 else 0.0)
        if (share - middle) * step > 0.0 and _leaves_out(middle, right, graded):
            return step
    return 0


def _leaves_out(share: float, right: float, graded: int) -> bool:
    return _log_mixture(share, right, graded) >= -math.log(ALPHA)


def _log_mixture(share: float, right: float, graded: int) -> float:
    """Log of the martingale that grows where the share is not the true one."""
    wrong = graded - right
    even = math.lgamma(1.0 + right) + math.lgamma(1.0 + wrong) - math.lgamma(2.0 + graded)
    return even - _times_log(right, share) - _times_log(wrong, 1.0 - share)


def _times_log(count: float, share: float) -> float:
    return 0.0 if count <= 0.0 else count * math.log(share) if share > 0.0 else -math.inf


def _end(right: float, graded: int, inside: float, outside: float) -> float:
    """The end of the interval between a share within and one beyond it."""
    if not _leaves_out(outside, right, graded):
        return outside
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2.0
        inside, outside = (inside, middle) if _leaves_out(middle, right, graded) else (middle, outside)
    return outside
