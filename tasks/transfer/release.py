"""The one thing that crosses organisations: noisy sums over every public segment and pattern, once a period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl

from tasks.transfer.budget import Budget
from tasks.transfer.catalogue import KEYS
from tasks.transfer.contributions import COMPONENTS, SENSITIVITY, fixed_point, require_bounded
from tasks.transfer.noise import DiscreteGaussian, Integers, Noise
from tasks.transfer.segments import EVERYONE, INDEX, SEGMENTS

_PATTERN_INDEX = {key: i for i, key in enumerate(KEYS)}


def private_sums(contributions: pl.DataFrame, budget: Budget, noise: Noise | None = None) -> Integers:
    """Sums (segments, patterns, 3) of `count`, `mean` and `product` in fixed point, noise added.

    Each contribution enters its own segment and everyone: the sum of 24 noisy segments would carry √24 times a
    segment's noise, a level of its own costs every segment √2.

    Args:
        contributions: rows of `select_contributions`.
        budget: what each unit pays.
        noise: OpenDP's discrete Gaussian unless given.

    Raises:
        PrivacyInvariantError: if a unit contributes more than the noise is made for.
    """
    values = fixed_point(contributions)
    require_bounded(values)
    return (noise or DiscreteGaussian())(exact_sums(values), budget.noise_scale(SENSITIVITY))


def exact_sums(values: pl.DataFrame) -> Integers:
    """Exact sums (segments, patterns, 3) of fixed-point contributions; never leaves this process."""
    sums = np.zeros((len(SEGMENTS), len(KEYS), len(COMPONENTS)), dtype=np.int64)
    own = values["segment"].replace_strict(INDEX, return_dtype=pl.Int64).to_numpy()
    pattern = values["pattern_key"].replace_strict(_PATTERN_INDEX, return_dtype=pl.Int64).to_numpy()
    amounts = values.select(COMPONENTS).to_numpy()
    for segment in (own, np.full_like(own, INDEX[EVERYONE])):
        np.add.at(sums, (segment, pattern), amounts)
    return sums


def sum_rows(sums: Integers, period: str) -> list[dict[str, Any]]:
    """Sums as rows of the table: one a segment, pattern key to its three numbers."""
    return [
        {"period": period, "segment": segment, "sums": dict(zip(KEYS, sums[i].tolist(), strict=True))}
        for i, segment in enumerate(SEGMENTS)
    ]


def sums_from_rows(rows: Iterable[Mapping[str, Any]]) -> Integers:
    """The inverse of `sum_rows`; what is no longer in the catalogue is left out, what is new there is 0."""
    sums = np.zeros((len(SEGMENTS), len(KEYS), len(COMPONENTS)), dtype=np.int64)
    for row in rows:
        known = row["sums"] if row["segment"] in INDEX else {}
        for key, numbers in known.items():
            if key in _PATTERN_INDEX:
                sums[INDEX[row["segment"]], _PATTERN_INDEX[key]] = numbers
    return sums
