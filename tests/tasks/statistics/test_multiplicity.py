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
