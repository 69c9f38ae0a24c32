"""Real pages as workspaces: does a page with fifty posts of its own predict better with what other pages know?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from tasks.content.features import with_features
from tasks.transfer.catalogue import conditions_met
from tasks.transfer.estimates import workspace_estimates
from tasks.transfer.exchange.held_out import auc_gain
from tasks.transfer.pools import own_of, passes, sibling_pool, siblings_of
from tasks.transfer.prediction import Benefit, benefit_of, own_alone, predict

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

END = datetime(2020, 1, 1, tzinfo=UTC)
OWN_POSTS, MIN_TEST_POSTS = 50, 50
EMPTY = {
    **dict.fromkeys(("impressions", "audience_size"), pl.Int64),
    **dict.fromkeys(("tone", "title", "body", "media_type"), pl.String),
    **dict.fromkeys(("title_words", "emoji_count", "hashtag_count", "mention_count", "link_count"), pl.Int64),
    **dict.fromkeys(("exclamation_count", "question_count", "number_count", "word_count"), pl.Int64),
    **dict.fromkeys(("capitals_share", "readability", "sentiment_score"), pl.Float64),
    "has_cta": pl.Boolean,
}


@dataclass(frozen=True, slots=True)
class Gain:
    """One page's later posts: AUC of 'above own median' by own knowledge, and what the others' adds to it.

    Attributes:
        own, combined, told: AUC by own posts, by all that is known, and as far as the page is told to follow that.
        error, error_of_told: standard errors of what each adds to own posts, paired over the page's test posts.
        benefit: what was expected beforehand.
    """

    own: float
    combined: float
    told: float
    error: float
    error_of_told: float
    benefit: Benefit | None

    @property
    def offered(self) -> float:
        """Gain of a page that follows the others whatever the guard says."""
        return self.combined - self.own

    @property
    def followed(self) -> bool:
        """Whether the guard lets the others speak."""
        return self.benefit is None or self.benefit.worthwhile

    @property
    def gain(self) -> float:
        """Gain of a page that follows the others as far as it is told to."""
        return self.told - self.own


def facebook_pages(folder: Path, posts_a_page: int) -> dict[str, pl.DataFrame]:
    """The first posts of each of 82 pages; there is no zone but UTC, and no exposure."""
    posts = pl.read_parquet(folder / "facebook_pages_2016" / "posts.parquet").sort("page", "status_published")
    counts = pl.col("num_reactions") + pl.col("num_comments") + pl.col("num_shares")
    frame = posts.filter(pl.int_range(pl.len()).over("page") < posts_a_page).select(
        workspace_id="page",
        published_at=pl.col("status_published").dt.replace_time_zone("UTC"),
        title="link_name",
        body="status_message",
        media_type="status_type",
        engagements=counts.cast(pl.Int64),
        content_type=pl.lit("social"),
        channel=pl.lit("facebook"),
    )
    return _pages(with_features(frame, dict.fromkeys(frame["workspace_id"].unique(), "UTC")))


def comment_volume(folder: Path) -> dict[str, pl.DataFrame]:
    """Posts of 327 pages at least a day old: comments of their first day, length, and weekday; no calendar, no text.

    The file's order within a page stands for time: seven posts a week.
    """
    rows = pl.read_parquet(folder / "facebook_comment_volume" / "train_variant1.parquet")
    rows = rows.filter(pl.col("baseTime") >= 24)
    flags = rows.select(f"{day}_pub" for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")).to_numpy()
    place = pl.int_range(pl.len()).over("page_id") // 7 * 7 + pl.col("local_weekday")
    frame = rows.with_columns(local_weekday=pl.Series(flags.argmax(axis=1), dtype=pl.Int64)).select(
        workspace_id=pl.col("page_id").cast(pl.String),
        published_at=pl.lit(datetime(2016, 1, 4, 12, tzinfo=UTC)) + place * timedelta(days=1),
        engagements="cc4_first24h",
        content_type=pl.lit("social"),
        channel=pl.lit("facebook"),
        local_hour=pl.lit(12, dtype=pl.Int64),
        local_weekday="local_weekday",
        is_weekend=pl.col("local_weekday") >= 5,
        word_count=(pl.col("length") / 6).round().cast(pl.Int64),
    )
    return _pages(frame)


def _pages(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in EMPTY.items() if name not in frame.columns]
    parts = frame.with_columns(missing).partition_by("workspace_id", as_dict=True)
    return {str(name): part.sort("published_at", maintain_order=True) for (name,), part in parts.items()}


def known_effects(pages: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """What each page knows from all its posts, as rows of siblings."""
    labels = {"industry": pl.lit("media"), "size": pl.lit("smb")}
    known = {name: workspace_estimates(rows, END) for name, rows in pages.items()}
    return pl.concat([rows.with_columns(workspace_id=pl.lit(name), **labels) for name, rows in known.items()])


def gains(pages: dict[str, pl.DataFrame], known: pl.DataFrame, start: float = 0.0) -> list[Gain]:
    """For each page with enough posts, leave it out of the pool, give it 50 posts, and judge it on all others.

    Args:
        pages: posts in time order.
        known: `known_effects` of the pages.
        start: where its 50 lie, 0 (its first: all others are later, as the bar asks) to 1 (its last).
    """
    names = known["workspace_id"].unique().sort().to_numpy()
    everyone = siblings_of(known)
    found = []
    for name, rows in pages.items():
        if rows.height < OWN_POSTS + MIN_TEST_POSTS:
            continue
        others = names != name
        first = int(start * (rows.height - OWN_POSTS))
        own = own_of(workspace_estimates(rows.slice(first, OWN_POSTS), END), "media", "smb")
        pool = sibling_pool(everyone.effect[others], everyone.error[others])
        usable = passes(pool, 3)
        alone = own_alone(own.effect[0], own.error[0]).mean
        told = predict(pool, own.effect[0], own.error[0], usable=usable)
        benefit = benefit_of(told, usable, alone, own.error[0], int(own.posts[0]))
        test = pl.concat([rows.head(first), rows.slice(first + OWN_POSTS)])
        combined = np.where(usable, told.mean, alone)
        own_posts = int(own.posts[0])
        ranked = combined if benefit is None else benefit.ranking(alone, combined, own.error[0], own_posts)
        found.append(_judge(test, (alone, combined, ranked), benefit))
    return [gain for gain in found if gain is not None]


def _judge(test: pl.DataFrame, effects: tuple[Floats, Floats, Floats], benefit: Benefit | None) -> Gain | None:
    follows = conditions_met(test).select(pl.all().fill_null(False).cast(pl.Float64))
    own, combined, ranked = (follows.to_numpy() @ np.stack(effects, axis=1)).T
    outcome = test["engagements"].to_numpy()
    above = outcome > np.median(outcome)
    if min(above.sum(), (~above).sum()) < 5:
        return None
    offered, told = (auc_gain(above, score, own) for score in (combined, ranked))
    base = auc(above, own)
    errors = (offered.standard_error, told.standard_error)
    return Gain(base, base + offered.gain, base + told.gain, *errors, benefit)


def auc(above: Mask, score: Floats) -> float:
    """Probability that a random post above the median scores higher than one that is not; ties count half."""
    ranks, hits = rankdata(score), int(above.sum())
    return float((ranks[above].sum() - hits * (hits + 1) / 2) / (hits * (len(above) - hits)))


def mean_interval(values: Floats) -> tuple[float, float, float]:
    """Mean, and the ends of its 95 % bootstrap interval over pages."""
    drawn = np.random.default_rng(0).choice(values, (4000, len(values))).mean(axis=1)
    return float(values.mean()), float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))
