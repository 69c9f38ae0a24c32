from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import betainc

from tasks.experiments.inference.posteriors import BetaPosterior, StudentPosterior


def brute_force(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same integrals on a grid so fine that nothing clever is needed."""
    mean = a / (a + b)
    deviation = np.sqrt(mean * (1 - mean) / (a + b + 1))
    edges = np.unique(np.clip((mean[:, None] + deviation[:, None] * np.linspace(-12, 12, 97)).ravel(), 0, 1))
    node, weight = np.polynomial.legendre.leggauss(20)
    half = np.diff(edges) / 2
    p = ((edges[:-1] + half)[:, None] + half[:, None] * node).ravel()
    w = (half[:, None] * weight).ravel()
    below = betainc(a[:, None], b[:, None], p)
    height = stats.beta.pdf(p, a[:, None], b[:, None])
    best = [float((height[k] * np.delete(below, k, 0).prod(0) * w).sum()) for k in range(len(a))]
    return np.array(best), edges[-1] - (below.prod(0) * w).sum() - mean


@pytest.mark.parametrize(
    ("n", "successes"),
    [
        ((100, 150, 2e5, 1e6), (30, 50, 6.1e4, 3.05e5)),
        ((1000,) * 4, (100, 110, 90, 105)),
        ((10, 20), (0, 0)),
        ((50,) * 10, tuple(range(1, 11))),
        ((1e6, 10), (1000, 0)),
    ],
    ids=["after a bandit", "even", "nothing yet", "ten arms", "rare and new"],
)
def test_probability_of_being_best_is_exact(n: tuple[float, ...], successes: tuple[float, ...]) -> None:
    posterior = BetaPosterior.from_counts(n, successes)
    best, loss = posterior.best_and_loss()
    expected_best, expected_loss = brute_force(posterior.a[0], posterior.b[0])
    assert best[0] == pytest.approx(expected_best, abs=1e-7)
    assert loss[0] == pytest.approx(expected_loss, abs=1e-7)
    assert best.sum() == pytest.approx(1)


def test_two_equal_arms_are_equally_likely_to_be_best() -> None:
    posterior = StudentPosterior(np.array([[1.0, 1.0]]), np.array([[0.1, 0.1]]), np.array([[30.0, 30.0]]))
    best, loss = posterior.best_and_loss()
    assert best[0] == pytest.approx([0.5, 0.5], abs=1e-9)
    assert loss[0, 0] == pytest.approx(loss[0, 1])


def test_less_is_better_turns_the_order_round() -> None:
    posterior = BetaPosterior.from_counts([500, 500], [50, 80])
    best, _ = posterior.best_and_loss()
    mirrored, _ = posterior.mirrored().best_and_loss()
    assert mirrored[0] == pytest.approx(best[0][::-1], abs=1e-9)


def test_a_hopeless_arm_has_no_negative_probability() -> None:
    """Three arms of the guide's example, a hundred posts each, where rounding alone is left of two of them."""
    location = np.array([[0.1476, 0.2519, 0.1505]])
    posterior = StudentPosterior(location, np.full((1, 3), 0.0019), np.array([[117.0, 97.0, 113.0]]))
    best, _ = posterior.best_and_loss()
    assert ((best >= 0) & (best <= 1)).all(), best
    assert best[0, 1] == pytest.approx(1)
