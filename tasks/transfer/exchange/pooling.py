"""Several installations' releases as one pool: their noise is known, and how far they differ is estimated.

Sums of installations add up, and so do the variances of their noise. Averages of ratios would not do: a small
installation's release is mostly noise, and dividing by a noisy count makes it worse. Releases of one installation are
averaged first, as its own learner does: the same organizations are behind all of them, and count once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

import numpy as np

from tasks.transfer.pools import Z95, AveragedRelease, Estimates, averaged, pool_for
from tasks.transfer.records import Floats, Integers, Mask, Pool, Released
from tasks.transfer.release import CLIP, NOISE_FACTORS, SCALE, sums_from_rows
from tasks.transfer.similarity import EVERYONE, SEGMENT_INDEX
from tasks.transfer.store import PUBLISHED

LEAST_INSTALLATIONS = 2


@dataclass(frozen=True, slots=True)
class PoolGates:
    """What a learner asks of a pool: workspaces behind a pattern, and likeness of a segment, as for its own release."""

    min_sources: int = 3
    threshold: float = 0.7


@dataclass(frozen=True, slots=True)
class InstallationSums:
    """What all releases of one installation say together.

    Attributes:
        fingerprint: of the key that signed them; empty for this installation.
        sums: (S, K, 3) noisy sums of a period, in fixed point; or (R, 3) of what is released of experiments.
        noise_scale: standard deviation of what noise is left on everyone's core sums, in workspaces.
    """

    fingerprint: str
    sums: Floats
    noise_scale: float

    @classmethod
    def of(cls, fingerprint: str, release: AveragedRelease) -> InstallationSums:
        """An installation's releases, averaged."""
        return cls(fingerprint, release.sums, release.noise_scale)


def from_imports(rows: Sequence[Mapping[str, Any]]) -> list[InstallationSums]:
    """Stored imports as one set of sums an installation, ordered by installation."""
    return averaged_imports(rows, sums_from_rows)


def averaged_imports(
    rows: Sequence[Mapping[str, Any]], read: Callable[[Iterable[Mapping[str, Any]]], Integers]
) -> list[InstallationSums]:
    """What is read of stored imports, averaged over each installation's releases; ordered by installation."""
    releases: dict[str, list[tuple[Released, Integers]]] = {}
    for row in sorted(rows, key=itemgetter("as_of"), reverse=True):
        sums = read({"segment": name, "sums": numbers} for name, numbers in row["sums"].items())
        released = Released.from_row({**row, "status": PUBLISHED})
        releases.setdefault(row["fingerprint"], []).append((released, sums))
    return [InstallationSums.of(name, averaged(releases[name])) for name in sorted(releases)]


def pooled(target: Estimates, installations: Sequence[InstallationSums], gates: PoolGates) -> tuple[Pool, Mask]:
    """The releases as they bear on one target, and which patterns may be repeated.

    Args:
        target: one workspace.
        installations: one or more.
        gates: what may be repeated.

    Returns:
        Means over all installations. Their errors, and what a newcomer's own effect may differ by, include the variance
        between installations.
    """
    sums: Floats = np.sum([one.sums for one in installations], axis=0)
    pool, usable = pool_for(
        target, sums, noise_of(installations), min_sources=gates.min_sources, threshold=gates.threshold
    )
    between = between_installations(installations)
    if between == 0.0:
        return pool, usable
    error = np.sqrt(pool.standard_error**2 + between * _concentration(installations))
    interval = np.stack([pool.mean - Z95 * error, pool.mean + Z95 * error], axis=1)
    differs = pool.heterogeneity + between
    return replace(pool, standard_error=error, heterogeneity=differs, interval=interval), usable


def noise_of(installations: Sequence[InstallationSums]) -> float:
    """Standard deviation of the noise on everyone's core sums of all installations together, in workspaces."""
    return float(np.sqrt(sum(one.noise_scale**2 for one in installations)))


def between_installations(installations: Sequence[InstallationSums]) -> float:
    """Variance of a pattern's mean effect between installations, one for all patterns, in log-lift squared.

    By moments, from what is linear in the sums: an installation's sum less its count times the mean of all. Its square
    is expected to be count² · variance + noise + sampling, and the last is taken at its worst, so that a few
    installations that agree are not told apart by their noise.
    """
    if len(installations) < LEAST_INSTALLATIONS:
        return 0.0
    everyone = SEGMENT_INDEX[EVERYONE]
    counts, totals = (np.stack([one.sums[everyone, :, i] / SCALE for one in installations]) for i in (0, 1))
    noise = np.outer([one.noise_scale**2 for one in installations], NOISE_FACTORS[everyone, :, 0] ** 2)
    known = counts.sum(axis=0) >= 2.0 * np.sqrt(noise.sum(axis=0))
    counts, totals, noise = counts[:, known], totals[:, known], noise[:, known]
    if not known.any():
        return 0.0
    mean = np.clip(totals.sum(axis=0) / counts.sum(axis=0), -1.0, 1.0)
    apart = totals - counts * mean
    chance = noise * (1.0 + mean**2) + np.maximum(counts, 0.0)
    squared = np.maximum((counts**2 - noise).sum(axis=0), 1.0)
    degrees = 1.0 - 1.0 / len(installations)
    variance = float(((apart**2).sum(axis=0) - degrees * chance.sum(axis=0)).sum() / (degrees * squared.sum()))
    return max(variance, 0.0) * CLIP**2


def _concentration(installations: Sequence[InstallationSums]) -> Floats:
    """How much of the variance between installations is left in their mean (K,): 1 for one, 1/J for J alike."""
    everyone = SEGMENT_INDEX[EVERYONE]
    counts = np.stack([np.maximum(one.sums[everyone, :, 0], 0) / SCALE for one in installations])
    total = counts.sum(axis=0)
    return np.where(total > 0, (counts**2).sum(axis=0) / np.where(total > 0, total, 1.0) ** 2, 1.0)
