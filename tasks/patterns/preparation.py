"""Rows that may be learned from, and the outcome each of them had."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.content.catalogue import ENGLISH_ONLY
from tasks.content.words import is_english
from tasks.errors import InputError
from tasks.patterns.explained import Explained, explained_by, kinds_of_posts
from tasks.patterns.features import EncodedFeature, features_of, with_attributes, words_of
from tasks.patterns.leakage import without_leaks
from tasks.statistics.group_codes import groups
from tasks.statistics.outcome import AdjustedOutcome, adjusted_outcome, log_rate
from tasks.warehouse.schema import Content

Codes = NDArray[np.int64]

Basis = Literal["impressions", "audience", "counts"]

MIN_AGE = timedelta(days=7)  # interactions are compared at a fixed age: a post of this morning has not failed yet
MAX_BAD_SHARE = 0.2
MIN_EXPOSURE_COVERAGE = 0.8
EXPOSURES: tuple[tuple[Basis, str], ...] = (("impressions", "impressions"), ("audience", "audience_size"))
COUNTS = ("engagements", "impressions", "audience_size")
UNUSABLE = {  # why rows are left out, in the order in which they are, as a person reads it
    "no_outcome": "without engagements",
    "unsound_count": "with a count below 0 or without end",
    "in_the_future": "of the future",
    "too_young": f"measured less than {MIN_AGE.days} days after they appeared",
    "no_exposure": "without what the others are divided by",
    "duplicate": "measured again later",
}
TABLE = frozenset(Content.__table__.columns.keys())  # no attribute stands in for one of these, missing or not
NOT_ENGLISH = "is made for English, and these texts are not"
EXCERPT = 80  # characters
UNREAD = ("title", "body")  # wide, and no feature: what matters about them are columns of their own

DAY_MICROSECONDS = 86_400_000_000
MONDAY_OFFSET_DAYS = 3  # 1970-01-01 was a Thursday
WEEKS_PER_PERIOD = 8


@dataclass(frozen=True, eq=False)
class Posts:
    """n usable posts of one workspace and content type, oldest first.

    Attributes:
        features: what rules may be about.
        published_at: (n,) instants.
        excerpt: (n,) how title or body begins; null where there is neither.
        content_id: (n,) names.
        log_rate: (n,) ℓ.
        channel: (n,) codes.
        week: (n,) weeks since 1970, the clusters.
        basis: what engagement is divided by: impressions, audience, or nothing (counts).
        dropped: how many rows were left out, by reason.
        refused: features that are part of the outcome, or made for another language, with the reason.
    """

    features: list[EncodedFeature]
    published_at: pl.Series
    content_id: pl.Series
    excerpt: pl.Series
    log_rate: NDArray[np.float64]
    channel: Codes
    week: Codes
    basis: Basis
    dropped: dict[str, int]
    refused: dict[str, str] = field(default_factory=dict)

    @cached_property
    def weeks(self) -> int:
        """How many weeks have posts."""
        return int(self.week_code.max(initial=-1)) + 1

    @cached_property
    def week_code(self) -> Codes:
        """(n,) the same weeks as codes 0…G−1."""
        return groups(self.week).codes

    @cached_property
    def within_channels(self) -> AdjustedOutcome:
        """The outcome beside posts of the same channel and season."""
        return adjusted_outcome(self.log_rate, self.channel, self.period)

    @cached_property
    def across_channels(self) -> AdjustedOutcome:
        """The outcome beside posts of the same season, to compare channels."""
        return adjusted_outcome(self.log_rate, np.zeros_like(self.channel), self.period)

    @cached_property
    def kinds(self) -> Explained:
        """Kinds of posts of which features are unknown together, and what they explain."""
        columns = kinds_of_posts([one.known for one in self.features])
        return explained_by(columns, (), self.within_channels)

    @cached_property
    def beside_kinds(self) -> AdjustedOutcome:
        """The outcome beside posts of the same channel and season, without what kinds of posts explain."""
        return self.kinds.taken_out(self.within_channels, range(self.kinds.kinds))

    @cached_property
    def period(self) -> Codes:
        """(n,) eight-week blocks."""
        return periods(self.week)


def prepare(frame: pl.DataFrame, as_of: datetime, attributes: Collection[str] = ()) -> Posts:
    """Clean rows of a content frame and compute their outcome.

    Args:
        frame: rows of one workspace and content type.
        as_of: last instant that counts.
        attributes: columns of the frame that are attributes too, beside what its column `attributes` holds.

    Raises:
        InputError: if more than a fifth of a count column is negative or not finite.
    """
    counts = {name: _count(frame[name]) for name in COUNTS}
    _require_sound(counts)
    basis, exposure = _basis(counts)
    rows, dropped = _usable(frame, counts, exposure, as_of)
    usable, own = with_attributes(frame.drop(UNREAD, strict=False)[rows], {*frame.columns, *TABLE})
    engagements = counts["engagements"].values[rows]
    rate = log_rate(engagements, counts[exposure].values[rows] if exposure else None)
    week = week_numbers(usable["published_at"])
    outcomes = {"engagements": engagements, "engagement rate": rate}
    features, refused = without_leaks(features_of(usable, {*attributes, *own}), outcomes, week)
    words = words_of(frame, rows)
    foreign = ENGLISH_ONLY if any(not is_english(one.tokens) for one in words if one.tokens is not None) else ()
    refused |= {one.name: NOT_ENGLISH for one in features if one.name in foreign}
    return Posts(
        features=[one for one in features if one.name not in foreign] + words,
        published_at=usable["published_at"],
        content_id=usable["content_id"],
        excerpt=_excerpt(frame)[rows],
        log_rate=rate,
        channel=features[0].numbers.astype(np.int64),
        week=week,
        basis=basis,
        dropped={reason: count for reason, count in dropped.items() if count},
        refused=refused,
    )


def _excerpt(frame: pl.DataFrame) -> pl.Series:
    """How a post's text begins, on one line: its title, unless other posts have the same."""
    if not set(UNREAD) <= set(frame.columns):
        return pl.Series("excerpt", [None], dtype=pl.String).new_from_index(0, frame.height)
    title, body = (pl.col(name).cast(pl.String) for name in UNREAD)
    own = pl.when(title.is_duplicated()).then(pl.coalesce(body, title)).otherwise(pl.coalesce(title, body))
    return frame.select(own.str.slice(0, EXCERPT).str.replace_all(r"\s+", " ").alias("excerpt")).to_series()


@dataclass(frozen=True, slots=True)
class _Count:
    """A count column: values (n,), which rows lack one, and which have one that is negative or not finite."""

    values: NDArray[np.float64]
    missing: NDArray[np.bool_]
    unsound: NDArray[np.bool_]


def _count(column: pl.Series) -> _Count:
    values, missing = column.cast(pl.Float64).to_numpy(), column.is_null().to_numpy()
    return _Count(values, missing, ~missing & ~((values >= 0) & (values < np.inf)))


def _require_sound(counts: dict[str, _Count]) -> None:
    for name, count in counts.items():
        bad, rows = int(count.unsound.sum()), len(count.values)
        if bad > MAX_BAD_SHARE * rows:
            raise InputError(f"{bad} of {rows} rows have a negative or infinite '{name}'; correct the feed")


def _basis(counts: dict[str, _Count]) -> tuple[Basis, str | None]:
    """What to divide by: the first exposure that at least four fifths of the rows with an outcome know."""
    known = ~counts["engagements"].missing
    for basis, name in EXPOSURES:
        if known.any() and (counts[name].values[known] >= 1).sum() >= MIN_EXPOSURE_COVERAGE * known.sum():
            return basis, name
    return "counts", None


def _usable(
    frame: pl.DataFrame, counts: dict[str, _Count], exposure: str | None, as_of: datetime
) -> tuple[Codes, dict[str, int]]:
    """Indices of rows that pass every rule in turn, oldest first, and how many each rule left out."""
    published, measured = frame["published_at"], frame["measured_at"].fill_null(as_of)
    failing = {
        "no_outcome": counts["engagements"].missing,
        "unsound_count": np.logical_or.reduce([count.unsound for count in counts.values()]),
        "in_the_future": (published > as_of).to_numpy(),
        "too_young": (measured - published < MIN_AGE).to_numpy(),
    }
    if exposure:
        failing["no_exposure"] = ~(counts[exposure].values >= 1)
    left, dropped = np.ones(len(frame), dtype=bool), {}
    for reason, fails in failing.items():
        dropped[reason] = int((left & fails).sum())
        left &= ~fails
    keys = frame.select("published_at", "content_id", "measured_at").with_row_index("row").filter(left)
    oldest_first = keys.sort("published_at", "content_id", "measured_at")
    rows = oldest_first["row"].filter(oldest_first["content_id"].is_last_distinct())
    dropped["duplicate"] = len(keys) - len(rows)
    return rows.to_numpy(), dropped


def week_numbers(published_at: pl.Series) -> Codes:
    """Weeks (n,) since the one that held 1970-01-01, beginning on Mondays, UTC."""
    days = published_at.cast(pl.Datetime("us", "UTC")).to_physical().to_numpy() // DAY_MICROSECONDS
    weeks: Codes = (days + MONDAY_OFFSET_DAYS) // 7
    return weeks


def periods(week: Codes) -> Codes:
    """Eight-week blocks (n,): seasons that posts are compared within."""
    return week // WEEKS_PER_PERIOD
