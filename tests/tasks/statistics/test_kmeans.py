"""k-means finds groups that are there, and finds the same ones again."""

from __future__ import annotations

import numpy as np

from tasks.statistics.kmeans import kmeans, nearest


def test_separate_groups_are_found_and_found_again() -> None:
    generator = np.random.default_rng(1)
    group = generator.integers(0, 4, 800)
    points = (6 * np.eye(4, 10)[group] + generator.normal(0, 1, (800, 10))).astype(np.float32)
    centers = kmeans(points, 4, restarts=3, seed=7)
    labels = nearest(points, centers)
    assert all(np.bincount(group[labels == k]).max() > 0.95 * (labels == k).sum() for k in range(4))
    assert np.array_equal(centers, kmeans(points, 4, restarts=3, seed=7))


def test_inertia_is_as_low_as_scikit_learns() -> None:
    from sklearn.cluster import KMeans

    points = np.random.default_rng(2).random((600, 8)).astype(np.float32)
    centers = kmeans(points, 6, restarts=3, seed=1)
    inertia = ((points - centers[nearest(points, centers)]) ** 2).sum()
    assert inertia < 1.03 * KMeans(6, n_init=3, random_state=1).fit(points).inertia_


def test_equal_points_do_not_break_it() -> None:
    assert nearest(np.ones((50, 3), np.float32), kmeans(np.ones((50, 3), np.float32), 4, restarts=2, seed=0)).max() < 4
