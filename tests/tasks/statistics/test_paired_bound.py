"""A bound that promises .95 keeps it where losses are skewed, and its p-value says the same as the bound."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.statistics.paired_bound import paired_lower_bound

N = 200


def equal(random: np.random.Generator) -> np.ndarray:
    """Two equally good models with losses of their own beside what they share."""
    return 0.2 * (random.exponential(size=N) - random.exponential(size=N))


def rare_large_losses(random: np.random.Generator) -> np.ndarray:
    """Mean zero, skewness −2: mostly a little better, seldom much worse. Student's bound errs .0675 of the time."""
    return 1.0 - random.exponential(size=N)


@pytest.mark.parametrize("repetitions", [20_000, pytest.param(40_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("world", [equal, rare_large_losses])
def test_no_gain_is_called_one_at_most_one_time_in_twenty(world, repetitions: int) -> None:  # type: ignore[no-untyped-def]
    random, tolerance = np.random.default_rng(1), 2 * (0.05 * 0.95 / repetitions) ** 0.5
    found = np.mean([paired_lower_bound(world(random)).lower > 0 for _ in range(repetitions)])
    print(f"BAR retrain bound, {world.__name__}, n = {N}: {found:.4f} (bar 0.05, tolerance {tolerance:.4f})")
    assert found <= 0.05 + tolerance


def test_bound_and_p_value_say_the_same() -> None:
    random = np.random.default_rng(2)
    for shift in np.linspace(-0.2, 0.5, 200):
        found = paired_lower_bound(rare_large_losses(random) + shift)
        assert (found.lower > 0) == (found.p_value < 0.05)


def test_too_few_pairs_and_equal_ones_are_no_gain() -> None:
    assert paired_lower_bound([1.0] * 9).p_value == 1.0
    assert paired_lower_bound([0.0] * 50).p_value == 1.0
    assert paired_lower_bound([0.1] * 50).lower == pytest.approx(0.1)
