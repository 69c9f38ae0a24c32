"""Benjamini–Hochberg agrees with scipy and holds the rate it names."""

from __future__ import annotations

import numpy as np
from scipy.stats import false_discovery_control

from tasks.statistics.multiplicity import benjamini_hochberg


def test_agrees_with_scipy() -> None:
    p = np.random.default_rng(1).random(40) ** 3
    assert np.allclose(benjamini_hochberg(p), false_discovery_control(p))


def test_no_tests_no_q_values() -> None:
    assert benjamini_hochberg([]).shape == (0,)


def test_tests_that_cannot_be_discoveries_are_paid_for() -> None:
    g = np.random.default_rng(2)
    listed, others = g.random(30) ** 3, np.ones(70)
    whole = false_discovery_control(np.concatenate([listed, others]))[:30]
    assert np.allclose(benjamini_hochberg(listed, np.full(30, 0.01)), whole)


def test_a_budget_shared_out_beforehand_holds_the_rate() -> None:
    """2,000 rounds of 50 nulls and 10 effects, singles at .7 and pairs at .3 of a rate of .10."""
    g, shares = np.random.default_rng(3), np.repeat([0.7 / 40, 0.3 / 20], [40, 20])
    true = np.arange(60) % 6 == 0
    false_shares = []
    for _ in range(2000):
        p = np.where(true, g.random(60) ** 8, g.random(60))
        found = benjamini_hochberg(p, shares) <= 0.10
        false_shares.append((found & ~true).sum() / max(found.sum(), 1))
    assert 0.06 < np.mean(false_shares) <= 0.10
