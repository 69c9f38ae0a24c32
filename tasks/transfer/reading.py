"""From stored rows to arrays over the catalogue, and from a release to the pool that fits a target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from tasks.statistics.outcome import Codes
from tasks.transfer.catalogue import KEYS
from tasks.transfer.contributions import SCALE
from tasks.transfer.noise import Integers
from tasks.transfer.pools import partially_pooled, passes, released_pool
from tasks.transfer.records import Floats, Mask, Pool
from tasks.transfer.segments import EVERYONE, INDEX, SEGMENTS, Profile
from tasks.transfer.similarity import similarity

_PLACE = {key: i for i, key in enumerate(KEYS)}


@dataclass(frozen=True, slots=True)
class Estimates:
    """Effects of W workspaces over the catalogue.

    Attributes:
        profiles: (W,) what is public about them.
        effect: (W, K) log-lifts, 0 where unknown.
        error: (W, K) standard errors, infinite where unknown.
        posts: (W,) posts behind them; 0 for a segment, whose posts nobody counts.
    """

    profiles: list[Profile]
    effect: Floats
    error: Floats
    posts: Floats

    def like(self, target: Profile, threshold: float) -> Estimates:
        """Those at least this similar to a target by metadata.

        Not by what works for them: siblings chosen for agreeing with the target would only repeat what it knows.
        """
        kept = np.flatnonzero([profile.likeness(target) >= threshold for profile in self.profiles])
        return Estimates([self.profiles[i] for i in kept], self.effect[kept], self.error[kept], self.posts[kept])


def similarity_of(a: Estimates, i: int, b: Estimates, j: int) -> float:
    """Likeness of the i-th of `a` and the j-th of `b`."""
    return similarity((a.profiles[i], b.profiles[j]), (a.effect[i], b.effect[j]), (a.error[i], b.error[j]))


def own_of(rows: pl.DataFrame, industry: str, size: str) -> Estimates:
    """One workspace's estimate rows; also where there are none."""
    return _estimates([Profile.of(industry, size)], np.zeros(rows.height, dtype=np.int64), rows)


def siblings_of(rows: pl.DataFrame) -> Estimates:
    """Estimate rows of several workspaces, with their `industry` and `size`."""
    names = rows.select("workspace_id", "industry", "size").unique("workspace_id").sort("workspace_id")
    place = {name: i for i, name in enumerate(names["workspace_id"])}
    workspace = np.array([place[name] for name in rows["workspace_id"]], dtype=np.int64)
    return _estimates([Profile.of(row[1], row[2]) for row in names.rows()], workspace, rows)


def _estimates(profiles: list[Profile], workspace: Codes, rows: pl.DataFrame) -> Estimates:
    """Rows over the catalogue, `workspace` the place of each row's among the profiles."""
    effect = np.zeros((len(profiles), len(KEYS)))
    error, posts = np.full_like(effect, np.inf), np.zeros(len(profiles))
    known = np.array([key in _PLACE for key in rows["pattern_key"]], dtype=bool)
    column = np.array([_PLACE.get(key, 0) for key in rows["pattern_key"]], dtype=np.int64)[known]
    effect[workspace[known], column] = rows["log_lift"].to_numpy()[known]
    error[workspace[known], column] = rows["standard_error"].to_numpy()[known]
    np.maximum.at(posts, workspace, rows["posts"].to_numpy().astype(np.float64))
    return Estimates(profiles, effect, error, posts)


def prototypes(sums: Integers, noise_scale: float, min_sources: int) -> Estimates:
    """Each segment of a release as if it were a workspace; a pattern that fails its gate is unknown."""
    pools = [released_pool(sums[i : i + 1], np.ones(1), noise_scale * SCALE) for i in range(len(SEGMENTS))]
    error = np.stack([np.where(passes(pool, min_sources), pool.standard_error, np.inf) for pool in pools])
    profiles = [Profile.of_segment(segment) for segment in SEGMENTS]
    return Estimates(profiles, np.stack([pool.mean for pool in pools]), error, np.zeros(len(pools)))


def pool_for(
    target: Estimates, sums: Integers, noise_scale: float, *, min_sources: int, threshold: float
) -> tuple[Pool, Mask]:
    """The release as it bears on one target, and which patterns may be repeated.

    Only the target's own vector and the noisy sums go in: whatever comes out has been paid for.
    """
    near = prototypes(sums, noise_scale, min_sources)
    likeness = np.array(
        [0.0 if name == EVERYONE else similarity_of(target, 0, near, i) for i, name in enumerate(SEGMENTS)]
    )
    weights = np.where(likeness >= threshold, likeness, 0.0)
    everyone = released_pool(sums[INDEX[EVERYONE]][None], np.ones(1), noise_scale * SCALE)
    local = released_pool(sums, weights, noise_scale * SCALE)
    usable = passes(local, min_sources)
    return partially_pooled(local, everyone, usable), usable | passes(everyone, min_sources)
