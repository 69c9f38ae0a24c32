"""Did two samples come from one distribution? Kolmogorov–Smirnov for numbers, chi-square for labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, kolmogorov, ndtri

Floats = NDArray[np.float64]
BINS = 1 << 16
SMALL_ROWS = 20_000  # below this, sorting is quicker than counting
MIN_EXPECTED = 5.0
FEW_ROWS, EXACT_PAIRS = 30, 100_000


@dataclass(frozen=True, slots=True)
class TwoSample:
    """One test.

    Attributes:
        statistic: Kolmogorov–Smirnov D, or the total variation distance between label shares; 0–1.
        p_value: of 'both samples come from one distribution'.
        shift: the same distance as a shift between two normals of unit variance, in standard deviations: a normal
            moved by `shift` has this D and this total variation, so numbers and labels share one scale.
    """

    statistic: float
    p_value: float

    @property
    def shift(self) -> float:
        """2 Φ⁻¹((1 + D) / 2), at most 8."""
        return min(2.0 * float(ndtri((1.0 + min(self.statistic, 1.0)) / 2.0)), 8.0)


def kolmogorov_smirnov(reference: ArrayLike, current: ArrayLike) -> TwoSample:
    """Two-sample test for numbers (n,) and (m,) without missing values; a constant column gives D = 0.

    The p-value is Kolmogorov's limit with Stephens' (1970) correction for finite samples, exact below 30 rows; ties
    make it conservative.
    """
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if not len(x) or not len(y):
        return TwoSample(0.0, 1.0)
    if min(len(x), len(y)) < FEW_ROWS:
        from scipy.stats import ks_2samp

        exact = ks_2samp(x, y, method="exact" if len(x) * len(y) <= EXACT_PAIRS else "asymp")
        return TwoSample(float(exact.statistic), float(exact.pvalue))
    statistic = ks_statistic(x, y)
    root = math.sqrt(len(x) * len(y) / (len(x) + len(y)))
    return TwoSample(statistic, float(kolmogorov((root + 0.12 + 0.11 / root) * statistic)))


def ks_statistic(x: Floats, y: Floats) -> float:
    """Largest distance between two empirical distribution functions, exact, in about linear time.

    Counts in equal bins give the distance at every bin's edges. Within a bin it cannot rise by more than the bin's
    share of x, nor fall by more than its share of y, so only points in bins that could hold the maximum are sorted.
    """
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    with np.errstate(over="ignore"):
        scale = (BINS - 1) / (high - low) if high > low else 0.0
    if scale == 0.0 or not math.isfinite(scale) or len(x) + len(y) <= SMALL_ROWS:
        return _gap(np.sort(x), np.sort(y), len(x), len(y))
    bin_x, bin_y = ((x - low) * scale).astype(np.int64), ((y - low) * scale).astype(np.int64)
    count_x, count_y = np.bincount(bin_x, minlength=BINS), np.bincount(bin_y, minlength=BINS)
    below_x, below_y = np.cumsum(count_x) - count_x, np.cumsum(count_y) - count_y
    before = below_x / len(x) - below_y / len(y)
    share_x, share_y = count_x / len(x), count_y / len(y)
    at_edges = float(np.abs(before + share_x - share_y).max())
    open_bins = np.maximum(before + share_x, share_y - before) > at_edges
    if not open_bins.any():
        return at_edges
    return max(at_edges, _gap_within(open_bins, (x, bin_x, count_x, below_x), (y, bin_y, count_y, below_y)))


Binned = tuple[Floats, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _gap_within(open_bins: NDArray[np.bool_], *samples: Binned) -> float:
    """Largest gap at the points of some bins: each point's rank is its bin's rank plus its rank within the bin."""
    picked = [np.sort(values[open_bins[bins]]) for values, bins, _, _ in samples]
    where = np.sort(np.concatenate([bins[open_bins[bins]] for _, bins, _, _ in samples]))
    points = np.sort(np.concatenate(picked))
    shares = []
    for (values, _, counts, below), chosen in zip(samples, picked, strict=True):
        chosen_below = np.cumsum(counts * open_bins) - counts * open_bins
        rank = np.searchsorted(chosen, points, side="right") - chosen_below[where] + below[where]
        shares.append(rank / len(values))
    return float(np.abs(shares[0] - shares[1]).max())


def _gap(x: Floats, y: Floats, n: int, m: int) -> float:
    """Largest gap between the distribution functions of two sorted samples."""
    points = np.concatenate([x, y])
    gaps = np.searchsorted(x, points, side="right") / n - np.searchsorted(y, points, side="right") / m
    return float(np.abs(gaps).max())


def chi_square(reference: ArrayLike, current: ArrayLike) -> TwoSample:
    """Two-sample test of homogeneity for counts (k,) of the same k labels; both samples carry noise.

    Labels expected fewer than five times are pooled first, as the limit asks for (Cochran 1954).
    """
    table = np.array([reference, current], dtype=np.float64)
    rows = table.sum(axis=1)
    if table.ndim != 2 or not rows.all():
        return TwoSample(0.0, 1.0)
    distance = float(np.abs(table[0] / rows[0] - table[1] / rows[1]).sum() / 2.0)
    pooled = _pool_rare(table)
    expected = np.outer(rows, pooled.sum(axis=0)) / rows.sum()
    statistic = float(((pooled - expected) ** 2 / expected).sum())
    freedom = pooled.shape[1] - 1
    return TwoSample(distance, float(chdtrc(freedom, statistic)) if freedom else 1.0)


def _pool_rare(table: Floats) -> Floats:
    """Columns expected fewer than five times in the smaller sample, added up into one."""
    table = table[:, table.sum(axis=0) > 0]
    rare = table.sum(axis=0) * table.sum(axis=1).min() / table.sum() < MIN_EXPECTED
    if rare.sum() < 2:
        return table
    return np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
