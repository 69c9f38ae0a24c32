"""What one workspace's own posts say about every pattern of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.statistics.contrast import Contrast, stratified_design
from tasks.statistics.outcome import Codes, Floats, log_rate, strata, winsorise, within_strata
from tasks.transfer.catalogue import PATTERNS, Pattern

MIN_AGE = timedelta(days=7)  # engagement is compared once it has mostly come in
MIN_MATCHING = 3
STRATUM_DAYS = 60
HALF_DAYS = 14
MIN_HALF_SHARE = 0.35
CONTROLS_FROM_POSTS = 200  # fewer posts cannot pay for a dozen further columns
KNOWN_EXPOSURE = 0.8

ESTIMATE_SCHEMA = {
    "pattern_key": pl.String,
    "log_lift": pl.Float64,
    "standard_error": pl.Float64,
    "log_lift_a": pl.Float64,
    "log_lift_b": pl.Float64,
    "matching": pl.Int64,
    "posts": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class Posts:
    """Rows with a usable outcome, in time order: log rates (n,), and whole days since 1970 (n,)."""

    rows: pl.DataFrame
    log_rates: Floats
    day: Codes


def workspace_estimates(content: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Adjusted log-lift of each pattern among one workspace's posts, in all and in two halves.

    Args:
        content: rows of the content table of one workspace, in time order.
        as_of: posts younger than a week by then are left out.

    Returns:
        `pattern_key`, `log_lift`, `standard_error`, `log_lift_a`, `log_lift_b` (null where a half says nothing),
        `matching`, `posts`; one row for each pattern that some posts follow and others of their stratum do not.
    """
    posts = usable_posts(content, as_of)
    if posts.rows.height < 2 * MIN_MATCHING:
        return pl.DataFrame(schema=ESTIMATE_SCHEMA)
    features = posts.rows.select(pattern.holds.alias(pattern.key) for pattern in PATTERNS)
    half = _halves(posts)
    timing = [pattern for pattern in PATTERNS if pattern.insight_type == "timing"]
    across = [pattern for pattern in PATTERNS if pattern.across_channels]
    rest = [pattern for pattern in PATTERNS if pattern.insight_type != "timing" and not pattern.across_channels]
    groups = ((timing, True, _content_columns), (across, False, None), (rest, True, _time_columns))
    found = [_group(posts, features, half, patterns, within, columns) for patterns, within, columns in groups]
    return pl.concat(found).sort("pattern_key")


def usable_posts(content: pl.DataFrame, as_of: datetime) -> Posts:
    """Posts old enough whose engagement is known; per impression, else per follower, else as they are."""
    old = content.filter(pl.col("engagements") >= 0, pl.col("published_at") <= as_of - MIN_AGE)
    for exposure in ("impressions", "audience_size"):
        seen = old.filter(pl.col(exposure) > 0)
        if old.height and seen.height >= KNOWN_EXPOSURE * old.height:
            return _posts(seen, seen[exposure].to_numpy().astype(np.float64))
    return _posts(old, None)


def _posts(rows: pl.DataFrame, exposure: Floats | None) -> Posts:
    rates = log_rate(rows["engagements"].to_numpy().astype(np.float64), exposure)
    day = rows["published_at"].dt.epoch("d").cast(pl.Int64).to_numpy()
    return Posts(rows, rates, day)


def _halves(posts: Posts) -> NDArray[np.bool_]:
    """Which posts (n,) form half A: whole fortnights by hash, or every other fortnight where the hash is lopsided."""
    fortnight = posts.day // HALF_DAYS
    known = np.unique(fortnight)
    coin = {int(f): sha256(f"half|{f}".encode()).digest()[0] & 1 for f in known}
    in_a = np.array([coin[int(f)] for f in fortnight], dtype=bool)
    if not MIN_HALF_SHARE <= in_a.mean() <= 1.0 - MIN_HALF_SHARE:
        in_a = np.asarray(np.searchsorted(known, fortnight) % 2 == 0)
    return in_a


def _group(
    posts: Posts,
    features: pl.DataFrame,
    half: NDArray[np.bool_],
    patterns: Sequence[Pattern],
    within_channel: bool,
    control_columns: Any,
) -> pl.DataFrame:
    keys = [pattern.key for pattern in patterns]
    known = features.select(pl.col(keys).is_not_null()).to_numpy()
    follows = features.select(pl.col(keys).fill_null(False)).to_numpy()
    matching, others = follows.sum(axis=0), (known & ~follows).sum(axis=0)
    kept = np.flatnonzero((matching >= MIN_MATCHING) & (others >= MIN_MATCHING))
    controls = None if control_columns is None else control_columns(posts.rows)
    parts = [np.ones(len(half), dtype=bool), half, ~half]
    fits = [
        _contrast(posts, part, follows[:, kept], known[:, kept], controls, within_channel=within_channel)
        for part in parts
    ]
    error = np.maximum(fits[0].standard_error, fits[0].iid_standard_error)
    frame = pl.DataFrame(
        {
            "pattern_key": [keys[i] for i in kept],
            "log_lift": fits[0].estimate,
            "standard_error": error,
            "log_lift_a": _where_finite(fits[1]),
            "log_lift_b": _where_finite(fits[2]),
            "matching": matching[kept],
            "posts": known[:, kept].sum(axis=0),
        },
        schema=ESTIMATE_SCHEMA,
    )
    return frame.filter(pl.col("standard_error") < np.inf, pl.col("standard_error") > 0)


def only_finite(estimates: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Estimates that are numbers, halves that say nothing as null; and how many were dropped for not being numbers."""
    both = pl.col("log_lift").is_finite() & pl.col("standard_error").is_finite()
    kept = estimates.filter(both)
    halves = (pl.when(pl.col(name).is_finite()).then(name).alias(name) for name in ("log_lift_a", "log_lift_b"))
    return kept.with_columns(halves), estimates.height - kept.height


def _where_finite(fit: Contrast) -> Floats:
    return np.where(np.isfinite(fit.standard_error), fit.estimate, np.nan)


def _contrast(
    posts: Posts,
    part: NDArray[np.bool_],
    follows: NDArray[np.bool_],
    known: NDArray[np.bool_],
    controls: Floats | None,
    *,
    within_channel: bool,
) -> Contrast:
    day = posts.day[part]
    if len(day) == 0:
        nothing = np.full(follows.shape[1], np.inf)
        return Contrast(np.zeros_like(nothing), nothing, nothing, np.ones_like(nothing))
    channel = posts.rows["channel"].rank("dense").cast(pl.Int64).to_numpy()[part]
    stratum = strata(channel if within_channel else np.zeros_like(channel), day // STRATUM_DAYS)
    outcome = winsorise(within_strata(posts.log_rates[part], stratum))
    week = np.unique(day // 7, return_inverse=True)[1].astype(np.int64)
    enough = controls is not None and len(day) >= CONTROLS_FROM_POSTS
    return stratified_design(
        follows[part],
        stratum,
        week,
        valid=known[part],
        controls=controls[part] if enough and controls is not None else None,
    ).contrast(outcome)


def _time_columns(rows: pl.DataFrame) -> Floats:
    """When a post came out, for contrasts of what it says: six blocks of hours, and the weekend."""
    blocks = (pl.col("local_hour") // 4 == block for block in range(1, 6))
    return _columns(rows, [*blocks, pl.col("is_weekend")])


def _content_columns(rows: pl.DataFrame) -> Floats:
    """What a post says, for contrasts of when it came out."""
    media = (pl.col("media_type") == name for name in ("photo", "video", "link"))
    counts = (pl.col(name) > 0 for name in ("emoji_count", "hashtag_count", "link_count", "question_count"))
    return _columns(rows, [*media, *counts, pl.col("has_cta"), pl.col("word_count") > 40])


def _columns(rows: pl.DataFrame, rules: list[pl.Expr]) -> Floats:
    named = (rule.fill_null(False).cast(pl.Float64).alias(str(i)) for i, rule in enumerate(rules))
    return rows.select(named).to_numpy()
