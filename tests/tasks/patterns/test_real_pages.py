"""Real Facebook pages of 2016: patterns learned on the first 70 % of time keep their sign on the last 30 %."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.content import with_features
from tasks.patterns.analysis import analyse
from tasks.patterns.encoding import rule_holds
from tasks.patterns.preparation import prepare
from tasks.patterns.records import Pattern, Question, Thresholds
from tasks.statistics.contrast import stratified_contrast
from tasks.statistics.outcome import adjusted_outcome

TRAINING_SHARE = 0.7
MIN_POSTS = 500
MIN_MATCHING = 30


@dataclass(frozen=True)
class Verdict:
    """A pattern beside what later posts say: log lifts and the later one's standard error."""

    learned: float
    later: float
    error: float
    low: float
    high: float


def page_frames(shared_data: Path, least: int = MIN_POSTS, pages: int = 1000) -> Iterator[tuple[str, pl.DataFrame]]:
    """Content rows of the pages with at least so many posts, the least busy first."""
    posts = pl.read_parquet(shared_data / "facebook_pages_2016" / "posts.parquet")
    busy = posts.group_by("page_id").len().filter(pl.col("len") >= least).sort("len", "page_id")
    for page_id in busy["page_id"].head(pages):
        yield str(page_id), _content(posts.filter(pl.col("page_id") == page_id))


def _content(posts: pl.DataFrame) -> pl.DataFrame:
    rows = posts.select(
        pl.col("page_id").alias("workspace_id"),
        pl.col("status_id").alias("content_id"),
        pl.lit("social").alias("content_type"),
        pl.lit("facebook").alias("channel"),
        pl.col("status_published").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("published_at"),
        pl.col("link_name").alias("title"),
        pl.col("status_message").alias("body"),
        pl.col("status_type").alias("media_type"),
        (pl.col("num_reactions") + pl.col("num_comments") + pl.col("num_shares")).alias("engagements"),
        pl.lit(None, dtype=pl.Int64).alias("impressions"),
        pl.lit(None, dtype=pl.Int64).alias("audience_size"),
    ).with_columns((pl.col("published_at") + timedelta(days=30)).alias("measured_at"))
    return with_features(rows.unique("content_id").sort("published_at"), {str(rows["workspace_id"][0]): "UTC"})


def verdicts(page_id: str, frame: pl.DataFrame, thresholds: Thresholds) -> list[Verdict]:
    """Each pattern of the first 70 % of the page's time, judged by the last 30 %."""
    first, last = frame["published_at"].min(), frame["published_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    cut = first + TRAINING_SHARE * (last - first)
    found = analyse(
        frame.filter(pl.col("published_at") <= cut), Question(page_id, "social", cut, 365, thresholds)
    ).patterns
    later = frame.filter(pl.col("published_at") > cut)
    judged = (_judge(pattern, page_id, later, last) for pattern in found)
    return [verdict for verdict in judged if verdict is not None]


def _judge(pattern: Pattern, page_id: str, later: pl.DataFrame, last: datetime) -> Verdict | None:
    posts = prepare(later, page_id, last)
    matches = rule_holds(posts.features, pattern.rule)
    if min(matches.sum(), (~matches).sum()) < MIN_MATCHING:
        return None
    outcome = adjusted_outcome(posts.log_rate, posts.channel, posts.period)
    week = np.unique(posts.week, return_inverse=True)[1]
    there = stratified_contrast(matches[:, None], outcome.residual, outcome.stratum, week)
    low, high = np.log1p(np.array(pattern.lift_interval_pct) / 100)
    learned = float(np.log1p(pattern.lift_pct / 100))
    return Verdict(learned, float(there.estimate[0]), float(there.standard_error[0]), float(low), float(high))


@pytest.mark.real_data
def test_patterns_of_four_real_pages_keep_their_sign(shared_data: Path) -> None:
    pages = page_frames(shared_data, least=1000, pages=4)
    found = [v for page, frame in pages for v in verdicts(page, frame, Thresholds())]
    assert len(found) >= 5
    assert np.mean([np.sign(v.learned) == np.sign(v.later) for v in found]) >= 0.8


@pytest.mark.slow
@pytest.mark.real_data
def test_patterns_of_all_real_pages_keep_their_sign(shared_data: Path) -> None:
    found = [v for page, frame in page_frames(shared_data) for v in verdicts(page, frame, Thresholds())]
    learned, later, error = (np.array([getattr(v, name) for v in found]) for name in ("learned", "later", "error"))
    kept = float(np.mean(np.sign(learned) == np.sign(later)))
    ratio = float((learned * later).sum() / (learned**2).sum())  # slope of later on learned through the origin
    own = np.array([(v.high - v.low) / (2 * 1.7) for v in found])
    agree = float(np.mean(np.abs(learned - later) <= 1.645 * np.hypot(error, own)))
    print(f"\nBAR real pages, share of {len(found)} patterns that keep their sign: {kept:.3f} (bar >= 0.85)")
    print(f"real pages, later lift as a share of the shrunken lift learned: {ratio:.3f} (unbiased is 1)")
    print(f"real pages, later lifts within the 90 % interval of the difference: {agree:.3f}")
    assert kept >= 0.85
