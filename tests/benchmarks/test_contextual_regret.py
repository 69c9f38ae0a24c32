"""What a contextual policy loses beside vowpalwabbit's on the same visitors; prints the ratio of regrets."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tasks.experiments.contextual_simulations import Visitors, serve

pytestmark = pytest.mark.benchmark
EXPLORATIONS = ("--epsilon 0.05", "--squarecb", "--bag 5 --epsilon 0.05")
UNITS, ARMS, WORLDS = 20_000, 4, 3


def regret_of_peer(visitors: Visitors, exploration: str, seed: int) -> float:
    """Unit by unit, as it is meant to be used; it is told the scaled hour that the simulation is made with."""
    vw = pytest.importorskip("vowpalwabbit", reason="pip install vowpalwabbit beside the lock for this comparison")
    learner = vw.Workspace(f"--cb_explore_adf --quiet -q UA {exploration}")
    position = np.random.default_rng([seed, 1]).random(len(visitors.contexts))
    lost = 0.0
    for row, context in enumerate(visitors.contexts):
        shared = f"shared |U {context['device']} hour:{(context['hour'] - 11.5) / 7:.3f}"
        arms = [f"|A arm{arm}" for arm in range(ARMS)]
        shares = np.array(learner.predict([shared, *arms]))
        shares /= shares.sum()
        arm = int((position[row] > np.cumsum(shares)[:-1]).sum())
        lost += visitors.chance[row].max() - visitors.chance[row, arm]
        arms[arm] = f"{arm}:{-visitors.outcome[row, arm]}:{shares[arm]} {arms[arm]}"
        learner.learn([shared, *arms])
    return lost


def test_regret_against_vowpalwabbit() -> None:
    worlds = [Visitors.draw(seed, UNITS, ARMS, does_context_matter=True) for seed in range(WORLDS)]
    served = [serve(world, seed) for seed, world in enumerate(worlds)]
    ours = sum(one.regret for one in served)
    peers = {how: sum(regret_of_peer(world, how, seed) for seed, world in enumerate(worlds)) for how in EXPLORATIONS}
    best = min(peers.values())
    even = sum(one.regret_of_chance for one in served)
    print(f"\nregret over {WORLDS} worlds of {UNITS:,} units: {ours:.0f}; even draws {even:.0f}")
    for how, lost in peers.items():
        print(f"  vowpalwabbit {how}: {lost:.0f}")
    print(f"  ratio to its best: {ours / best:.2f} (bound 1.1)")
    assert ours <= 1.1 * best
