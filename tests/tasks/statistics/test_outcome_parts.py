"""What is part of the outcome is refused by name; what is known before publication, however strong, is not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.statistics.outcome_parts import parts_of_outcome

PARTS = ["num_likes", "num_comments", "num_shares"]
KNOWN_BEFORE = ["length", "words", "hashtags", "questions", "hour", "headline", "video", "photo", "link", "recent"]


def week_of(n: int) -> np.ndarray:
    return np.arange(n) // 20


def simulated(n: int, seed: int = 1) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Posts whose engagement is likes and comments, driven by video (three times) and by a budget."""
    rng = np.random.default_rng(seed)
    video, budget = rng.integers(0, 2, n), rng.lognormal(3, 0.5, n).round(2)
    level = 40 * 3.0**video * (budget / 20) ** 0.5 * rng.lognormal(0, 0.5, n)
    likes, comments = rng.poisson(level).astype(float), rng.poisson(level / 12).astype(float)
    features = {"likes": likes, "comments": comments, "video": video.astype(float), "budget": budget}
    features |= {"format": video.astype(np.int64), "words": rng.integers(5, 80, n).astype(float)}
    return features, likes + comments


def test_addends_are_refused_and_strong_causes_are_not() -> None:
    features, engagements = simulated(400)
    refused = parts_of_outcome(features, {"engagements": engagements}, week_of(400))
    assert refused == dict.fromkeys(
        ["likes", "comments"],
        "adds up to engagements with others, so it is part of the outcome: put it under `results:`",
    )


def test_one_part_alone_is_refused_too() -> None:
    features, engagements = simulated(400)
    for name, reason in (("likes", "never exceeds engagements, so it is"), ("comments", "is a count that moves with")):
        left = {other: values for other, values in features.items() if other not in ("likes", "comments")}
        refused = parts_of_outcome({name: features[name]} | left, {"engagements": engagements}, week_of(400))
        assert list(refused) == [name]
        assert refused[name].startswith(reason)


def test_what_was_made_of_the_outcome_is_refused() -> None:
    features, engagements = simulated(400)
    tier = np.searchsorted(np.quantile(engagements, [0.5, 0.9]), engagements).astype(np.int64)
    made = {"tier": tier, "rate": engagements / 1000, "format": features["format"]}
    refused = parts_of_outcome(made, {"engagements": engagements}, week_of(400))
    assert set(refused) == {"tier", "rate"}
    assert refused["tier"].startswith("its levels hardly overlap in engagements")
    assert refused["rate"].startswith("nearly determines engagements (rank correlation")


def test_yes_or_no_outcomes_are_judged_by_what_they_allow() -> None:
    rng = np.random.default_rng(3)
    converted = (rng.random(600) < 0.1).astype(float)
    order_value = np.where(converted == 1, rng.lognormal(3, 1, 600), 0.0)
    features = {"order_value": order_value, "age": rng.integers(18, 80, 600).astype(float)}
    assert list(parts_of_outcome(features, {"converted": converted}, week_of(600))) == ["order_value"]


def test_few_rows_constants_and_gaps_refuse_nothing() -> None:
    features, engagements = simulated(400)
    empty = np.full(400, np.nan)
    odd = {"constant": np.ones(400), "empty": empty, "none": np.full(400, -1)}
    assert parts_of_outcome(odd, {"engagements": engagements}, week_of(400)) == {}
    assert parts_of_outcome(features, {"engagements": empty}, week_of(400)) == {}
    few = {name: values[:40] for name, values in features.items()}
    assert parts_of_outcome(few, {"engagements": engagements[:40]}, week_of(40)) == {}
    gaps = features["likes"].copy()
    gaps[::3] = np.nan
    assert list(parts_of_outcome({"likes": gaps}, {"engagements": engagements}, week_of(400))) == ["likes"]


@pytest.fixture
def pages(shared_data: Path) -> pl.DataFrame:
    text, kind = pl.col("status_message").fill_null(""), pl.col("status_type")
    posts = pl.read_parquet(shared_data / "facebook_pages_2016" / "posts.parquet").sort("page", "status_published")
    posts = posts.with_columns(
        engagements=pl.sum_horizontal("num_reactions", "num_comments", "num_shares").cast(pl.Float64),
        week=pl.col("status_published").dt.truncate("1w").to_physical() // (7 * 86_400_000_000),
        length=text.str.len_chars(),
        words=text.str.split(" ").list.len(),
        hashtags=text.str.count_matches("#"),
        questions=text.str.count_matches(r"\?"),
        hour=pl.col("status_published").dt.hour(),
        headline=pl.col("link_name").fill_null("").str.len_chars(),
        **{name: (kind == name).cast(pl.Int8) for name in ("video", "photo", "link")},
    )
    level = (pl.col("engagements") + 0.5).log().shift(1).rolling_mean(30, min_samples=1)
    return posts.with_columns(recent=level.over("page")).filter(pl.len().over("page") >= 100)


def refusals(pages: pl.DataFrame, names: list[str], latest: int) -> tuple[Counter[str], int]:
    """How many pages refuse each feature, of how many."""
    refused: Counter[str] = Counter()
    parts = [page.tail(latest) for page in pages.partition_by("page")]
    for page in parts:
        features = {name: page[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in names}
        features["type"] = page["status_type"].cast(pl.Categorical).to_physical().cast(pl.Int64).to_numpy()
        engagements = page["engagements"].to_numpy()
        outcomes = {"engagements": engagements, "log_engagements": np.log(engagements + 0.5)}
        refused.update(list(parts_of_outcome(features, outcomes, page["week"].to_numpy())))
    return refused, len(parts)


@pytest.mark.real_data
@pytest.mark.parametrize(("latest", "alone"), [(100_000, 0.9), (200, 0.75)])
def test_on_real_pages_parts_are_refused_and_media_types_and_levels_are_not(
    pages: pl.DataFrame, latest: int, alone: float
) -> None:
    refused, n = refusals(pages, [*PARTS, "num_reactions", *KNOWN_BEFORE], latest)
    assert n >= 60
    assert {name: refused[name] for name in PARTS} == dict.fromkeys(PARTS, n)
    assert [name for name in (*KNOWN_BEFORE, "type") if refused[name]] == []
    for name in ("num_comments", "num_shares"):
        assert refusals(pages, [name], latest)[0][name] >= alone * n


@pytest.mark.real_data
def test_on_real_articles_and_comments_nothing_known_before_is_refused(shared_data: Path) -> None:
    articles = pl.read_parquet(shared_data / "online_news_popularity" / "onp_2013h1.parquet")
    features = {
        name: articles[name].cast(pl.Float64).to_numpy()
        for name, dtype in articles.schema.items()
        if dtype.is_numeric() and name != "shares"
    }
    week = (articles["published"].to_physical().to_numpy() + 3) // 7
    shares = articles["shares"].cast(pl.Float64).to_numpy()
    assert len(features) > 50
    assert parts_of_outcome(features, {"shares": shares}, week.astype(np.int64)) == {}
    comments = pl.read_parquet(shared_data / "facebook_comment_volume" / "train_variant1.parquet")
    before = ["likes", "talking_about", "Checkins", "Category", "length", "baseTime"]
    for page in comments.filter(pl.len().over("page_id") >= 100).partition_by("page_id"):
        columns = {name: page[name].cast(pl.Float64).to_numpy() for name in before}
        outcome = {"comments": page["comments_next_hrs"].cast(pl.Float64).to_numpy()}
        assert parts_of_outcome(columns, outcome, week_of(len(page))) == {}


@pytest.mark.parametrize("levels", [(20, 50, 100, 200), (5, 10, 15, 20, 25, 30), (19, 49, 99)])
@pytest.mark.parametrize("power", [0.7, 1.0])
def test_a_budget_that_somebody_chose_is_known_before_and_likes_are_not(levels: tuple[int, ...], power: float) -> None:
    """Both are whole numbers that rise with the outcome; only one comes in a few levels with gaps."""
    rng = np.random.default_rng(11)
    budget = rng.choice(levels, 400).astype(float)
    level = 30 * (budget / budget.mean()) ** power * rng.lognormal(0, 0.35, 400)
    likes, clicks = rng.poisson(level).astype(float), rng.poisson(level / 3).astype(float)
    engagements = likes + rng.poisson(level / 2)
    correlation = pl.DataFrame({"x": budget, "y": engagements}).select(pl.corr("x", "y", method="spearman")).item()
    assert correlation >= 0.5
    features = {"budget": budget, "likes": likes, "clicks": clicks}
    assert set(parts_of_outcome(features, {"engagements": engagements}, week_of(400))) == {"likes", "clicks"}


def test_counts_of_any_size_are_not_taken_for_chosen_numbers() -> None:
    """Few likes, many likes, and likes that a platform rounded to 1.2K: each moves with the outcome and is refused."""
    rng = np.random.default_rng(12)
    for size in (2, 12, 40, 900):
        level = size * rng.lognormal(0, 0.8, 400)
        likes = rng.poisson(level).astype(float)
        rounded = np.where(likes >= 1000, np.round(likes, -2), likes)
        engagements = (rng.poisson(level) + rng.poisson(3 * level)).astype(float)
        refused = parts_of_outcome({"likes": likes, "rounded": rounded}, {"engagements": engagements}, week_of(400))
        assert set(refused) == {"likes", "rounded"}, size
