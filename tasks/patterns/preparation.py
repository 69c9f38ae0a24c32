"""Rows that may be learned from, and the outcome each of them had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.errors import InputError
from tasks.patterns.features import FeatureColumn, as_features, feature_columns, flatten
from tasks.patterns.split import is_discovery, periods, week_numbers
from tasks.statistics.outcome import log_rate

Basis = Literal["impressions", "audience", "counts"]

MIN_AGE = timedelta(days=7)  # interactions are compared at a fixed age: a post of this morning has not failed yet
MAX_BAD_SHARE = 0.2
MIN_EXPOSURE_COVERAGE = 0.8
EXPOSURES: tuple[tuple[Basis, str], ...] = (("impressions", "impressions"), ("audience", "audience_size"))
COUNTS = ("engagements", "impressions", "audience_size")


@dataclass(frozen=True, slots=True)
class Posts:
    """n usable posts of one workspace and content type, oldest first.

    Attributes:
        features: the feature columns (n rows), typed.
        columns: what each of them is.
        published_at: (n,) instants.
        log_rate: (n,) ℓ.
        channel: (n,) codes.
        week: (n,) weeks since 1970, the clusters.
        discovery: (n,) true in the half that searches.
        basis: what engagement is divided by: impressions, audience, or nothing (counts).
        dropped: how many rows were left out, by reason.
    """

    features: pl.DataFrame
    columns: list[FeatureColumn]
    published_at: pl.Series
    log_rate: NDArray[np.float64]
    channel: NDArray[np.int64]
    week: NDArray[np.int64]
    discovery: NDArray[np.bool_]
    basis: Basis
    dropped: dict[str, int]

    @property
    def period(self) -> NDArray[np.int64]:
        """(n,) eight-week blocks."""
        return periods(self.week)


def prepare(frame: pl.DataFrame, workspace_id: str, as_of: datetime) -> Posts:
    """Clean rows of a content frame and compute their outcome.

    Raises:
        InputError: if more than a fifth of a count column is negative or not finite.
    """
    _require_sound(frame)
    basis, exposure = _basis(frame)
    usable, dropped = _usable(flatten(frame), exposure, as_of)
    columns = feature_columns(usable)
    week = week_numbers(usable["published_at"])
    interactions = usable["engagements"].cast(pl.Float64).to_numpy()
    seen = usable[exposure].cast(pl.Float64).to_numpy() if exposure else None
    return Posts(
        features=as_features(usable, columns),
        columns=columns,
        published_at=usable["published_at"],
        log_rate=log_rate(interactions, seen),
        channel=usable["channel"].rank("dense").cast(pl.Int64).to_numpy(),
        week=week,
        discovery=is_discovery(week, workspace_id),
        basis=basis,
        dropped={reason: count for reason, count in dropped.items() if count},
    )


def _require_sound(frame: pl.DataFrame) -> None:
    for name in COUNTS:
        bad = int(frame.select(_unsound(name).sum()).item() or 0)
        if bad > MAX_BAD_SHARE * len(frame):
            raise InputError(f"{bad} of {len(frame)} rows have a negative or infinite '{name}'; correct the feed")


def _unsound(name: str) -> pl.Expr:
    number = pl.col(name).cast(pl.Float64)
    return ((number < 0) | ~number.is_finite()).fill_null(False)


def _basis(frame: pl.DataFrame) -> tuple[Basis, str | None]:
    """What to divide by: the first exposure that at least four fifths of the rows with an outcome know."""
    known = frame.filter(pl.col("engagements").is_not_null())
    for basis, name in EXPOSURES:
        if len(known) and (known[name].cast(pl.Float64) >= 1).sum() >= MIN_EXPOSURE_COVERAGE * len(known):
            return basis, name
    return "counts", None


def _usable(frame: pl.DataFrame, exposure: str | None, as_of: datetime) -> tuple[pl.DataFrame, dict[str, int]]:
    """Rows that pass every rule in turn, oldest first, and how many each rule left out."""
    dropped: dict[str, int] = {}
    rules = {
        "no_outcome": pl.col("engagements").is_not_null(),
        "unsound_count": ~pl.any_horizontal(_unsound(name) for name in COUNTS),
        "in_the_future": pl.col("published_at") <= as_of,
        "too_young": pl.coalesce("measured_at", pl.lit(as_of)) - pl.col("published_at") >= MIN_AGE,
    }
    if exposure:
        rules["no_exposure"] = (pl.col(exposure) >= 1).fill_null(False)
    for reason, rule in rules.items():
        kept = frame.filter(rule)
        dropped[reason], frame = len(frame) - len(kept), kept
    newest = frame.sort("published_at", "content_id", "measured_at").unique(
        "content_id", keep="last", maintain_order=True
    )
    dropped["duplicate"] = len(frame) - len(newest)
    return newest, dropped
