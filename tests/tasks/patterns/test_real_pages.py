"""Real Facebook pages of 2016: patterns learned on the first 70 % of time keep their sign on the last 30 %."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import stdtrit

from tasks.content import with_features
from tasks.patterns.adjustment import log_rate_contrasts
from tasks.patterns.analysis import analyze
from tasks.patterns.condition_table import ConditionTable, condition_table
from tasks.patterns.preparation import Posts, prepare
from tasks.patterns.records import Pattern, PatternQuery, SearchThresholds
from tasks.patterns.search import RuleCandidate, rule_matches

TRAINING_SHARE = 0.7
MIN_POSTS = 500
MIN_MATCHING = 30


@dataclass(frozen=True)
class Verdict:
    """A pattern beside what later posts say, both adjusted alike: log lifts and half widths of 90 % intervals."""

    page: str
    learned: float
    reach: float
    confidence: float
    later: float
    later_reach: float


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


def verdicts(page_id: str, frame: pl.DataFrame, thresholds: SearchThresholds) -> list[Verdict]:
    """Each pattern of the first 70 % of the page's time, judged by the last 30 %."""
    first, last = frame["published_at"].min(), frame["published_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    cut = first + TRAINING_SHARE * (last - first)
    past, later = frame.filter(pl.col("published_at") <= cut), frame.filter(pl.col("published_at") > cut)
    found = analyze(past, PatternQuery(page_id, "social", cut, 365, thresholds)).patterns
    return judged(found, prepare(past, cut), prepare(later, last), page_id) if found else []


def judged(found: tuple[Pattern, ...], past: Posts, later: Posts, page_id: str) -> list[Verdict]:
    """Patterns that at least 30 later posts match and 30 do not."""
    table = condition_table(past)
    known = {feature.name: feature for feature in later.features}
    there = ConditionTable(
        conditions=table.conditions,
        about=[known[condition.feature] for condition in table.conditions],
        owner=table.owner,
        matches=np.column_stack([known[one.feature].matching(one) for one in table.conditions]),
        dropped={},
    )
    rules = [RuleCandidate(tuple(table.conditions.index(one) for one in p.rule), 0.0, 0) for p in found]
    seen = log_rate_contrasts(later, there, rules)
    reach = stdtrit(seen.degrees_of_freedom, 0.95) * seen.standard_error
    rows = [int(rule_matches(there.matches, rule.members).sum()) for rule in rules]
    return [
        _verdict(pattern, page_id, float(seen.estimate[i]), float(reach[i]))
        for i, pattern in enumerate(found)
        if min(rows[i], len(later.week) - rows[i]) >= MIN_MATCHING
    ]


def _verdict(pattern: Pattern, page_id: str, later: float, later_reach: float) -> Verdict:
    low, high = np.log1p(np.array(pattern.later_interval_pct) / 100)
    learned = float(np.log1p(pattern.lift_pct / 100))
    return Verdict(page_id, learned, float(high - low) / 2, pattern.confidence, later, later_reach)


def _excess(found: list[Verdict]) -> tuple[float, float]:
    """Mean of later − learned towards the learned sign, and half the width of its 90 % interval, clustered by page."""
    beyond = np.array([np.sign(v.learned) * (v.later - v.learned) for v in found])
    pages = np.unique([v.page for v in found], return_inverse=True)[1]
    sums = np.bincount(pages, weights=beyond - beyond.mean())
    error = np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)) / len(found)
    return float(beyond.mean()), float(stdtrit(len(sums) - 1, 0.95) * error)


@pytest.mark.real_data
def test_patterns_of_four_real_pages_keep_their_sign(shared_data: Path) -> None:
    pages = page_frames(shared_data, least=1000, pages=4)
    found = [v for page, frame in pages for v in verdicts(page, frame, SearchThresholds())]
    assert len(found) >= 5
    assert np.mean([np.sign(v.learned) == np.sign(v.later) for v in found]) >= 0.8


@pytest.mark.slow
@pytest.mark.real_data
def test_patterns_of_all_real_pages_keep_their_sign_and_are_unbiased(shared_data: Path) -> None:
    found = [v for page, frame in page_frames(shared_data) for v in verdicts(page, frame, SearchThresholds())]
    learned, later = (np.array([getattr(v, name) for v in found]) for name in ("learned", "later"))
    kept = float(np.mean(np.sign(learned) == np.sign(later)))
    ratio = float((learned * later).sum() / (learned**2).sum())  # slope of later on learned through the origin
    agree = float(np.mean([abs(v.learned - v.later) <= np.hypot(v.reach, v.later_reach) for v in found]))
    beyond, reach = _excess(found)
    print(f"\nBAR real pages, share of {len(found)} patterns that keep their sign: {kept:.3f} (bar >= 0.85)")
    print(f"stated confidence in the sign, mean: {np.mean([v.confidence for v in found]):.3f}")
    print(f"BAR later minus stated log lift, towards its sign: {beyond:+.3f} ± {reach:.3f} (unbiased: 0 within 90 %)")
    print(f"later lift as a share of the stated one, slope: {ratio:.3f} (unbiased is 1)")
    print(f"BAR later lifts within the 90 % interval of the difference: {agree:.3f} (honest is .90)")
    assert kept >= 0.85
    assert abs(beyond) <= reach
    assert agree >= 0.85
