"""One act is said once: what measures the same act and adds nothing is folded under the stronger rule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tasks.content import with_features
from tasks.content.catalogue import family
from tasks.patterns.analysis import analyze
from tasks.patterns.records import Pattern, PatternQuery, SearchThresholds

START = datetime(2025, 1, 6, tzinfo=UTC)
POSTS = 900
WORDS = ("garden", "river", "market", "window", "coffee", "bread", "autumn", "street")


def found_in(
    effect: np.ndarray, words: np.ndarray, media: Sequence[str] | None = None, titles: Sequence[str] | None = None
) -> tuple[Pattern, ...]:
    """Patterns where posts of so many words (n,) in their bodies have such an effect (n,), in log units."""
    g = np.random.default_rng(11)
    at = [START + timedelta(hours=10 * i) for i in range(POSTS)]
    frame = pl.DataFrame(
        {"workspace_id": "w", "content_id": [f"c{i}" for i in range(POSTS)], "content_type": "social"}
        | {"channel": "facebook", "published_at": pl.Series(at, dtype=pl.Datetime("us", "UTC"))}
        | {"title": pl.Series(titles or [None] * POSTS, dtype=pl.String)}
        | {
            "body": [" ".join(g.choice(WORDS, n)) for n in words],
            "media_type": media or ["photo"] * POSTS,
            "impressions": 1000,
        }
        | {"engagements": g.poisson(50 * np.exp(effect) * g.gamma(4, 1 / 4, POSTS)), "audience_size": None}
    )
    rows = with_features(frame.with_columns(measured_at=pl.col("published_at") + timedelta(days=8)), {"w": "UTC"})
    query = PatternQuery("w", "social", START + timedelta(days=400), 400, SearchThresholds())
    return analyze(rows, query).patterns


def test_length_is_one_finding_however_it_is_measured() -> None:
    words = np.random.default_rng(1).integers(5, 60, POSTS)
    found = found_in(0.7 * (words >= 46), words)
    assert len([p for p in found if {family(c.feature) for c in p.rule} == {"length"}]) == 1
    assert found[0].same_act


def test_shorter_is_better_is_one_finding_and_not_that_long_loses_too() -> None:
    words = np.random.default_rng(3).integers(5, 60, POSTS)
    found = found_in(-0.03 * words, words)
    assert len([p for p in found if "length" in {family(c.feature) for c in p.rule}]) == 1


def test_no_rule_joins_two_measures_of_one_act() -> None:
    """Long bodies under short titles do well: a rule of both would be about length and length."""
    g = np.random.default_rng(5)
    body, title = g.integers(3, 40, POSTS), g.integers(2, 40, POSTS)
    found = found_in(1.2 * ((body >= 20) & (title < 20)), body, titles=[" ".join(g.choice(WORDS, n)) for n in title])
    of_length = [p.rule for p in found if "length" in {family(c.feature) for c in p.rule}]
    assert of_length
    assert max(len([c for c in rule if family(c.feature) == "length"]) for rule in of_length) == 1


def test_two_sizes_of_one_act_that_add_to_each_other_are_two_findings() -> None:
    """Middling posts do best, and long ones still better than short ones."""
    words = np.random.default_rng(2).integers(5, 60, POSTS)
    found = found_in(np.select([words < 20, words < 34], [-0.8, 0.8]), words)
    of_length = [p for p in found if {family(c.feature) for c in p.rule} == {"length"}]
    assert {p.pattern_type for p in of_length} == {"winning", "losing"}


def test_short_photos_are_one_finding_in_words_or_in_characters() -> None:
    g = np.random.default_rng(4)
    words, photo = g.integers(5, 60, POSTS), g.random(POSTS) < 0.5
    found = found_in(0.9 * (photo & (words < 19)), words, np.where(photo, "photo", "video").tolist())
    assert len([p for p in found if "length" in {family(c.feature) for c in p.rule}]) == 1
    assert found[0].same_act
