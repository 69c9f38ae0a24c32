"""Kinds of posts, found by their features alone; they give their names to rules.

Engagement takes no part, and a cluster is no evidence: testing a cluster on the features that formed it finds
differences in pure noise (Gao, Bien & Witten 2024). So a cluster only gives its name to a rule, which must be tested
like any other.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from tasks.patterns.adjustment import CHANNEL, WORDS
from tasks.patterns.condition_table import ConditionTable
from tasks.patterns.features import Mask
from tasks.patterns.search import MIN_ROWS, RuleCandidate
from tasks.statistics.kmeans import kmeans, nearest

Codes = NDArray[np.int64]

CLUSTERS = 6
RESTARTS = 3
SAMPLE_ROWS = 400
MIN_TYPICAL = 0.15  # a condition describes a cluster if it is this much more common inside than outside


def cluster_born(table: ConditionTable, workspace_id: str, candidates: list[RuleCandidate]) -> set[tuple[int, ...]]:
    """Rules that describe a cluster: its rule, or the stronger part of a rule whose other part adds nothing.

    Args:
        table: conditions of the workspace's posts.
        workspace_id: the seed of the clusters.
        candidates: rules to name, strongest first.
    """
    eligible = np.array(
        [i for i, feature in enumerate(table.about) if feature.role not in (CHANNEL, WORDS)], dtype=np.int64
    )
    seed = int.from_bytes(hashlib.sha256(workspace_id.encode()).digest()[:4], "big")
    rules = _cluster_rules(table.matches.T[eligible].T, table.owner[eligible], min_rows=MIN_ROWS, seed=seed)
    described = ({int(eligible[i]) for i in rule} for rule in rules)
    named = (next((c.members for c in candidates if set(c.members) <= rule), None) for rule in described)
    return {members for members in named if members is not None}


def _cluster_rules(matches: Mask, owner: Codes, *, min_rows: int, seed: int) -> list[tuple[int, ...]]:
    """Rules of one or two conditions for each cluster; empty where nothing describes it.

    Args:
        matches: (n, S) conditions to cluster on, without channels.
        owner: (S,) the feature of each.
        min_rows: the second condition is left out where fewer rows would match both.
        seed: of k-means; the same seed and rows give the same clusters.
    """
    if len(matches) < CLUSTERS * min_rows or len(np.unique(owner)) < 2:
        return []
    points = matches.astype(np.float32)
    inside = (_labels(points, seed)[:, None] == np.arange(CLUSTERS)).astype(np.float32)
    excess = _excess(points, inside)
    return [_describe(matches, owner, excess[cluster], min_rows) for cluster in range(CLUSTERS)]


def _excess(points: NDArray[np.float32], inside: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much more common each condition is inside each cluster than outside (k, S), as a difference of shares."""
    size = inside.sum(axis=0)[:, None]
    within = inside.T @ points
    outside = points.sum(axis=0) - within
    excess: NDArray[np.float32] = within / np.maximum(size, 1) - outside / np.maximum(len(points) - size, 1)
    return excess


def _labels(points: NDArray[np.float32], seed: int) -> Codes:
    """Clusters (n,) by centers fitted on an evenly spaced sample of at most 400 rows."""
    step = -(-len(points) // SAMPLE_ROWS)
    return nearest(points, kmeans(points[::step], CLUSTERS, restarts=RESTARTS, seed=seed))


def _describe(matches: Mask, owner: Codes, excess: NDArray[np.float32], min_rows: int) -> tuple[int, ...]:
    order = np.argsort(-excess, kind="stable")
    best = int(order[0])
    if excess[best] < MIN_TYPICAL:
        return ()
    for other in order[1:]:
        if excess[other] < MIN_TYPICAL:
            break
        if owner[other] != owner[best] and (matches[:, best] & matches[:, other]).sum() >= min_rows:
            return (min(best, int(other)), max(best, int(other)))
    return (best,)
