"""Which of a stream of hypotheses are discoveries, decided one by one as they come, at one false discovery rate.

LORD++ (Ramdas, Yang, Wainwright and Jordan 2017, NeurIPS 30; Javanmard and Montanari 2018): hypothesis t is tested at

    α_t = γ_t·w₀ + (α − w₀)·γ_{t−τ₁} + α·Σ_{j≥2} γ_{t−τ_j},

τ_j the times of earlier discoveries, γ falling and summing to 1. Whatever their number, the expected share of false
ones among the discoveries is at most α where p-values of true null hypotheses are independent; where each is only valid
given all before it, the ratio of expectations is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import zeta

DECAY = 1.6  # of γ_t ∝ t^−1.6: spends early, where programs are tens of experiments long and not thousands
FIRST_WEALTH = 0.5  # w₀ as a share of α


def levels_of(p_values: Sequence[float], rate: float) -> NDArray[np.float64]:
    """The level (T,) that each hypothesis is tested at: it is a discovery where its p-value is at most that.

    Args:
        p_values: T of them in [0, 1], in the order in which they were decided.
        rate: α, in (0, 1).
    """
    spending = np.arange(1, len(p_values) + 1, dtype=np.float64) ** -DECAY / zeta(DECAY)
    levels = FIRST_WEALTH * rate * spending
    is_first = True
    for t, p_value in enumerate(p_values):
        if p_value <= levels[t]:
            wealth = (1.0 - FIRST_WEALTH if is_first else 1.0) * rate
            levels[t + 1 :] += wealth * spending[: len(p_values) - t - 1]
            is_first = False
    return levels
