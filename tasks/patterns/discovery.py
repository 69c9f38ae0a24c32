"""The half that searches: at most fifteen rules worth testing on the other half."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.patterns.clusters import cluster_rules
from tasks.patterns.preparation import Posts
from tasks.patterns.search import (
    MIN_ROWS,
    MIN_SCORE,
    Candidate,
    distinct,
    pair_sums,
    search,
    strongest_first,
)
from tasks.patterns.selectors import SelectorTable
from tasks.statistics.outcome import AdjustedOutcome, adjusted_outcome

Floats = NDArray[np.float64]

TIMING, CHANNEL = "timing", "channel"


@dataclass(frozen=True, slots=True)
class Discovery:
    """Rules worth testing, strongest first, in two families that are corrected for multiplicity apart.

    Differences between channels are large and nearly always there. In one family with the rest they would lower the
    bar for everything else: the false discovery rate holds on average over a family, not for its weakest members.

    Attributes:
        within_channels: at most fifteen rules compared within channel × period.
        channels: channels compared within periods.
        born: those among them that describe a cluster of posts.
    """

    within_channels: list[Candidate]
    channels: list[Candidate]
    born: set[tuple[int, ...]]


def outcome_of(
    posts: Posts, rows: NDArray[np.int64], *, across_channels: bool = False, part: NDArray[np.int64] | None = None
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


def discover(posts: Posts, table: SelectorTable, workspace_id: str) -> Discovery:
    """Search the discovery half, once within channels and once across them."""
    matches = table.matches.T[:, posts.searched].T
    outcome = outcome_of(posts, posts.searched).normal_score
    found = [c for c in search(matches, outcome, table.owner, table.alone) if table.roles(c.members) != {CHANNEL}]
    within_channels = distinct(found, matches)
    return Discovery(
        within_channels=within_channels,
        channels=_channels(posts, table, matches),
        born=_cluster_born(matches, table, workspace_id, within_channels),
    )


def _channels(posts: Posts, table: SelectorTable, matches: NDArray[np.bool_]) -> list[Candidate]:
    """Channels that stand out once the season, but not the channel, is taken out."""
    of_channels = [i for i, feature in enumerate(table.about) if feature.role == CHANNEL]
    outcome = outcome_of(posts, posts.searched, across_channels=True).normal_score
    sums = pair_sums(matches[:, of_channels], outcome)
    score, rows = np.diagonal(sums.welch()), np.diagonal(sums.count)
    found = [Candidate((i,), float(score[k]), int(rows[k])) for k, i in enumerate(of_channels)]
    return distinct(strongest_first([c for c in found if abs(c.score) >= MIN_SCORE]), matches)


def _cluster_born(
    matches: NDArray[np.bool_], table: SelectorTable, workspace_id: str, candidates: list[Candidate]
) -> set[tuple[int, ...]]:
    """Candidates that describe a cluster: its rule, or the stronger part of a rule whose other part adds nothing."""
    eligible = np.array([i for i, feature in enumerate(table.about) if feature.role != CHANNEL], dtype=np.int64)
    seed = int.from_bytes(hashlib.sha256(workspace_id.encode()).digest()[:4], "big")
    rules = cluster_rules(matches[:, eligible], table.owner[eligible], min_rows=MIN_ROWS, seed=seed)
    described = ({int(eligible[i]) for i in rule} for rule in rules)
    nearest = (next((c.members for c in candidates if set(c.members) <= rule), None) for rule in described)
    return {members for members in nearest if members is not None}
