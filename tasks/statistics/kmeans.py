"""k-means for small tables, without the seconds it takes to import scikit-learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Codes = NDArray[np.int64]

MAX_ROUNDS = 10


def kmeans(points: Points, clusters: int, *, restarts: int, seed: int) -> Points:
    """Centers (k, p) of the best of several runs of Lloyd's algorithm on points (n, p), k-means++ starts.

    The same points and seed give the same centers. One run alone often ends in a poor local optimum (measured at a
    million rows: inertia 25 instead of 20), hence `restarts`. They go side by side, in one product a round.
    """
    generator = np.random.default_rng(seed)
    centers = np.stack([_spread_out(points, clusters, generator) for _ in range(restarts)])
    labels = np.full((len(points), restarts), -1)
    for _ in range(MAX_ROUNDS):
        nearest_centers = _per_run(points, centers).argmin(axis=2)
        if np.array_equal(nearest_centers, labels):
            break
        labels = nearest_centers
        centers = _means(points, labels, centers)
    inertia = _per_run(points, centers).min(axis=2).sum(axis=0)
    best: Points = centers[int(inertia.argmin())]
    return best


def _per_run(points: Points, centers: Points) -> Points:
    """Squared distances (n, r, k) to the centers (r, k, p) of r runs, up to the points' own norms."""
    runs, clusters, size = centers.shape
    return _distances(points, centers.reshape(-1, size)).reshape(-1, runs, clusters)


def _means(points: Points, labels: Codes, centers: Points) -> Points:
    """Means (r, k, p) of each cluster's points in each run; an empty cluster stays where it was."""
    runs, clusters, size = centers.shape
    members = np.zeros((len(points), runs * clusters), dtype=np.float32)
    members[np.arange(len(points))[:, None], labels + clusters * np.arange(runs)] = 1.0
    sizes = members.sum(axis=0)[:, None]
    means = np.where(sizes > 0, members.T @ points / np.maximum(sizes, 1), centers.reshape(-1, size))
    return means.reshape(runs, clusters, size)


def nearest(points: Points, centers: Points) -> Codes:
    """Index of the nearest center for each point (n,)."""
    labels: Codes = _distances(points, centers).argmin(axis=1)
    return labels


def _distances(points: Points, centers: Points) -> Points:
    """Squared distances (n, k) up to the points' own norms, which do not change which center is nearest."""
    distances: Points = (centers**2).sum(axis=1) - 2.0 * (points @ centers.T)
    return distances


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
