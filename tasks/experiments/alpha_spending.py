"""Group-sequential bounds: how much error each of a few scheduled looks may spend.

Lan & DeMets (1983); the exit probabilities by the recursion of Armitage, McPherson & Rowe (1969).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]
NODES = 160
WIDEST_BOUND = 9.0


def obrien_fleming_spending(information: ArrayLike, alpha: float) -> Array:
    """Error spent up to an information fraction in (0, 1]: very little early, nearly all at the end."""
    return np.asarray(2 * ndtr(-ndtri(1 - alpha / 2) / np.sqrt(information)), dtype=np.float64)


def power_spending(information: ArrayLike, alpha: float, exponent: float = 2.0) -> Array:
    """Error spent up to an information fraction, as a power of it."""
    return np.asarray(alpha * np.power(information, exponent), dtype=np.float64)


def information_fractions(n: Sequence[float], planned: float) -> Array:
    """Share of the planned units at each look; an overrun becomes the plan."""
    return np.asarray(n, dtype=np.float64) / max(max(n), planned)


def two_sided_bounds(information: ArrayLike, spent: ArrayLike) -> Array:
    """Bounds on |z| at each look such that the error spent up to look k is `spent[k]`."""
    t, budget = np.asarray(information, dtype=np.float64), np.diff(np.asarray(spent, dtype=np.float64), prepend=0.0)
    unit, weight = leggauss(NODES)
    bounds = np.empty_like(t)
    position, mass = np.zeros(1), np.ones(1)
    for look, (now, step) in enumerate(zip(t, np.diff(t, prepend=0.0), strict=True)):
        spread = float(np.sqrt(step))
        edge = _edge(position, mass, spread, max(float(budget[look]), 1e-14), float(np.sqrt(now)))
        bounds[look] = edge / np.sqrt(now)
        grid = edge * unit
        density = np.exp(-0.5 * np.square((grid[:, None] - position) / spread)) / (spread * np.sqrt(2 * np.pi))
        position, mass = grid, edge * weight * (density @ mass)
    return bounds


def _edge(position: Array, mass: Array, spread: float, budget: float, scale: float) -> float:
    """The score beyond which exactly the budgeted probability leaves, by bisection."""
    low, high = 0.0, WIDEST_BOUND * scale
    for _ in range(80):
        middle = (low + high) / 2
        leaving = float(mass @ (ndtr((-middle - position) / spread) + ndtr((position - middle) / spread)))
        low, high = (middle, high) if leaving > budget else (low, middle)
    return (low + high) / 2
