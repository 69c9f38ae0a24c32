"""From stored estimates and noisy sums to what a target may expect. Post-processing of a release: costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, sqrt

import numpy as np
import polars as pl

from tasks.statistics.outcome import Codes
from tasks.statistics.random_effects import random_effects
from tasks.transfer.catalogue import INDEX, KEYS
from tasks.transfer.privacy import PERIOD
from tasks.transfer.records import Floats, Integers, Mask, Pool, Released
from tasks.transfer.release import CLIP, MAX_STANDARD_ERROR, NOISE_FACTORS, SCALE
from tasks.transfer.similarity import EVERYONE, SEGMENT_INDEX, SEGMENTS, Profile, similarity

MIN_RELEASED_SOURCES = 50  # of three contributors, two who collude subtract themselves and read off the third
MAX_POOL_ERROR = 0.12
MIN_SPREAD = 0.05**2  # between segments, and between patterns: an effect of 5 % is never a surprise
USUAL_SPREAD = 0.2**2  # variance of a catalogue entry's effect between workspaces
KEPT_A_PERIOD = 0.9  # of a release's weight: what was released a year ago counts for a fourth
Z95 = 1.959964


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


@dataclass(frozen=True, slots=True)
class AveragedRelease:
    """Several releases as one; averaging what is public costs nothing, and noise averages out.

    Attributes:
        sums: (S, K, 3) weighted means of the releases' sums, in fixed point; or (R, 3) of those about experiments.
        noise_scale: standard deviation of the noise left on everyone's core sums, in workspaces.
        as_of: of the newest release.
        period: of the newest release.
    """

    sums: Floats
    noise_scale: float
    as_of: datetime
    period: str


def averaged(releases: Sequence[tuple[Released, Integers]]) -> AveragedRelease:
    """Releases, newest first, as one: each weighs less by its age, and by the square of its noise."""
    newest = releases[0][0]
    ages = np.array([(newest.as_of - one.as_of) / PERIOD for one, _ in releases])
    noise = np.array([one.noise_scale for one, _ in releases])
    weights = KEPT_A_PERIOD**ages / np.maximum(noise, 1e-9) ** 2
    weights /= weights.sum()
    sums = np.tensordot(weights, np.stack([sums for _, sums in releases]).astype(np.float64), axes=1)
    return AveragedRelease(sums, float(np.sqrt(weights**2 @ noise**2)), newest.as_of, newest.period)


def workspaces_needed(noise_scale: float, min_sources: int) -> int:
    """How many must answer before a release with this noise, in workspaces, says something about the core."""
    sampling = USUAL_SPREAD + MAX_STANDARD_ERROR**2
    enough = (sampling + sqrt(sampling**2 + (2.0 * MAX_POOL_ERROR * CLIP * noise_scale) ** 2)) / (2 * MAX_POOL_ERROR**2)
    return max(min_sources, MIN_RELEASED_SOURCES, ceil(enough))


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
    known = np.array([key in INDEX for key in rows["pattern_key"]], dtype=bool)
    column = np.array([INDEX.get(key, 0) for key in rows["pattern_key"]], dtype=np.int64)[known]
    effect[workspace[known], column] = rows["log_lift"].to_numpy()[known]
    error[workspace[known], column] = rows["standard_error"].to_numpy()[known]
    np.maximum.at(posts, workspace, rows["posts"].to_numpy().astype(np.float64))
    return Estimates(profiles, effect, error, posts)


def released_pool(sums: Integers | Floats, weights: Floats, noise_scale: float) -> Pool:
    """Pool segments of a release, weighted by their likeness to the target.

    Args:
        sums: (S, K, 3) noisy fixed-point sums of count, mean and product, of all segments.
        weights: (S,) between 0 and 1.
        noise_scale: standard deviation of the noise of everyone's core sums, in fixed point; the others' is
            `NOISE_FACTORS` times that.

    Returns:
        Ratios of noisy sums; the standard errors include the noise, and the worst sampling error a contributor may
        have, because its true one was never released.
    """
    count, total, product = np.tensordot(weights, sums, axes=1).T / SCALE
    known = count >= 1.0
    n = np.where(known, count, 1.0)
    mean = np.clip(CLIP * total / n, -CLIP, CLIP)
    noise, _, noise_of_product = (noise_scale / SCALE) ** 2 * np.tensordot(weights**2, NOISE_FACTORS**2, axes=1).T
    noise_of_spread = CLIP**4 * noise_of_product / n**2
    heterogeneity = _denoised(CLIP**2 * product / n - mean**2, np.where(known, noise_of_spread, np.inf))
    sampling = (heterogeneity + MAX_STANDARD_ERROR**2) / n
    variance = sampling + CLIP**2 * (1.0 + (mean / CLIP) ** 2) * noise / n**2
    error = np.where(known, np.sqrt(variance), np.inf)
    mean = np.where(known, mean, 0.0)
    reach = Z95 * error
    interval = np.stack([mean - reach, mean + reach], axis=1)
    return Pool(np.where(known, n, 0.0), mean, error, heterogeneity, interval, "private_release")


def _denoised(spread: Floats, noise: Floats) -> Floats:
    """Variances between workspaces (K,), each drawn toward their average as far as its noise's variance (K,) asks."""
    weight = 1.0 / (noise + MIN_SPREAD**2)
    total = float(weight.sum())
    average = float(weight @ spread) / total if total > 0 else 0.0
    known = np.isfinite(noise)
    between = max(float(np.mean(((spread - average) ** 2 - noise)[known])), MIN_SPREAD**2) if known.any() else 0.0
    share = between / (between + noise)
    return np.clip(average + share * (spread - average), 0.0, CLIP**2)


def sibling_pool(estimates: Floats, standard_errors: Floats) -> Pool:
    """Pool k siblings' own estimates (k, K), exactly; a missing one has an infinite standard error."""
    pooled = random_effects(estimates, standard_errors)
    sources = pooled.sources.astype(np.float64)
    return Pool(
        *(sources, pooled.mean, pooled.standard_error, pooled.heterogeneity, pooled.interval()), "same_organisation"
    )


def passes(pool: Pool, min_sources: int) -> Mask:
    """Which patterns (K,) enough workspaces know, precisely enough to be repeated."""
    if pool.mode == "same_organisation":
        return np.asarray((pool.sources >= min_sources) & np.isfinite(pool.standard_error))
    floor = max(min_sources, MIN_RELEASED_SOURCES)
    return np.asarray((pool.sources >= floor) & (pool.standard_error <= MAX_POOL_ERROR))


def partially_pooled(near: Pool, everyone: Pool, usable: Mask) -> Pool:
    """Segments like the target's, pulled toward everyone as far as their own precision leaves it open.

    Args:
        near: similar segments of the release.
        everyone: the level of all workspaces.
        usable: (K,) where `near` passes its gate; elsewhere everyone's answer stands.
    """
    both = usable & np.isfinite(everyone.standard_error)
    apart = (near.mean - everyone.mean)[both] ** 2 - near.standard_error[both] ** 2
    spread = max(float(np.mean(apart)), MIN_SPREAD) if both.any() else MIN_SPREAD
    prior = spread + everyone.standard_error**2  # infinite where everyone knows nothing: then `near` stands alone
    near_error = np.where(usable, near.standard_error, 1.0)
    factor = np.where(usable, 1.0 / (1.0 + near_error**2 / prior), 0.0)
    mean = factor * near.mean + (1.0 - factor) * everyone.mean
    error = np.where(usable, np.sqrt(factor) * near_error, everyone.standard_error)
    reach = Z95 * error
    return Pool(
        np.where(usable, near.sources, everyone.sources),
        mean,
        error,
        np.where(usable, near.heterogeneity, everyone.heterogeneity),
        np.stack([mean - reach, mean + reach], axis=1),
        near.mode,
    )


def prototypes(sums: Integers | Floats, noise_scale: float, min_sources: int) -> Estimates:
    """Each segment of a release as if it were a workspace; a pattern that fails its gate is unknown."""
    pools = [released_pool(sums, one, noise_scale * SCALE) for one in np.eye(len(SEGMENTS))]
    error = np.stack([np.where(passes(pool, min_sources), pool.standard_error, np.inf) for pool in pools])
    profiles = [Profile.of_segment(segment) for segment in SEGMENTS]
    return Estimates(profiles, np.stack([pool.mean for pool in pools]), error, np.zeros(len(pools)))


def pool_for(
    target: Estimates, sums: Integers | Floats, noise_scale: float, *, min_sources: int, threshold: float
) -> tuple[Pool, Mask]:
    """The release as it bears on one target, and which patterns may be repeated.

    Only the target's own vector and the noisy sums go in: whatever comes out has been paid for.
    """
    near = prototypes(sums, noise_scale, min_sources)
    likeness = np.array(
        [0.0 if name == EVERYONE else similarity_of(target, 0, near, i) for i, name in enumerate(SEGMENTS)]
    )
    weights = np.where(likeness >= threshold, likeness, 0.0)
    everyone = released_pool(sums, np.eye(len(SEGMENTS))[SEGMENT_INDEX[EVERYONE]], noise_scale * SCALE)
    local = released_pool(sums, weights, noise_scale * SCALE)
    usable = passes(local, min_sources)
    return partially_pooled(local, everyone, usable), usable | passes(everyone, min_sources)
