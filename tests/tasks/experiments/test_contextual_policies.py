"""Linear Thompson sampling: what it loses, what it says where the context does not matter, and what it stores."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tasks.experiments.contextual.context import Encoder
from tasks.experiments.contextual.evaluation import policy_value
from tasks.experiments.contextual.policy import FLOOR, LinearPolicy, best_of_normals, floor_after
from tasks.statistics.one_thread import one_thread
from tests.tasks.experiments.contextual_simulations import Served, Visitors, serve


@one_thread()
def run(seed: int, n: int, *, does_context_matter: bool, arms: int = 4) -> Served:
    return serve(Visitors.draw(seed, n, arms, does_context_matter=does_context_matter), seed)


def test_it_loses_a_fraction_of_what_chance_loses() -> None:
    runs = [run(seed, 4000, does_context_matter=True) for seed in range(3)]
    assert sum(one.regret for one in runs) < 0.5 * sum(one.regret_of_chance for one in runs)


def test_a_context_that_does_not_matter_is_not_said_to() -> None:
    assert sum(run(seed, 1500, does_context_matter=False).ever_claims() for seed in range(12)) <= 2


@pytest.mark.slow
def test_a_context_that_does_not_matter_is_not_said_to_at_full() -> None:
    claims = [run(seed, 5000, does_context_matter=False).ever_claims() for seed in range(200)]
    print(f"context said to matter at any look: {np.mean(claims):.3f} (200 runs, error .015 at .05)")
    assert np.mean(claims) <= 0.05 + 2 * 0.015


@pytest.mark.slow
def test_bounds_of_the_gain_over_what_was_served_hold() -> None:
    holds, errors, claims = [], [], []
    for seed in range(100):
        one = run(seed, 10_000, does_context_matter=True)
        value = policy_value(one.scored, 1.0, 0.05)
        assert value is not None
        rows = one.scored.followed >= 0
        chance, shares = one.visitors.chance[rows], one.scored.probability[rows]
        followed = chance[np.arange(len(chance)), one.scored.followed[rows]]
        truth = float((followed - (shares * chance).sum(axis=1)).mean())
        holds.append(value.over_served.lower <= truth <= value.over_served.upper)
        errors.append((value.over_served.estimate - truth) / value.over_served.standard_error)
        claims.append(value.does_context_matter)
    print(f"bounds hold {np.mean(holds):.3f}, errors of z {np.std(errors):.2f}, claims {np.mean(claims):.2f}")
    assert np.mean(holds) >= 0.95
    assert 0.6 < np.std(errors) < 1.15


def test_probabilities_are_those_of_being_best() -> None:
    rng = np.random.default_rng(0)
    mean, deviation = rng.normal(size=(3, 4)), rng.uniform(0.5, 1.5, (3, 4))
    draws = rng.normal(mean, deviation, (200_000, 3, 4)).argmax(axis=2)
    drawn = np.stack([(draws == arm).mean(axis=0) for arm in range(4)], axis=1)
    assert best_of_normals(mean, deviation) == pytest.approx(drawn, abs=0.006)


def test_the_floor_falls_to_five_percent_and_stays() -> None:
    assert floor_after(50) == 1.0
    assert floor_after(10_000) == FLOOR
    assert floor_after(400) == pytest.approx(4**-0.75)


def test_a_stored_policy_is_the_same_policy() -> None:
    visitors = Visitors.draw(1, 500, 3, does_context_matter=True)
    arm = np.random.default_rng(1).integers(0, 3, 500)
    policy = LinearPolicy.fit(["device", "hour"], visitors.contexts, arm, visitors.outcome[np.arange(500), arm], 3)
    again = LinearPolicy.from_dict(json.loads(json.dumps(policy.as_dict())))
    some = [*visitors.contexts[:50], {}, {"device": "fridge", "hour": "noon"}]
    assert (again.probabilities(some) == policy.probabilities(some)).all()
    assert again.probabilities(some, np.array([True, False, True]))[:, 1].max() == 0


def test_columns_become_numbers_that_stay_within_bounds() -> None:
    rows = [{"hour": float(k), "tag": f"t{k % 30}", "same": "x", "rare": True} for k in range(300)]
    rows += [{"hour": None, "tag": "t1", "same": "x"} for _ in range(20)]
    encoder = Encoder.fit(["hour", "tag", "same", "rare", "never"], rows)
    widths = {column.name: column.width for column in encoder.columns}
    assert widths == {"hour": 2, "tag": 10, "rare": 2}, "constants are left out, rare levels are together"
    assert encoder.width <= 40
    wild = encoder.encode([{"hour": 1e60}, {"hour": -1e60}, {"hour": "noon", "tag": "new"}, {}])
    assert np.abs(wild).max() <= 3
