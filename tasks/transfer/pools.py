"""From noisy sums, or from siblings' estimates, to what a new workspace may expect. Post-processing: costs nothing."""

from __future__ import annotations

import numpy as np

from tasks.statistics.random_effects import random_effects
from tasks.transfer.contributions import CLIP, MAX_STANDARD_ERROR, SCALE
from tasks.transfer.noise import Integers
from tasks.transfer.records import Floats, Mask, Pool

MIN_RELEASED_SOURCES = 50  # of three contributors, two who collude subtract themselves and read off the third
MAX_POOL_ERROR = 0.12
MIN_SPREAD = 0.05**2  # between segments, and between patterns: an effect of 5 % is never a surprise
Z95 = 1.959964


def released_pool(sums: Integers, weights: Floats, noise_scale: float) -> Pool:
    """Pool segments of a release, weighted by their likeness to the target.

    Args:
        sums: (S, K, 3) noisy fixed-point sums of count, mean and product.
        weights: (S,) between 0 and 1.
        noise_scale: standard deviation of each sum's noise, in fixed point.

    Returns:
        Ratios of noisy sums; the standard errors include the noise, and the worst sampling error a contributor may
        have, because its true one was never released.
    """
    count, total, product = np.tensordot(weights, sums, axes=1).T / SCALE
    known = count >= 1.0
    n = np.where(known, count, 1.0)
    mean = np.clip(CLIP * total / n, -CLIP, CLIP)
    heterogeneity = np.clip(CLIP**2 * product / n - mean**2, 0.0, CLIP**2)
    noise = (noise_scale / SCALE) ** 2 * float(weights @ weights)
    sampling = (heterogeneity + MAX_STANDARD_ERROR**2) / n
    variance = sampling + CLIP**2 * (1.0 + (mean / CLIP) ** 2) * noise / n**2
    error = np.where(known, np.sqrt(variance), np.inf)
    mean = np.where(known, mean, 0.0)
    reach = Z95 * error
    interval = np.stack([mean - reach, mean + reach], axis=1)
    return Pool(np.where(known, n, 0.0), mean, error, heterogeneity, interval, "private_release")


def sibling_pool(estimates: Floats, standard_errors: Floats) -> Pool:
    """Pool k siblings' own estimates (k, K), exactly; a missing one has an infinite standard error."""
    found = random_effects(estimates, standard_errors)
    sources = found.sources.astype(np.float64)
    return Pool(sources, found.mean, found.standard_error, found.heterogeneity, found.interval(), "same_organisation")


def passes(pool: Pool, min_sources: int) -> Mask:
    """Which patterns (K,) enough workspaces speak of, precisely enough to be repeated."""
    if pool.mode == "same_organisation":
        return np.asarray((pool.sources >= min_sources) & np.isfinite(pool.standard_error))
    floor = max(min_sources, MIN_RELEASED_SOURCES)
    return np.asarray((pool.sources >= floor) & (pool.standard_error <= MAX_POOL_ERROR))


def partially_pooled(near: Pool, everyone: Pool, usable: Mask) -> Pool:
    """Segments like the target's, pulled towards everyone as far as their own precision leaves it open.

    Args:
        near: similar segments of the release.
        everyone: the level of all workspaces.
        usable: (K,) where `near` passes its gate; elsewhere everyone's answer stands.
    """
    both = usable & np.isfinite(everyone.standard_error)
    apart = (near.mean - everyone.mean)[both] ** 2 - near.standard_error[both] ** 2
    spread = max(float(np.mean(apart)), MIN_SPREAD) if both.any() else MIN_SPREAD
    prior = spread + everyone.standard_error**2  # infinite where everyone says nothing: then `near` stands alone
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
