"""A workspace's own estimates: adjusted, honest about their precision, and on its own clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.content.features import with_local_time
from tasks.transfer.catalogue import BY_KEY, KEYS, by_family
from tasks.transfer.estimates import only_finite, workspace_estimates
from tests.factories import content_row
from tests.transfer_factories import NOW


def frame(count: int, *, seed: int = 0, **columns: Any) -> pl.DataFrame:
    """Posts every five hours over the last months, outcome pure noise unless told otherwise."""
    rng = np.random.default_rng(seed)
    times = [NOW - timedelta(days=8) - timedelta(hours=5 * i) for i in reversed(range(count))]
    rows = [content_row(i, published_at=at, local_hour=at.hour) for i, at in enumerate(times)]
    text = dict.fromkeys(("title", "tone", "sentiment", "topic"), pl.String)
    base = pl.DataFrame(rows, schema_overrides=text | {"title_words": pl.Int64, "audience_size": pl.Int64})
    noise = rng.standard_normal(count)
    effect = columns.pop("effect", np.zeros(count))
    engagements = np.rint(1e6 * np.exp(effect + 0.8 * noise)).astype(np.int64)
    return base.with_columns(
        impressions=pl.lit(100_000_000),
        engagements=pl.Series(engagements),
        **{name: pl.Series(values) for name, values in columns.items()},
    )


def lift(found: pl.DataFrame, key: str) -> float:
    value: float = found.filter(pl.col("pattern_key") == key)["log_lift"].item()
    return value


def test_a_planted_effect_is_estimated_with_an_honest_error() -> None:
    rng = np.random.default_rng(1)
    misses = []
    for seed in range(40):
        cta = rng.random(600) < 0.3
        found = workspace_estimates(frame(600, seed=seed, has_cta=cta, effect=0.4 * cta), NOW)
        row = found.filter(pl.col("pattern_key") == "content:text:cta")
        misses.append((row["log_lift"].item() - 0.4) / row["standard_error"].item())
    assert abs(np.mean(misses)) < 0.5  # 3 standard errors of a mean of 40
    assert np.std(misses) == pytest.approx(1.0, abs=0.35)


def test_an_effect_is_not_credited_to_what_comes_along_with_it() -> None:
    """Posts with a question are longer; only the question works."""
    rng = np.random.default_rng(2)
    question = rng.random(4000) < 0.4
    words = np.where(question, 26, 14) + rng.integers(-8, 8, 4000)
    content = frame(4000, question_count=question.astype(np.int64), word_count=words, effect=0.5 * question)
    found = workspace_estimates(content, NOW)
    assert lift(found, "content:text:question") == pytest.approx(0.5, abs=0.12)
    assert lift(found, "content:text:short") == pytest.approx(0.0, abs=0.15)  # unadjusted: −.3


def test_channels_differ_without_their_content_being_blamed() -> None:
    rng = np.random.default_rng(3)
    loud = rng.random(3000) < 0.5
    emoji = rng.random(3000) < np.where(loud, 0.8, 0.2)
    channel = np.where(loud, "instagram", "linkedin")
    content = frame(3000, channel=channel, emoji_count=emoji.astype(np.int64), effect=1.0 * loud)
    found = workspace_estimates(content, NOW)
    assert lift(found, "channel:channel:instagram") == pytest.approx(1.0, abs=0.12)
    assert lift(found, "content:text:emoji") == pytest.approx(0.0, abs=0.12)  # unadjusted: +.6


@pytest.mark.parametrize("zone", ["Europe/Lisbon", "Asia/Singapore"])
def test_hours_are_those_of_the_workspaces_own_clock(zone: str) -> None:
    """Nine in the morning in Lisbon and in Singapore are one pattern, seven hours apart."""
    times = pl.Series([NOW - timedelta(days=8) - timedelta(hours=5 * i) for i in reversed(range(1500))])
    nine = (times.dt.convert_time_zone(zone).dt.hour() == 9).to_numpy()
    posts = frame(1500, effect=0.9 * nine)
    local = with_local_time(posts.drop("local_hour", "local_weekday", "is_weekend"), {"acme": zone})
    found = workspace_estimates(local, NOW).filter(pl.col("pattern_key").str.starts_with("timing:hour"))
    assert found.sort("log_lift")["pattern_key"][-1] == "timing:hour:09"


def test_young_unmeasured_and_impossible_posts_say_nothing() -> None:
    content = frame(300)
    spoiled = content.with_columns(engagements=pl.lit(10**9, dtype=pl.Int64)).with_columns(
        published_at=pl.lit(NOW - timedelta(days=2)), content_id=pl.col("content_id") + "y"
    )
    unmeasured = content.with_columns(engagements=pl.lit(None, dtype=pl.Int64))
    negative = content.with_columns(engagements=pl.lit(-5, dtype=pl.Int64))
    assert workspace_estimates(pl.concat([content, spoiled, unmeasured, negative]), NOW).equals(
        workspace_estimates(content, NOW)
    )


@pytest.mark.parametrize("count", [0, 1, 5])
def test_next_to_nothing_estimates_nothing(count: int) -> None:
    assert workspace_estimates(frame(300).head(count), NOW).is_empty()


def test_equal_outcomes_claim_no_precision() -> None:
    content = frame(300).with_columns(engagements=pl.lit(500), impressions=pl.lit(10_000))
    found, _ = only_finite(workspace_estimates(content, NOW))
    assert found.is_empty()


def test_one_viral_post_moves_no_estimate_by_more_than_its_error() -> None:
    cta = np.arange(600) % 3 == 0
    before = workspace_estimates(frame(600, has_cta=cta), NOW)
    viral = frame(600, has_cta=cta).with_columns(
        engagements=pl.when(pl.col("content_id") == "c300").then(10**9).otherwise("engagements").cast(pl.Int64)
    )
    after = workspace_estimates(viral, NOW)
    error = before.filter(pl.col("pattern_key") == "content:text:cta")["standard_error"].item()
    assert abs(lift(after, "content:text:cta") - lift(before, "content:text:cta")) < error


def test_non_finite_estimates_are_dropped_and_counted() -> None:
    found = workspace_estimates(frame(300, has_cta=np.arange(300) % 3 == 0), NOW)
    spoiled = found.with_columns(
        log_lift=pl.when(pl.int_range(pl.len()) == 0).then(float("nan")).otherwise("log_lift"),
        log_lift_a=pl.when(pl.int_range(pl.len()) == 1).then(float("inf")).otherwise("log_lift_a"),
    )
    kept, dropped = only_finite(spoiled)
    assert (kept.height, dropped) == (found.height - 1, 1)
    assert kept["log_lift_a"].null_count() >= 1


def test_every_pattern_has_a_family() -> None:
    assert sum(len(patterns) for patterns in by_family().values()) == len(KEYS)
    assert BY_KEY["content:text:emoji_many"].family == BY_KEY["content:text:emoji"].family == "emoji"
    assert BY_KEY["channel:channel:email"].family == "place"
    assert BY_KEY["timing:weekend"].family == BY_KEY["strategy:pace:after_1_day"].family == "time"
