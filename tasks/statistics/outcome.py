"""What counts as success: engagement per impression, freed of channel and season, on a scale no viral post can break.

The raw rate will not do. Shares of real articles have a Hill tail index of 1.64: their variance does not exist, and a
t-test on their mean says nothing. So the log rate is compared within strata of channel × period only, and tested on
ranks of what remains.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tasks.statistics.group_codes import groups

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MIN_STRATUM_ROWS = 10
WINSOR_DEVIATIONS = 3.0
HUBER_DEVIATIONS = 2.0  # simulated under t₃ tails: mean absolute error of lifts .078 at 3, .073 at 2
MAD_TO_SD = 1.4826


@dataclass(frozen=True)
class AdjustedOutcome:
    """The outcome of n posts after adjustment.

    Attributes:
        log_rate: (n,) ℓ, before adjustment.
        within: (n,) ℓ within its stratum.
        stratum: (n,) codes 0…S−1 of the strata used.
    """

    log_rate: Floats
    within: Floats
    stratum: Codes

    @cached_property
    def residual(self) -> Floats:
        """(n,) made robust: differences are log ratios of (robust) geometric means; what lifts use."""
        return robust(self.within)

    @cached_property
    def rank_score(self) -> Floats:
        """(n,) rank scores; what tests and effect sizes use."""
        return rank_scores(self.within)

    @property
    def explained(self) -> float:
        """Share of the variance of ℓ that lies between strata."""
        total = float(np.var(self.log_rate))
        left = float(np.var(self.log_rate - stratum_means(self.log_rate, self.stratum)[self.stratum]))
        return 1.0 - left / total if total > 0 else 0.0


def adjusted_outcome(log_rates: Floats, channel: Codes, period: Codes) -> AdjustedOutcome:
    """Adjust log rates (n,) for channel × period, given as integer codes (n,)."""
    stratum = strata(channel, period)
    return AdjustedOutcome(log_rates, within_strata(log_rates, stratum), stratum)


def log_rate(interactions: Floats, exposure: Floats | None = None) -> Floats:
    """ℓ = log((k + ½) / (m + 1)) for k interactions among m exposures; log(k + ½) where there is no exposure."""
    smoothed = np.log(np.asarray(interactions, dtype=np.float64) + 0.5)
    return smoothed if exposure is None else smoothed - np.log(np.asarray(exposure, dtype=np.float64) + 1.0)


def strata(channel: Codes, period: Codes, min_rows: int = MIN_STRATUM_ROWS) -> Codes:
    """Codes 0…S−1 (n,) of channel × period; small ones join their neighbor in time, small channels join each other."""
    by_channel, by_period = groups(channel), groups(period)
    small, width = len(by_channel.rows), len(by_period.rows)
    joined = np.where(by_channel.rows < min_rows, small, np.arange(small))
    cells = groups(joined[by_channel.codes] * width + by_period.codes)
    return _merge_small(cells.numbers // max(width, 1), cells.rows, min_rows)[cells.codes]


def _merge_small(channels: Codes, counts: Codes, min_rows: int) -> Codes:
    """New code of each cell, cells sorted by channel then period: fill up forwards, a remainder joins the last."""
    merged = np.zeros(len(channels), dtype=np.int64)
    left = np.bincount(channels, weights=counts)  # rows of the channel from this cell on
    code, filled, current = -1, min_rows, -1
    for i, (channel, rows) in enumerate(zip(channels.tolist(), counts.tolist(), strict=True)):
        if channel != current or (filled >= min_rows and left[channel] >= min_rows):
            code, filled, current = code + 1, 0, channel
        merged[i] = code
        filled += rows
        left[channel] -= rows
    return merged


def stratum_means(values: Floats, stratum: Codes) -> Floats:
    """Mean of values (n,) in each stratum (S,)."""
    means: Floats = np.bincount(stratum, weights=values) / np.maximum(np.bincount(stratum), 1)
    return means


def within_strata(values: Floats, stratum: Codes) -> Floats:
    """Deviation (n,) from the stratum's mean, scaled by √(n_s / (n_s − 1)) so that small strata do not look calm."""
    rows = np.bincount(stratum)
    scale = np.sqrt(rows / np.maximum(rows - 1, 1))
    deviation: Floats = (values - stratum_means(values, stratum)[stratum]) * scale[stratum]
    return deviation


def rank_scores(values: Floats) -> Floats:
    """Wilcoxon scores √12 · ((rank − ½) / n − ½) (n,), of variance 1, ties at their mean rank.

    One row ×1000 moves nothing but its own rank. Where outcomes are normal, a difference of these scores is .98 of the
    difference in standard deviations, and tests lose 5 %; under the heavy tails that engagement has (t₃) they gain 16 %
    over normal scores (Hodges & Lehmann 1956).
    """
    scores: Floats = np.sqrt(12.0) * ((mean_ranks(values) - 0.5) / max(len(values), 1) - 0.5)
    return scores


def mean_ranks(values: Floats) -> Floats:
    """Ranks 1…n (n,) of values (n,), ties at their mean."""
    order = np.argsort(values)
    ordered = values[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))[: len(values)]
    ranks = np.empty(len(values))
    if len(first) == len(values):  # no ties
        ranks[order] = np.arange(1.0, len(values) + 1.0)
        return ranks
    counts = np.diff(first, append=len(values))
    ranks[order] = np.repeat(first + (counts + 1) / 2.0, counts)
    return ranks


def winsorize(values: Floats, deviations: float = WINSOR_DEVIATIONS) -> Floats:
    """Values (n,) pulled in to the median ± `deviations` robust standard deviations (1.4826 × median deviation)."""
    return np.clip(values, *_bounds(values, deviations)) if len(values) else values


def robust(values: Floats, deviations: float = HUBER_DEVIATIONS) -> Floats:
    """Winsorized values (n,), divided by the share of values that needed no pulling in.

    Mean differences of these are one step of Huber's (1964) estimator: as large as differences of the values
    themselves, which winsorizing alone would shrink.
    """
    if not len(values):
        return values
    low, high = _bounds(values, deviations)
    return np.clip(values, low, high) / float(np.mean((values >= low) & (values <= high)))


def _bounds(values: Floats, deviations: float) -> tuple[float, float]:
    center = float(np.median(values))
    spread = MAD_TO_SD * float(np.median(np.abs(values - center)))
    reach = deviations * spread if spread > 0 else np.inf
    return center - reach, center + reach
