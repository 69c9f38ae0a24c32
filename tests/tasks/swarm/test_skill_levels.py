"""Levels of skills move by graded work alone: not by a coin, and by false grades one step at most."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from tasks.errors import UnknownNameError
from tasks.swarm import ExpertAgentRegistry
from tasks.swarm.profiles import AgentSkill, ExpertAgentProfile, TaskRequirements
from tasks.swarm.skill_levels import LEVELS, Grade, claimed, interval, moves_of
from tasks.swarm.skills import AgentRole, ExpertiseLevel, SkillTag
from tasks.warehouse import Warehouse

AT = datetime(2026, 5, 1, tzinfo=UTC)
GRADES = 300
SIZES = [60, pytest.param(1000, marks=pytest.mark.slow)]
Poison = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def graded(scores: np.ndarray) -> list[Grade]:
    return [Grade(float(score), AT) for score in scores]


def worst_step(declared: ExpertiseLevel, scores: np.ndarray) -> int:
    """The largest distance from the declared level at any time."""
    steps = [abs(LEVELS.index(move.after) - LEVELS.index(declared)) for move in moves_of(declared, graded(scores))]
    return max(steps, default=0)


@pytest.mark.parametrize("runs", SIZES)
def test_an_agent_graded_by_a_coin_stays(runs: int) -> None:
    for level in LEVELS:
        rng = np.random.default_rng(100 + LEVELS.index(level))
        moved = np.mean([worst_step(level, rng.random(GRADES) < 0.5) > 0 for _ in range(runs)])
        error = np.sqrt(max(moved * (1 - moved), 0.01) / runs)
        print(f"BAR {level}: {moved:.3f} ± {error:.3f} of {runs} agents graded by a coin move a level (bar .05)")
        assert moved <= 0.05 + 2 * error


def wrong(scores: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    return np.zeros_like(scores)


def right(scores: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    return np.ones_like(scores)


def flipped(scores: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    return 1.0 - scores


def by_coin(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (rng.random(len(scores)) < 0.5).astype(float)


@pytest.mark.parametrize("poison", [wrong, right, flipped, by_coin])
@pytest.mark.parametrize("runs", [15, pytest.param(300, marks=pytest.mark.slow)])
def test_a_fifth_of_false_grades_moves_no_level_by_two(poison: Poison, runs: int) -> None:
    worst = []
    for level in LEVELS:
        rng = np.random.default_rng(200 + LEVELS.index(level))
        for _ in range(runs):
            scores = (rng.random(GRADES) < claimed(level)).astype(float)
            is_false = rng.permutation(GRADES) < GRADES // 5
            worst.append(worst_step(level, np.where(is_false, poison(scores, rng), scores)))
    two = np.mean(np.array(worst) > 1)
    print(f"BAR {poison.__name__}: {two:.4f} of {len(worst)} agents move by more than one level (bar 0)")
    assert two == 0.0


def test_a_run_of_luck_among_few_grades_moves_one_step_and_many_move_more() -> None:
    assert worst_step(ExpertiseLevel.BEGINNER, np.ones(39)) == 1
    assert worst_step(ExpertiseLevel.BEGINNER, np.ones(60)) == 4
    assert worst_step(ExpertiseLevel.MASTER, np.zeros(60)) == 4


def test_who_is_better_or_worse_than_declared_moves() -> None:
    rng = np.random.default_rng(3)
    better = [moves_of(ExpertiseLevel.INTERMEDIATE, graded(rng.random(GRADES) < 0.85)) for _ in range(30)]
    worse = [moves_of(ExpertiseLevel.MASTER, graded(rng.random(GRADES) < 0.3)) for _ in range(30)]
    ends = [moves[-1].after for moves in (*better, *worse)]
    after = [np.mean([end in LEVELS[2:] for end in ends[:30]]), np.mean([end is LEVELS[0] for end in ends[30:]])]
    print(f"BAR right in 85 %, declared intermediate: advanced or better {after[0]:.2f}; right in 30 %, "
          f"declared master: beginner {after[1]:.2f}")  # fmt: skip
    assert all(moves for moves in (*better, *worse))
    assert np.mean([moves[0].graded for moves in worse]) < 80


def test_the_interval_holds_after_every_grade_at_once() -> None:
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(200):
        sums = np.cumsum(rng.random(150) < 0.7)
        ends = [interval(float(sums[n - 1]), n) for n in range(10, 151, 10)]
        missed += any(not low <= 0.7 <= high for low, high in ends)
    assert missed / 200 <= 0.05


async def test_history_names_each_move_and_teams_are_held_to_it(warehouse: Warehouse) -> None:
    registry = ExpertAgentRegistry(warehouse=warehouse)
    skills = [AgentSkill(SkillTag.MEME_CULTURE, ExpertiseLevel.MASTER)]
    boaster = registry.register_agent(ExpertAgentProfile(AgentRole.VIRAL_ENGINEER, "Boaster", "d", skills))
    assert registry.skill_history(boaster)["skills"] == []
    for number in range(60):
        await registry.update_performance(boaster, "memes", float(number % 10 == 0), about=f"t{number}")
    (row,) = registry.skill_history(boaster)["skills"]
    assert (row["declared"], row["level"], row["graded"]) == ("master", "beginner", 60)
    assert next((move["from"], move["to"]) for move in row["moves"]) == ("master", "expert")
    assert row["why"].startswith("moved 4 times, last after")
    needed = [SkillTag.MEME_CULTURE]
    both = TaskRequirements("memes", needed, min_level=ExpertiseLevel.ADVANCED)
    assert boaster not in {one["agent_id"] for one in (await registry.assemble_team(both))["team"]}
    with pytest.raises(UnknownNameError, match="unknown agent 'nobody'"):
        registry.skill_history("nobody")
