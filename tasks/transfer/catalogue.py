"""The patterns and segments that transfer may speak of: fixed, public, never derived from anyone's data.

A key that existed only because some workspace posts that way would give the workspace away before any number did.
For the same reason industries are a closed list: whoever is none of them is 'other', and every pair of segment and
pattern is released, also where nobody is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl

CATALOGUE_VERSION = 1

InsightType = Literal["strategy", "content", "timing", "channel"]
INSIGHT_TYPES: tuple[InsightType, ...] = ("strategy", "content", "timing", "channel")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# fmt: off
CHANNELS = (
    "facebook", "instagram", "linkedin", "twitter", "tiktok", "youtube", "pinterest", "threads",
    "email", "newsletter", "blog", "website", "google_ads", "search_ads", "social_ads", "display", "sms",
)
CONTENT_TYPES = ("social", "blog", "email", "ad", "video", "landing_page")
MEDIA = ("photo", "video", "link", "text", "carousel", "animation", "audio", "event", "poll", "story")
TONES = (
    "informative", "inspirational", "humorous", "promotional", "educational", "conversational",
    "professional", "urgent", "emotional", "storytelling", "plain", "playful", "inspiring",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Pattern:
    """One thing a post can do.

    Attributes:
        key: what tables and releases call it.
        insight_type: the guide's four kinds.
        phrase: completes 'Workspaces like yours do better when they …'.
        holds: whether a row of the content table does it; null where its features are missing.
        across_channels: compared between channels of one period, instead of within each channel.
    """

    key: str
    insight_type: InsightType
    phrase: str
    holds: pl.Expr
    across_channels: bool = False


def _timing() -> Iterator[Pattern]:
    for hour in range(24):
        yield Pattern(f"timing:hour:{hour:02}", "timing", f"post at {hour}:00", pl.col("local_hour") == hour)
    for day, name in enumerate(WEEKDAYS):
        yield Pattern(f"timing:weekday:{day}", "timing", f"post on a {name}", pl.col("local_weekday") == day)
    yield Pattern("timing:weekend", "timing", "post at the weekend", pl.col("is_weekend"))


def _labels(
    kind: InsightType, column: str, names: tuple[str, ...], phrase: str, *, across: bool = False
) -> Iterator[Pattern]:
    for name in names:
        text = phrase.format(name.replace("_", " "))
        yield Pattern(f"{kind}:{column}:{name}", kind, text, pl.col(column).str.to_lowercase() == name, across)


def _text() -> Iterator[Pattern]:
    rules = {
        "cta": ("include a clear call to action", pl.col("has_cta")),
        "emoji": ("include emojis", pl.col("emoji_count") > 0),
        "emoji_many": ("include three or more emojis", pl.col("emoji_count") >= 3),
        "hashtag": ("use hashtags", pl.col("hashtag_count") > 0),
        "hashtag_many": ("use four or more hashtags", pl.col("hashtag_count") >= 4),
        "mention": ("mention other accounts", pl.col("mention_count") > 0),
        "link": ("put a link in the text", pl.col("link_count") > 0),
        "exclamation": ("use exclamation marks", pl.col("exclamation_count") > 0),
        "question": ("ask a question", pl.col("question_count") > 0),
        "number": ("cite numbers", pl.col("number_count") > 0),
        "capitals": ("set many words in capitals", pl.col("capitals_share") > 0.2),
        "short": ("keep the text to 20 words", pl.col("word_count") <= 20),
        "long": ("write more than 100 words", pl.col("word_count") > 100),
        "title_short": ("keep the title to 8 words", pl.col("title_words") <= 8),
        "title_long": ("write a title of more than 12 words", pl.col("title_words") > 12),
        "easy": ("write in plain, easy language", pl.col("readability") >= 70),
        "hard": ("write in demanding language", pl.col("readability") < 40),
    }
    for name, (phrase, holds) in rules.items():
        yield Pattern(f"content:text:{name}", "content", phrase, holds)


def _strategy() -> Iterator[Pattern]:
    gap = pl.col("published_at") - pl.col("published_at").shift(1)  # rows come in time order
    pace = {
        "within_3_hours": ("post again within 3 hours", gap < pl.duration(hours=3)),
        "after_1_day": ("leave a day between posts", gap >= pl.duration(hours=24)),
        "after_3_days": ("leave three days between posts", gap >= pl.duration(hours=72)),
    }
    mood = {
        "positive": ("sound positive", pl.col("sentiment_score") > 0.3),
        "negative": ("sound critical", pl.col("sentiment_score") < -0.3),
        "neutral": ("stay neutral", pl.col("sentiment_score").abs() < 0.05),
    }
    for group, rules in (("pace", pace), ("mood", mood)):
        for name, (phrase, holds) in rules.items():
            yield Pattern(f"strategy:{group}:{name}", "strategy", phrase, holds)


PATTERNS: tuple[Pattern, ...] = (
    *_timing(),
    *_labels("channel", "channel", CHANNELS, "use the {} channel", across=True),
    *_labels("content", "media_type", MEDIA, "publish it as {}"),
    *_text(),
    *_labels("strategy", "content_type", CONTENT_TYPES, "publish {} content", across=True),
    *_labels("strategy", "tone", TONES, "sound {}"),
    *_strategy(),
)
BY_KEY = {pattern.key: pattern for pattern in PATTERNS}
KEYS = tuple(BY_KEY)
