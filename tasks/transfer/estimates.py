"""What one workspace's own posts say about every pattern of the catalogue.

Each contrast is adjusted for when the post came out, and everything else it says. A post with a question is longer than
one without; were length not held fixed, short posts would look bad wherever questions do well. Each pattern is adjusted
for every family but its own, because two patterns of one family (some emojis, many emojis) are the same act.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import numpy as np
import polars as pl

from tasks.statistics.contrast import Contrast, stratified_contrast
from tasks.statistics.outcome import Codes, Floats, log_rate, strata, winsorize, within_strata
from tasks.transfer.catalogue import PLACE, CatalogueEntry, by_family, conditions_met
from tasks.transfer.records import Mask

MIN_AGE = timedelta(days=7)  # engagement is compared once it has mostly come in
MIN_MATCHING = 3
STRATUM_DAYS = 60
HALF_DAYS = 14
MIN_HALF_SHARE = 0.35
WEEKLY_DRIFT = 0.35  # log-lift; how far the effect in a single week lies from what it is in the long run
MIN_STANDARD_ERROR = 1e-6  # beneath it the outcome does not vary: rounding, not precision
CONTROLS_FROM_POSTS = 200  # fewer posts cannot pay for two dozen further columns
KNOWN_EXPOSURE = 0.8

ESTIMATE_SCHEMA = {
    **{"pattern_key": pl.String, "log_lift": pl.Float64, "standard_error": pl.Float64},
    **{"log_lift_a": pl.Float64, "log_lift_b": pl.Float64, "matching": pl.Int64, "posts": pl.Int64},
}

_CONTROLS: dict[str, list[pl.Expr]] = {
    "time": [*(pl.col("local_hour") // 4 == block for block in range(1, 6)), pl.col("is_weekend")],
    "media": [pl.col("media_type") == name for name in ("photo", "video", "link")],
    "length": [pl.col("word_count").log1p()],
    "mood": [pl.col("sentiment_score")],
    "cta": [pl.col("has_cta")],
} | {name: [pl.col(f"{name}_count") > 0] for name in ("emoji", "hashtag", "link", "exclamation", "question", "number")}


@dataclass(frozen=True, slots=True)
class RatedPosts:
    """Posts of one workspace with a usable outcome, or some of them: n rows in time order.

    Attributes:
        rows: columns of the content table.
        log_rates: (n,) log of engagements per exposure.
        day: (n,) whole days since 1970.
        channel: (n,) codes.
    """

    rows: pl.DataFrame
    log_rates: Floats
    day: Codes
    channel: Codes

    def contrast(
        self, part: Mask, follows: Mask, known: Mask, adjust: Floats | None, *, within_channel: bool
    ) -> Contrast:
        """Contrasts of K patterns, `follows` and `known` (n, K), over some of the posts (n,)."""
        day, channel = self.day[part], self.channel[part]
        if len(day) == 0:
            nothing = np.full(follows.shape[1], np.inf)
            return Contrast(np.zeros_like(nothing), nothing, nothing, np.ones_like(nothing))
        stratum = strata(channel if within_channel else np.zeros_like(channel), day // STRATUM_DAYS)
        outcome = winsorize(within_strata(self.log_rates[part], stratum))
        week = np.unique(day // 7, return_inverse=True)[1].astype(np.int64)
        columns = adjust[part] if adjust is not None and len(day) >= CONTROLS_FROM_POSTS else None
        return stratified_contrast(follows[part], outcome, stratum, week, valid=known[part], controls=columns)


def workspace_estimates(content: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Adjusted log-lift of each pattern among one workspace's posts, in all and in two halves.

    Args:
        content: rows of the content table of one workspace, in time order.
        as_of: posts younger than a week by then are left out.

    Returns:
        `pattern_key`, `log_lift`, `standard_error`, `log_lift_a`, `log_lift_b` (NaN where a half says nothing),
        `matching`, `posts`; one row for each pattern that some posts follow and others of their stratum do not. The
        error is that of the effect in the long run: a single week's posts, however many, show that week's effect.
    """
    posts = usable_posts(content, as_of)
    if posts.rows.height < 2 * MIN_MATCHING:
        return pl.DataFrame(schema=ESTIMATE_SCHEMA)
    features = conditions_met(posts.rows)
    columns, half = _controls(posts.rows), _half(posts.day)
    estimates = []
    for family, patterns in by_family().items():
        others = [numbers for name, numbers in columns.items() if name != family]
        adjust = None if family == PLACE else np.hstack(others)
        estimates.append(_family(posts, features, patterns, half, adjust))
    return pl.concat(estimates).sort("pattern_key")


def known_until(content: pl.DataFrame, otherwise: datetime) -> datetime:
    """When a workspace's posts were last seen: the newest measurement, or post; `otherwise` where there are none.

    What a post had gathered by then is what is known of it, however long ago that was: one that was young when its
    workspace was last exported has not grown old since. So an answer rests on the workspace's own rows alone.
    """
    newest = content.select(pl.max_horizontal(pl.col("published_at").max(), pl.col("measured_at").max())).item()
    instant: datetime = newest or otherwise
    return instant


def only_finite(estimates: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Estimates that are numbers, halves that say nothing as null; and how many were dropped for not being numbers."""
    kept = estimates.filter(pl.col("log_lift").is_finite() & pl.col("standard_error").is_finite())
    halves = (pl.when(pl.col(name).is_finite()).then(name).alias(name) for name in ("log_lift_a", "log_lift_b"))
    return kept.with_columns(halves), estimates.height - kept.height


def usable_posts(content: pl.DataFrame, as_of: datetime) -> RatedPosts:
    """Posts old enough whose engagement is known; per impression, else per follower, else as they are."""
    old = content.filter(pl.col("engagements") >= 0, pl.col("published_at") <= as_of - MIN_AGE)
    for exposure in ("impressions", "audience_size"):
        seen = old.filter(pl.col(exposure) > 0)
        if old.height and seen.height >= KNOWN_EXPOSURE * old.height:
            return _posts(seen, seen[exposure].to_numpy().astype(np.float64))
    return _posts(old, None)


def _posts(rows: pl.DataFrame, exposure: Floats | None) -> RatedPosts:
    rates = log_rate(rows["engagements"].to_numpy().astype(np.float64), exposure)
    day = rows["published_at"].dt.epoch("d").cast(pl.Int64).to_numpy()
    return RatedPosts(rows, rates, day, rows["channel"].rank("dense").cast(pl.Int64).to_numpy())


def _controls(rows: pl.DataFrame) -> dict[str, Floats]:
    """Columns (n, c) of each family of acts; a missing feature counts as its average."""
    return {family: _numbers(rows, columns) for family, columns in _CONTROLS.items()}


def _numbers(rows: pl.DataFrame, columns: list[pl.Expr]) -> Floats:
    numbers = [column.cast(pl.Float64).alias(str(i)) for i, column in enumerate(columns)]
    return rows.select(numbers).select(pl.all().fill_null(pl.all().mean()).fill_null(0.0)).to_numpy()


def _half(day: Codes) -> Mask:
    """Which posts (n,) form half A: whole fortnights by hash, or every other fortnight where the hash is lopsided."""
    fortnight = day // HALF_DAYS
    known = np.unique(fortnight)
    coin = {int(f): bool(sha256(f"half|{f}".encode()).digest()[0] & 1) for f in known}
    in_a = np.array([coin[int(f)] for f in fortnight], dtype=bool)
    if not MIN_HALF_SHARE <= in_a.mean() <= 1.0 - MIN_HALF_SHARE:
        in_a = np.asarray(np.searchsorted(known, fortnight) % 2 == 0)
    return in_a


def _family(
    posts: RatedPosts, features: pl.DataFrame, patterns: Sequence[CatalogueEntry], half: Mask, adjust: Floats | None
) -> pl.DataFrame:
    keys = [pattern.key for pattern in patterns]
    known = features.select(pl.col(keys).is_not_null()).to_numpy()
    follows = features.select(pl.col(keys).fill_null(False)).to_numpy()
    matching, others = follows.sum(axis=0), (known & ~follows).sum(axis=0)
    kept = np.flatnonzero((matching >= MIN_MATCHING) & (others >= MIN_MATCHING))
    if not len(kept):
        return pl.DataFrame(schema=ESTIMATE_SCHEMA)
    follows, known = follows[:, kept], known[:, kept]
    within = not patterns[0].across_channels
    whole, a, b = (
        posts.contrast(part, follows, known, adjust, within_channel=within)
        for part in (np.ones(len(half), dtype=bool), half, ~half)
    )
    sampling = whole.iid_standard_error
    drifting = np.hypot(sampling, WEEKLY_DRIFT / np.sqrt(_weeks(posts.day)))
    frame = pl.DataFrame(
        {
            "pattern_key": [keys[i] for i in kept],
            "log_lift": whole.estimate,
            # With few weeks the clustered error knows nothing of drift, is itself uncertain, and mostly too small.
            "standard_error": np.where(
                sampling > MIN_STANDARD_ERROR, np.maximum(whole.standard_error, drifting), sampling
            ),
            "log_lift_a": np.where(np.isfinite(a.standard_error), a.estimate, np.nan),
            "log_lift_b": np.where(np.isfinite(b.standard_error), b.estimate, np.nan),
            "matching": matching[kept],
            "posts": known.sum(axis=0),
        },
        schema=ESTIMATE_SCHEMA,
    )
    return frame.filter(pl.col("standard_error") < np.inf, pl.col("standard_error") > MIN_STANDARD_ERROR)


def _weeks(day: Codes) -> float:
    """Weeks that posts (n,) by day are spread over: of two days two sevenths, of a post a month one for each."""
    span = float(np.ptp(day) + 1) / 7.0
    return min(span, float(len(np.unique(day // 7))))
