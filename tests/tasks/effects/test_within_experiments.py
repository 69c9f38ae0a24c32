"""Arms are compared within their experiment; errors tell how differently texts turn out that differ in more."""

from __future__ import annotations

import numpy as np

from tasks.effects.within_experiments import ComparedArms, within_experiments


def arms(experiments: int, effect: float, spread: float, seed: int, *, declared: bool = False):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(experiments), 2)
    meets = np.tile([False, True], experiments)
    noise = np.full(2 * experiments, 0.02**2)
    level = np.repeat(rng.normal(-4.0, 1.0, experiments), 2)
    means = level + effect * meets + rng.normal(0.0, spread, len(codes)) + rng.normal(0.0, 0.02, len(codes))
    return ComparedArms(codes, means, noise, np.full(len(codes), declared)), meets[:, None]


def test_the_interval_holds_the_effect_of_texts_that_differ_in_more_than_the_condition() -> None:
    held = []
    for seed in range(200):
        some, meets = arms(40, 0.1, 0.2, seed)
        result = within_experiments(some, meets, np.ones_like(meets))
        held.append(abs(result.effect[0] - 0.1) <= 1.645 * result.standard_error[0])
    assert 0.85 <= np.mean(held) <= 0.97  # ± .04


def test_one_experiment_says_little_and_says_so_unless_it_declares_its_change() -> None:
    for declared, least, most in ((False, 0.35, 0.5), (True, 0.1, 0.2)):
        some, meets = arms(1, 0.1, 0.0, 1, declared=declared)
        result = within_experiments(some, meets, np.ones_like(meets))
        assert least < result.standard_error[0] < most
        assert result.experiments[0] == 1


def test_levels_of_experiments_and_arms_of_which_nothing_is_known_take_no_part() -> None:
    some, meets = arms(30, 0.3, 0.05, 3)
    known = np.ones_like(meets)
    known[:40] = False
    result = within_experiments(some, meets, known)
    assert result.experiments[0] == 10
    assert abs(result.effect[0] - 0.3) < 0.1
    none = within_experiments(some, np.ones_like(meets), known)
    assert (none.experiments[0], none.standard_error[0]) == (0, np.inf)
