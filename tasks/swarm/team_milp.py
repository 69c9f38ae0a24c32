"""The best team as a mixed-integer linear programme, for registries too large to look at every team.

Variables: x_a = 1 if agent a is on the team, and q_as = 1 if a is the one counted for skill s (continuous suffices:
levels enter a maximisation with Σ_a q_as ≤ 1, q_as ≤ x_a). Required skills: Σ_a q_as = 1 over agents at `min_level`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.swarm.errors import TeamInfeasibleError
from tasks.swarm.team import TIE, Problem

TIME_LIMIT_SECONDS = 5.0


def solve(problem: Problem) -> tuple[list[int], float]:
    """Indices of the chosen agents, and the relative gap left when time ran out (0 when proved optimal)."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    agents = len(problem.ids)
    pairs = _pairs(problem)
    variables = agents + len(pairs)
    cost = np.concatenate([-problem.bonus, [-problem.weights[s] * problem.levels[a, s] for a, s in pairs]])
    integrality = np.concatenate([np.ones(agents), np.zeros(len(pairs))])
    matrix, low, high = _constraints(problem, pairs, variables)
    found = milp(
        cost,
        integrality=integrality,
        bounds=Bounds(0.0, 1.0),
        constraints=LinearConstraint(matrix, low, high),
        options={"time_limit": TIME_LIMIT_SECONDS, "mip_rel_gap": 0.0},
    )
    if found.x is None:
        raise TeamInfeasibleError({}, problem.need.min_level, problem.need.max_size)
    return [int(a) for a in np.flatnonzero(found.x[:agents] > 0.5)], float(found.mip_gap or 0.0)


def _pairs(problem: Problem) -> list[tuple[int, int]]:
    """Agent and skill wherever the agent may be counted for the skill."""
    usable = problem.levels > 0.0
    usable[:, : problem.required] &= problem.levels[:, : problem.required] >= problem.need.min_level - TIE
    return [(int(a), int(s)) for a, s in np.argwhere(usable)]


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
