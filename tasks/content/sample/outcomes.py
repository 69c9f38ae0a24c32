"""What simulated posts achieve: channel, season, luck of the week, the planted rules, and heavy-tailed noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray

from tasks.content.planted import Truth
from tasks.content.sample.agency import SimulatedWorkspace
from tasks.content.sample.posts import CHANNELS

Floats = NDArray[np.float64]

BASE_LOG_RATE = -3.6
NOISE, TAIL_DEGREES = 0.5, 3
CHANNEL_SPREAD, TREND_SPREAD = 0.5, 0.6
WEEKLY_PERSISTENCE, WEEKLY_SPREAD = 0.7, 0.12
IMPRESSIONS = {"smb": 6.6, "mid": 7.2, "enterprise": 8.0}  # mean of the logarithm
CLICK_SHARE = {"social": 0.2, "blog": 0.35, "email": 0.6, "ad": 0.5}
CONVERSION_SHARE = 0.06
MATURE = "14d"  # results are counted two weeks after the post, or on the last day


def outcomes(
    posts: pl.DataFrame,
    workspace: SimulatedWorkspace,
    truths: Sequence[Truth],
    levels: Mapping[str, float],
    random: Generator,
) -> pl.DataFrame:
    """`impressions`, `engagements`, `clicks`, `conversions`, `audience_size` and `measured_at` of each post.

    Args:
        posts: the content with its features and `season`, the time in [0, 1].
        workspace: whose size sets how many people see a post.
        truths: what is planted.
        levels: by channel, what it adds to the log rate.
        random: where chance comes from.
    """
    n, season = len(posts), posts["season"].to_numpy()
    log_rate = _background(posts, season, levels, random) + _planted(posts, truths)
    log_rate += NOISE * random.standard_t(TAIL_DEGREES, n) / np.sqrt(TAIL_DEGREES)
    impressions = np.exp(random.normal(IMPRESSIONS[workspace.size], 0.8, n)).astype(np.int64) + 20
    engagements = np.minimum(random.poisson(impressions * np.exp(log_rate.clip(-9, -0.1))), impressions)
    share = posts["content_type"].replace_strict(CLICK_SHARE, return_dtype=pl.Float64).to_numpy()
    clicks = random.binomial(engagements, share)
    followers = np.exp(IMPRESSIONS[workspace.size] + 1.2 + 0.5 * season)
    counts: dict[str, Any] = {
        **{"impressions": impressions, "engagements": engagements, "clicks": clicks},
        **{"conversions": random.binomial(clicks, CONVERSION_SHARE), "audience_size": followers.astype(np.int64)},
    }
    last = pl.col("published_at").max()
    measured = pl.min_horizontal(pl.col("published_at").dt.offset_by(MATURE), last)
    return posts.select(measured.alias("measured_at")).hstack(pl.DataFrame(counts))


def channel_levels(workspace: SimulatedWorkspace, random: Generator) -> dict[str, float]:
    """What each channel adds to the log rate; nothing in a null workspace, where all posts are truly alike."""
    names = sorted({name for names in CHANNELS.values() for name in names})
    drawn = random.normal(0, CHANNEL_SPREAD, len(names)) if workspace.effects else np.zeros(len(names))
    return {name: round(float(level), 4) for name, level in zip(names, drawn, strict=True)}


def _background(posts: pl.DataFrame, season: Floats, levels: Mapping[str, float], random: Generator) -> Floats:
    level = posts["channel"].replace_strict(levels, return_dtype=pl.Float64).to_numpy()
    week = (posts["published_at"].dt.epoch("d").to_numpy() + 3) // 7
    week -= week.min()
    trend = random.normal(0, TREND_SPREAD) * (season - 0.5)
    return np.asarray(BASE_LOG_RATE + level + trend + _weekly_luck(week.max() + 1, random)[week])


def _weekly_luck(weeks: int, random: Generator) -> Floats:
    """AR(1) with standard deviation WEEKLY_SPREAD."""
    shock = random.normal(0, WEEKLY_SPREAD * np.sqrt(1 - WEEKLY_PERSISTENCE**2), weeks)
    luck = np.empty(weeks)
    previous = random.normal(0, WEEKLY_SPREAD)
    for i in range(weeks):
        luck[i] = previous = WEEKLY_PERSISTENCE * previous + shock[i]
    return luck


def _planted(posts: pl.DataFrame, truths: Sequence[Truth]) -> Floats:
    effects = pl.sum_horizontal(pl.lit(0.0), *(truth.log_lift() for truth in truths))
    return posts.select(effects.alias("effect"))["effect"].to_numpy()
