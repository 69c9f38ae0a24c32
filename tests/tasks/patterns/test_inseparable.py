"""What always comes together is said as such, with what to publish to tell it apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tasks.content import with_features
from tasks.patterns.analysis import analyze
from tasks.patterns.records import ContentAnalysis, Pattern, PatternQuery, SearchThresholds

START = datetime(2025, 1, 6, tzinfo=UTC)
POSTS, DAYS = 400, 365


def posts(strays: int = 0, lift: float = 1.0, **columns: np.ndarray) -> pl.DataFrame:
    """Photos at nine and videos at five, but for some strays; videos do `lift` better."""
    g = np.random.default_rng(5)
    video = g.random(POSTS) < 0.5
    hour = np.where(video, 17, 9)
    hour[:strays] = 26 - hour[:strays]
    at = [START + timedelta(days=int(DAYS * i / POSTS), hours=int(hour[i])) for i in range(POSTS)]
    frame = pl.DataFrame(
        {"workspace_id": "w", "content_id": [f"c{i}" for i in range(POSTS)], "content_type": "social"}
        | {"channel": "instagram", "published_at": pl.Series(at, dtype=pl.Datetime("us", "UTC")), "title": None}
        | {"body": "good morning", "media_type": np.where(video, "video", "photo"), "impressions": 1000}
        | {"engagements": g.poisson(50 * (1 + lift * video) * g.gamma(4, 1 / 4, POSTS)), "audience_size": None}
        | columns
    )
    return with_features(frame.with_columns(measured_at=pl.col("published_at") + timedelta(days=8)), {"w": "UTC"})


def found_in(frame: pl.DataFrame, *attributes: str) -> ContentAnalysis:
    query = PatternQuery("w", "social", START + timedelta(days=400), 400, SearchThresholds(), attributes)
    return analyze(frame, query)


def test_a_format_bound_to_a_time_slot_is_said_with_what_to_publish() -> None:
    found = found_in(posts())
    assert found.status == "no_patterns"
    (together,) = found.statistics["inseparable"]
    said = {condition["feature"] for condition in [*together["rule"], together["partner"]]}
    assert said == {"media_type", "local_hour"}
    assert together["apart"] == 0
    assert together["lift_interval_pct"][0] < 100 < together["lift_interval_pct"][1]
    for words in ("always come together", "is a video", "is posted between 16 and 20 h", "publish at least 30 posts"):
        assert words in together["words"]
        assert words in found.reason
    assert together["words"] in found_in(posts()).as_dict()["insights"][0]


def test_enough_strays_tell_the_two_apart() -> None:
    found = found_in(posts(strays=150))
    assert found.statistics["inseparable"] == []
    assert {condition.feature for pattern in found.patterns for condition in pattern.rule} == {"media_type"}


def test_what_comes_together_but_does_nothing_is_not_mentioned() -> None:
    found = found_in(posts(lift=0.0))
    assert (found.status, found.statistics["inseparable"]) == ("no_patterns", [])


def test_a_pattern_says_what_else_nearly_the_same_posts_are() -> None:
    """A label that every video carries, at hours of their own: the pattern is real, what it is about is not known."""
    frame = posts(strays=150)
    labeled = frame.with_columns(series=(pl.col("media_type") == "video"))
    best = found_in(labeled, "series").patterns[0]
    assert best.inseparable_from in (("is a video",), ("has series",))
    assert any("Cannot be told apart" in line for line in found_in(labeled, "series").insights)
    assert Pattern.from_dict(best.as_dict()) == best


def test_patterns_of_older_versions_are_still_read() -> None:
    stored = found_in(posts(strays=150)).patterns[0].as_dict()
    del stored["inseparable_from"]
    assert Pattern.from_dict(stored).inseparable_from == ()
