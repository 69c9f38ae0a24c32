"""Rows that may be learned from, and the outcome each of them had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.errors import InputError
from tasks.patterns.encoding import Feature
from tasks.patterns.features import features_of, flatten
from tasks.patterns.split import is_discovery, periods, week_numbers
from tasks.statistics.outcome import log_rate

Basis = Literal["impressions", "audience", "counts"]

MIN_AGE = timedelta(days=7)  # interactions are compared at a fixed age: a post of this morning has not failed yet
MAX_BAD_SHARE = 0.2
MIN_EXPOSURE_COVERAGE = 0.8
EXPOSURES: tuple[tuple[Basis, str], ...] = (("impressions", "impressions"), ("audience", "audience_size"))
COUNTS = ("engagements", "impressions", "audience_size")
UNREAD = ("title", "body")  # wide, and no feature: what matters about them are columns of their own


@dataclass(frozen=True, eq=False)
class Posts:
    """n usable posts of one workspace and content type, oldest first.

    Attributes:
        features: what rules may speak of.
        published_at: (n,) instants.
        log_rate: (n,) ℓ.
        channel: (n,) codes.
        week: (n,) weeks since 1970, the clusters.
        discovery: (n,) true in the half that searches.
        basis: what engagement is divided by: impressions, audience, or nothing (counts).
        dropped: how many rows were left out, by reason.
    """

    features: list[Feature]
    published_at: pl.Series
    log_rate: NDArray[np.float64]
    channel: NDArray[np.int64]
    week: NDArray[np.int64]
    discovery: NDArray[np.bool_]
    basis: Basis
    dropped: dict[str, int]

    @cached_property
    def searched(self) -> NDArray[np.int64]:
        """Rows of the half that searches, in order."""
        return np.flatnonzero(self.discovery)

    @cached_property
    def confirmation(self) -> NDArray[np.int64]:
        """Rows of the other half, in order."""
        return np.flatnonzero(~self.discovery)

    @cached_property
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
    rows, dropped = _usable(frame, exposure, as_of)
    usable = flatten(frame.drop(UNREAD, strict=False)[rows])
    features = features_of(usable)
    week = week_numbers(usable["published_at"])
    interactions = usable["engagements"].cast(pl.Float64).to_numpy()
    seen = usable[exposure].cast(pl.Float64).to_numpy() if exposure else None
    return Posts(
        features=features,
        published_at=usable["published_at"],
        log_rate=log_rate(interactions, seen),
        channel=features[0].numbers.astype(np.int64),
        week=week,
        discovery=is_discovery(week, workspace_id),
        basis=basis,
        dropped={reason: count for reason, count in dropped.items() if count},
    )


def _require_sound(frame: pl.DataFrame) -> None:
    bad = frame.select(_unsound(name).sum() for name in COUNTS).row(0, named=True)
    for name, count in bad.items():
        if count > MAX_BAD_SHARE * len(frame):
            raise InputError(f"{count} of {len(frame)} rows have a negative or infinite '{name}'; correct the feed")


def _unsound(name: str) -> pl.Expr:
    number = pl.col(name).cast(pl.Float64)
    return ((number < 0) | ~number.is_finite()).fill_null(False)


def _basis(frame: pl.DataFrame) -> tuple[Basis, str | None]:
    """What to divide by: the first exposure that at least four fifths of the rows with an outcome know."""
    has_outcome = pl.col("engagements").is_not_null()
    known = frame.select(
        has_outcome.sum().alias("all"),
        *(((pl.col(name).cast(pl.Float64) >= 1) & has_outcome).sum().alias(name) for _, name in EXPOSURES),
    ).row(0, named=True)
    for basis, name in EXPOSURES:
        if known["all"] and known[name] >= MIN_EXPOSURE_COVERAGE * known["all"]:
            return basis, name
    return "counts", None


def _usable(frame: pl.DataFrame, exposure: str | None, as_of: datetime) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Indices of rows that pass every rule in turn, oldest first, and how many each rule left out."""
    failing = {
        "no_outcome": pl.col("engagements").is_null(),
        "unsound_count": pl.any_horizontal(_unsound(name) for name in COUNTS),
        "in_the_future": pl.col("published_at") > as_of,
        "too_young": pl.coalesce("measured_at", pl.lit(as_of)) - pl.col("published_at") < MIN_AGE,
    }
    if exposure:
        failing["no_exposure"] = (pl.col(exposure) < 1).fill_null(True)
    left, dropped = np.ones(len(frame), dtype=bool), {}
    for reason, fails in frame.select(rule.alias(reason) for reason, rule in failing.items()).to_dict().items():
        out = left & fails.to_numpy()
        dropped[reason] = int(out.sum())
        left &= ~out
    keys = frame.select("published_at", "content_id", "measured_at").with_row_index("row").filter(left)
    oldest_first = keys.sort("published_at", "content_id", "measured_at")
    rows = oldest_first["row"].filter(oldest_first["content_id"].is_last_distinct())
    dropped["duplicate"] = len(keys) - len(rows)
    return rows.to_numpy(), dropped
