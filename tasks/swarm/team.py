"""The best team for a task, exactly: by looking at every team where that is quick, else by integer programming.

Value of a team = 3 × Σ best level of each required skill + Σ best level of each preferred skill
                + Σ members' (optimistic performance − what an untried agent gets − 0.1 for taking part)
                + 0.001 × Σ best level of each other skill, so that among equals the more diverse team wins.
A level counts as it has proved in this kind of task; whether an agent covers a skill at all, as it was declared, or has
moved by graded work (`skill_levels`). A team is no larger than what covers the task, unless another member pays for
taking part. Ties go to the first ids in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.swarm.errors import TeamInfeasibleError
from tasks.swarm.performance import PRIOR, Posterior, proven_level
from tasks.swarm.profiles import ExpertAgentProfile, TaskRequirements

Levels = npt.NDArray[np.float64]

ENUMERATE_UP_TO = 20_000
MILP_SECONDS = 5.0
REQUIRED_WEIGHT, PREFERRED_WEIGHT, DIVERSITY_WEIGHT = 3.0, 1.0, 0.001
COST_OF_A_MEMBER = 0.1
TIE = 1e-9


@dataclass(frozen=True, slots=True)
class TeamCandidate:
    """An agent as team assembly sees it: effective levels by skill, and optimistic performance, all 0 to 1.

    Attributes:
        proven: levels after what was seen of it; those declared where it is left out.
    """

    agent_id: str
    levels: dict[str, float]
    performance: float = PRIOR.optimistic
    proven: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """What the team must and should cover, and how large it may be."""

    required: tuple[str, ...]
    preferred: tuple[str, ...] = ()
    min_size: int = 1
    max_size: int = 5
    min_level: float = 0.0


@dataclass(frozen=True, slots=True)
class Team:
    """The best team.

    Attributes:
        members: agent ids, in order.
        covered_by: for each required or preferred skill the member with the best level.
        value: the objective; `coverage_value` is its first two terms.
        gap: how far from proved optimal, as a share of the value; 0 when proved.
    """

    members: tuple[str, ...]
    covered_by: dict[str, str]
    value: float
    coverage_value: float
    method: str
    gap: float = 0.0


@dataclass(frozen=True, slots=True)
class Problem:
    """Arrays of one assembly: agents × skills, required columns first, then preferred, then all others.

    Attributes:
        levels: as they count.
        declared: as they decide whether an agent covers a skill.
    """

    ids: tuple[str, ...]
    skills: tuple[str, ...]
    levels: Levels
    declared: Levels
    weights: Levels
    bonus: Levels
    need: Need = field(repr=False)

    @property
    def required(self) -> int:
        """Number of required skills."""
        return len(self.need.required)


def team_for(
    requirements: TaskRequirements,
    agents: Sequence[ExpertAgentProfile],
    performance: Mapping[str, Posterior],
    levels: Mapping[str, Mapping[str, float]] | None = None,
) -> Team:
    """The best team of agents for a task, from their skills and how good each has proved at it.

    Args:
        levels: effective levels by agent and skill where they have moved since they were declared; they decide what an
            agent covers. How much it is worth there follows from its record alone, which has moved them.

    Raises:
        TeamInfeasibleError: if no allowed team covers the required skills; names them.
    """
    moved = levels or {}
    candidates = [_candidate(agent, performance[agent.agent_id], moved.get(agent.agent_id, {})) for agent in agents]
    need = Need(
        required=tuple(skill.value for skill in requirements.required_skills),
        preferred=tuple(skill.value for skill in requirements.preferred_skills),
        min_size=requirements.min_team_size,
        max_size=requirements.max_team_size,
        min_level=requirements.min_level.value_of_level,
    )
    return best_team(candidates, need)


def _candidate(agent: ExpertAgentProfile, record: Posterior, moved: Mapping[str, float]) -> TeamCandidate:
    declared = {skill.skill.value: skill.effective_level for skill in agent.skills}
    proven = {skill: proven_level(level, record) for skill, level in declared.items()}
    return TeamCandidate(agent.agent_id, {**declared, **moved}, record.optimistic, proven)


def best_team(candidates: Sequence[TeamCandidate], need: Need) -> Team:
    """The team of the highest value among those that cover every required skill at `min_level`.

    Raises:
        TeamInfeasibleError: if there is none; names the skills that no agent covers.
    """
    problem = _problem(candidates, need)
    _require_coverable(problem)
    sizes = range(need.min_size, min(need.max_size, len(problem.ids)) + 1)
    if sum(comb(len(problem.ids), size) for size in sizes) <= ENUMERATE_UP_TO:
        return describe(problem, _enumerate(problem, sizes), "enumeration")
    chosen, gap = solve_milp(problem)
    return describe(problem, chosen, "milp", gap)


def values_of(problem: Problem, teams: npt.NDArray[np.intp]) -> Levels:
    """Value of each team (teams × size, indices of agents); minus infinity where a required skill is uncovered."""
    best = problem.levels[teams].max(axis=1)
    value: Levels = best @ problem.weights + problem.bonus[teams].sum(axis=1)
    return np.where((best[:, : problem.required] <= 0.0).any(axis=1), -np.inf, value)


def describe(problem: Problem, chosen: Sequence[int], method: str, gap: float = 0.0) -> Team:
    """The team with who covers what."""
    rows = sorted(chosen)
    best = problem.levels[rows]
    named = problem.required + len(problem.need.preferred)
    covered_by = {
        skill: problem.ids[rows[int(best[:, column].argmax())]]
        for column, skill in enumerate(problem.skills[:named])
        if best[:, column].max() > 0.0
    }
    value = float(values_of(problem, np.asarray([rows]))[0])
    coverage = float(best.max(axis=0)[:named] @ problem.weights[:named])
    return Team(tuple(problem.ids[row] for row in rows), covered_by, value, coverage, method, gap)


def _problem(candidates: Sequence[TeamCandidate], need: Need) -> Problem:
    ordered = sorted(candidates, key=lambda candidate: candidate.agent_id)
    others = sorted({skill for one in ordered for skill in one.levels} - {*need.required, *need.preferred})
    skills = (*need.required, *need.preferred, *others)
    weights = [REQUIRED_WEIGHT] * len(need.required) + [PREFERRED_WEIGHT] * len(need.preferred)
    declared = _levels([one.levels for one in ordered], skills)
    levels = _levels([one.levels if one.proven is None else one.proven for one in ordered], skills)
    levels[:, : len(need.required)][declared[:, : len(need.required)] < need.min_level - TIE] = 0.0
    return Problem(
        ids=tuple(one.agent_id for one in ordered),
        skills=skills,
        levels=levels,
        declared=declared,
        weights=np.array(weights + [DIVERSITY_WEIGHT] * len(others)),
        bonus=np.array([one.performance - PRIOR.optimistic - COST_OF_A_MEMBER for one in ordered]),
        need=need,
    )


def _levels(by_skill: Sequence[Mapping[str, float]], skills: Sequence[str]) -> Levels:
    return np.array([[one.get(skill, 0.0) for skill in skills] for one in by_skill]).reshape(-1, len(skills))


def _require_coverable(problem: Problem) -> None:
    need = problem.need
    best = problem.declared.max(axis=0, initial=0.0)[: problem.required]
    missing = {
        skill: float(level)
        for skill, level in zip(need.required, best, strict=True)
        if level <= 0.0 or level < need.min_level - TIE
    }
    if missing or len(problem.ids) < need.min_size:
        raise TeamInfeasibleError(missing, need.min_level, need.max_size)


def _enumerate(problem: Problem, sizes: range) -> tuple[int, ...]:
    best: tuple[int, ...] = ()
    best_value = -np.inf
    for size in sizes:  # smaller teams first, ids in order: the first of equals is the one we want
        teams = np.array(list(combinations(range(len(problem.ids)), size)), dtype=np.intp)
        values = values_of(problem, teams)
        row = int(np.argmax(values >= values.max() - TIE))
        if values[row] > best_value + TIE:
            best_value, best = float(values[row]), tuple(int(i) for i in teams[row])
    if not best:
        raise TeamInfeasibleError({}, problem.need.min_level, problem.need.max_size)
    return best


def solve_milp(problem: Problem) -> tuple[list[int], float]:
    """Indices of the chosen agents, and the relative gap left when time ran out (0 when proved optimal).

    Variables: x_a = 1 if agent a is on the team, q_as = 1 if a is the one counted for skill s (continuous suffices,
    because levels are maximized with Σ_a q_as ≤ 1 and q_as ≤ x_a). Required skills: Σ_a q_as = 1 over agents at
    `min_level`.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    agents = len(problem.ids)
    pairs = _countable_pairs(problem)
    variables = agents + len(pairs)
    cost = np.concatenate([-problem.bonus, [-problem.weights[s] * problem.levels[a, s] for a, s in pairs]])
    integrality = np.concatenate([np.ones(agents), np.zeros(len(pairs))])
    matrix, low, high = _constraints(problem, pairs, variables)
    solution = milp(
        cost,
        integrality=integrality,
        bounds=Bounds(0.0, 1.0),
        constraints=LinearConstraint(matrix, low, high),
        options={"time_limit": MILP_SECONDS, "mip_rel_gap": 0.0},
    )
    if solution.x is None:
        raise TeamInfeasibleError({}, problem.need.min_level, problem.need.max_size)
    return [int(a) for a in np.flatnonzero(solution.x[:agents] > 0.5)], float(solution.mip_gap or 0.0)


def _countable_pairs(problem: Problem) -> list[tuple[int, int]]:
    """Agent and skill wherever the agent may be counted for the skill."""
    return [(int(a), int(s)) for a, s in np.argwhere(problem.levels > 0.0)]


def _constraints(
    problem: Problem, pairs: list[tuple[int, int]], variables: int
) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    from scipy.sparse import coo_array

    agents, skills = problem.levels.shape
    q = np.arange(agents, variables)
    a, s = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    row_of_pair = 1 + skills + np.arange(len(pairs))
    rows = np.concatenate([np.zeros(agents), 1 + s, row_of_pair, row_of_pair])
    columns = np.concatenate([np.arange(agents), q, q, a])
    entries = np.concatenate([np.ones(agents + 2 * len(pairs)), -np.ones(len(pairs))])
    shape = (1 + skills + len(pairs), variables)
    low, high = np.full(shape[0], -np.inf), np.zeros(shape[0])
    low[0], high[0] = problem.need.min_size, problem.need.max_size
    high[1 : 1 + skills] = 1.0
    low[1 : 1 + problem.required] = 1.0
    return coo_array((entries, (rows.astype(int), columns.astype(int))), shape=shape).tocsr(), low, high
