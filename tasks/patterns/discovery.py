"""The half that searches: at most fifteen rules worth testing on the other half, and the clusters that name some.

Clusters are kinds of posts, found by their features alone. Engagement takes no part, and a cluster is no evidence:
testing a cluster on the features that formed it finds differences in pure noise (Gao, Bien & Witten 2024). So a cluster
only gives its name to a rule, which must stand out in the search and be confirmed like any other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.patterns.condition_table import ConditionTable
from tasks.patterns.features import Mask
from tasks.patterns.preparation import Posts
from tasks.patterns.search import (
    MIN_ROWS,
    MIN_SCORE,
    RuleCandidate,
    distinct,
    pair_sums,
    search,
    strongest_first,
)
from tasks.statistics.kmeans import kmeans, nearest
from tasks.statistics.outcome import AdjustedOutcome, adjusted_outcome

Codes = NDArray[np.int64]

TIMING, CHANNEL = "timing", "channel"

CLUSTERS = 6
RESTARTS = 3
SAMPLE_ROWS = 400
MIN_TYPICAL = 0.15  # a condition describes a cluster if it is this much more common inside than outside


@dataclass(frozen=True, slots=True)
class Discovery:
    """Rules worth testing, strongest first, in two families that are corrected for multiplicity separately.

    Differences between channels are large and nearly always there. In one family with the rest they would lower the
    bar for everything else: the false discovery rate holds on average over a family, not for its weakest members.

    Attributes:
        within_channels: at most fifteen rules compared within channel × period.
        channels: channels compared within periods.
        born: those among them that describe a cluster of posts.
    """

    within_channels: list[RuleCandidate]
    channels: list[RuleCandidate]
    born: set[tuple[int, ...]]


def outcome_of(
    posts: Posts, rows: Codes, *, across_channels: bool = False, part: Codes | None = None
) -> AdjustedOutcome:
    """The outcome of some rows, adjusted for channel × period, or for period alone to compare channels.

    Args:
        posts: all of them.
        rows: which, in order.
        across_channels: whether channels are what is compared.
        part: codes of the rows' parts, if each is to be compared with its own part only.
    """
    channel = np.zeros(len(rows), dtype=np.int64) if across_channels else posts.channel[rows]
    if part is not None:
        channel = channel * (part.max(initial=0) + 1) + part
    return adjusted_outcome(posts.log_rate[rows], channel, posts.period[rows])


def discover(posts: Posts, table: ConditionTable, workspace_id: str) -> Discovery:
    """Search the discovery half, once within channels and once across them."""
    matches = table.matches.T[:, posts.searched].T
    outcome = outcome_of(posts, posts.searched).normal_score
    strong = [c for c in search(matches, outcome, table.owner, table.alone) if table.roles(c.members) != {CHANNEL}]
    within_channels = distinct(strong, matches)
    return Discovery(
        within_channels=within_channels,
        channels=_channels(posts, table, matches),
        born=_cluster_born(matches, table, workspace_id, within_channels),
    )


def _channels(posts: Posts, table: ConditionTable, matches: Mask) -> list[RuleCandidate]:
    """Channels that stand out once the season, but not the channel, is taken out."""
    of_channels = [i for i, feature in enumerate(table.about) if feature.role == CHANNEL]
    outcome = outcome_of(posts, posts.searched, across_channels=True).normal_score
    sums = pair_sums(matches[:, of_channels], outcome)
    score, rows = np.diagonal(sums.welch()), np.diagonal(sums.count)
    channels = [RuleCandidate((i,), float(score[k]), int(rows[k])) for k, i in enumerate(of_channels)]
    return distinct(strongest_first([c for c in channels if abs(c.score) >= MIN_SCORE]), matches)


def _cluster_born(
    matches: Mask, table: ConditionTable, workspace_id: str, candidates: list[RuleCandidate]
) -> set[tuple[int, ...]]:
    """Candidates that describe a cluster: its rule, or the stronger part of a rule whose other part adds nothing."""
    eligible = np.array([i for i, feature in enumerate(table.about) if feature.role != CHANNEL], dtype=np.int64)
    seed = int.from_bytes(hashlib.sha256(workspace_id.encode()).digest()[:4], "big")
    rules = _cluster_rules(matches[:, eligible], table.owner[eligible], min_rows=MIN_ROWS, seed=seed)
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
