"""Team assembly is an exact optimum, and an impossible need names what is missing."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest

from tasks.errors import InputError
from tasks.swarm.errors import TeamInfeasibleError
from tasks.swarm.skills import SkillTag
from tasks.swarm.team import Need, TeamCandidate, _enumerate, _problem, best_team, solve_milp, values_of

SKILLS = [tag.value for tag in SkillTag]


def candidates(rng: random.Random, agents: int) -> list[TeamCandidate]:
    return [
        TeamCandidate(
            f"a{i:03d}",
            {skill: round(rng.uniform(0.3, 1.0), 3) for skill in rng.sample(SKILLS, rng.randint(3, 5))},
            round(rng.uniform(0.4, 0.95), 3),
        )
        for i in range(agents)
    ]


def need(rng: random.Random, people: list[TeamCandidate], **sizes: int) -> Need:
    everybody = sorted({skill for one in people for skill in one.levels})
    picked = rng.sample(everybody, min(5, len(everybody)))
    return Need(tuple(picked[:3]), tuple(picked[3:]), min_level=0.4, **sizes)


def brute_force(people: list[TeamCandidate], wanted: Need) -> float:
    problem = _problem(people, wanted)
    best = -np.inf
    for size in range(wanted.min_size, min(wanted.max_size, len(people)) + 1):
        for team in combinations(range(len(people)), size):
            best = max(best, float(values_of(problem, np.array([team]))[0]))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_seven_agents_equal_brute_force(seed: int) -> None:
    rng = random.Random(seed)
    people = candidates(rng, 7)
    wanted = need(rng, people, min_size=2, max_size=4)
    expected = brute_force(people, wanted)
    if expected == -np.inf:
        with pytest.raises(TeamInfeasibleError):
            best_team(people, wanted)
    else:
        team = best_team(people, wanted)
        assert team.method == "enumeration"
        assert team.value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_integer_program_equals_enumeration(seed: int) -> None:
    rng = random.Random(100 + seed)
    people = candidates(rng, 20)
    problem = _problem(people, need(rng, people, min_size=3, max_size=5))
    try:
        chosen, gap = solve_milp(problem)
    except TeamInfeasibleError:
        with pytest.raises(TeamInfeasibleError):
            _enumerate(problem, range(3, 6))
        return
    best = _enumerate(problem, range(3, 6))
    assert gap == 0.0
    assert values_of(problem, np.array([chosen]))[0] == pytest.approx(values_of(problem, np.array([best]))[0], abs=1e-6)


def test_two_hundred_agents_equal_enumeration_of_pairs() -> None:
    rng = random.Random(7)
    people = candidates(rng, 200)
    wanted = Need(("data_analysis",), ("storytelling", "brand_voice"), min_size=2, max_size=2, min_level=0.4)
    problem = _problem(people, wanted)
    chosen, _ = solve_milp(problem)
    best = _enumerate(problem, range(2, 3))
    assert values_of(problem, np.array([chosen]))[0] == pytest.approx(values_of(problem, np.array([best]))[0], abs=1e-6)


def test_order_of_registration_never_changes_the_team() -> None:
    rng = random.Random(5)
    people = candidates(rng, 7)
    people[0].levels.update(data_analysis=0.8, storytelling=0.8)
    wanted = Need(("data_analysis", "storytelling"), (), 2, 4, 0.4)
    teams = set()
    for _ in range(20):
        rng.shuffle(people)
        teams.add(best_team(people, wanted).members)
    assert len(teams) == 1


def test_ties_go_to_the_smaller_team_and_the_first_ids() -> None:
    people = [TeamCandidate(name, {"seo": 0.8}) for name in ("c", "b", "a")]
    assert best_team(people, Need(("seo",), (), 1, 3, 0.5)).members == ("a",)


def test_infeasible_names_the_skill_and_the_nearest_level() -> None:
    people = [TeamCandidate("a", {"seo": 0.8, "video": 0.3})]
    with pytest.raises(TeamInfeasibleError, match=r"video \(best 0.30\)"):
        best_team(people, Need(("seo", "video"), (), 1, 3, 0.5))


def test_a_team_too_small_for_its_skills_is_refused() -> None:
    people = [TeamCandidate("a", {"seo": 0.8}), TeamCandidate("b", {"copy": 0.8})]
    with pytest.raises(InputError, match="raise `max_team_size`"):
        best_team(people, Need(("seo", "copy"), (), 1, 1, 0.5))
