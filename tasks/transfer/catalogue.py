"""The patterns that transfer may learn about: fixed, public, never derived from anyone's data.

A key that existed only because some workspace posts that way would give the workspace away before any number did.
For the same reason every pair of segment and pattern is released, also where nobody is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, nextafter
from typing import Literal

import polars as pl

from tasks.conditions import WEEKDAYS, Condition, Operator, Value

CATALOGUE_VERSION = 3  # of the entries, of which of them are the core, and of what is released of experiments

InsightType = Literal["strategy", "content", "timing", "channel"]
INSIGHT_TYPES: tuple[InsightType, ...] = ("strategy", "content", "timing", "channel")
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
LABELS = ("channel", "content_type", "media_type", "tone")
HOURS_SINCE_PREVIOUS = "hours_since_previous"  # derived here: the time since the workspace's post before this one
MICROSECONDS_AN_HOUR = 3_600_000_000
PLACE = "place"  # the family of what is compared between channels


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One thing a post can do.

    Attributes:
        insight_type: the guide's four kinds.
        group: what is varied, such as `hour` or `media_type`.
        name: which of the group, such as `09` or `video`; empty for a group of one.
        phrase: completes 'Workspaces like yours do better when they …'.
        condition: what a post must be like to do it.
        family: which act it is a form of. Two entries of one family (some emojis, many emojis) are the same act.
    """

    insight_type: InsightType
    group: str
    name: str
    phrase: str
    condition: Condition
    family: str

    @property
    def key(self) -> str:
        """What tables and releases call it. Nothing is read back out of it: see `BY_KEY`."""
        return ":".join(part for part in (self.insight_type, self.group, self.name) if part)

    @property
    def across_channels(self) -> bool:
        """Whether it is compared between channels of one period, instead of within each channel."""
        return self.family == PLACE


def _timing() -> Iterator[CatalogueEntry]:
    for hour in range(24):
        condition = Condition("local_hour", "==", hour)
        yield CatalogueEntry("timing", "hour", f"{hour:02}", f"post at {hour}:00", condition, "time")
    for day, name in enumerate(WEEKDAYS):
        condition = Condition("local_weekday", "==", day)
        yield CatalogueEntry("timing", "weekday", str(day), f"post on a {name}", condition, "time")
    weekend = Condition("is_weekend", "==", True)
    yield CatalogueEntry("timing", "weekend", "", "post on a weekend", weekend, "time")


def _labels(
    kind: InsightType, column: str, names: tuple[str, ...], phrase: str, family: str
) -> Iterator[CatalogueEntry]:
    for name in names:
        text = phrase.format(name.replace("_", " "))
        yield CatalogueEntry(kind, column, name, text, Condition(column, "==", name), family)


def _above(bound: float) -> float:
    """The smallest number above a bound, for conditions that exclude it: theirs is inclusive."""
    return nextafter(bound, inf)


_TEXT: tuple[tuple[str, str, str, str, Operator, Value], ...] = (
    # name, family, phrase, condition
    ("cta", "cta", "include a clear call to action", "has_cta", "==", True),
    ("emoji", "emoji", "include emojis", "emoji_count", ">=", 1),
    ("emoji_many", "emoji", "include three or more emojis", "emoji_count", ">=", 3),
    ("hashtag", "hashtag", "use hashtags", "hashtag_count", ">=", 1),
    ("hashtag_many", "hashtag", "use four or more hashtags", "hashtag_count", ">=", 4),
    ("mention", "mention", "mention other accounts", "mention_count", ">=", 1),
    ("link", "link", "put a link in the text", "link_count", ">=", 1),
    ("exclamation", "exclamation", "use exclamation marks", "exclamation_count", ">=", 1),
    ("question", "question", "ask a question", "question_count", ">=", 1),
    ("number", "number", "cite numbers", "number_count", ">=", 1),
    ("capitals", "capitals", "set many words in capitals", "capitals_share", ">=", _above(0.2)),
    ("short", "length", "keep the text to 20 words", "word_count", "<", 21),
    ("long", "length", "write more than 100 words", "word_count", ">=", 101),
    ("title_short", "length", "keep the title to 8 words", "title_words", "<", 9),
    ("title_long", "length", "write a title of more than 12 words", "title_words", ">=", 13),
    ("easy", "length", "write in plain, easy language", "readability", ">=", 70.0),
    ("hard", "length", "write in demanding language", "readability", "<", 40.0),
)
_PACE: tuple[tuple[str, str, Operator, Value], ...] = (
    ("within_3_hours", "post again within 3 hours", "<", 3.0),
    ("after_1_day", "leave a day between posts", ">=", 24.0),
    ("after_3_days", "leave three days between posts", ">=", 72.0),
)
_MOOD: tuple[tuple[str, str, Operator, Value], ...] = (
    ("positive", "sound positive", ">=", _above(0.3)),
    ("negative", "sound critical", "<", -0.3),
    ("neutral", "stay neutral", "between", (_above(-0.05), 0.05)),
)


def _content() -> Iterator[CatalogueEntry]:
    for name, family, phrase, feature, op, value in _TEXT:
        yield CatalogueEntry("content", "text", name, phrase, Condition(feature, op, value), family)


def _strategy() -> Iterator[CatalogueEntry]:
    for name, phrase, op, value in _PACE:
        yield CatalogueEntry("strategy", "pace", name, phrase, Condition(HOURS_SINCE_PREVIOUS, op, value), "time")
    for name, phrase, op, value in _MOOD:
        yield CatalogueEntry("strategy", "mood", name, phrase, Condition("sentiment_score", op, value), "mood")


# What a release may be about: measures that all posts have. Never what posts mention: a word is somebody's secret.
RELEASED_FEATURES = {
    *(*LABELS, HOURS_SINCE_PREVIOUS, "local_hour", "local_weekday", "is_weekend", "has_cta", "emoji_count"),
    *("hashtag_count", "mention_count", "link_count", "exclamation_count", "question_count", "number_count"),
    *("capitals_share", "word_count", "title_words", "readability", "sentiment_score"),
}
_PROPOSED: tuple[CatalogueEntry, ...] = (
    *_timing(),
    *_labels("channel", "channel", CHANNELS, "use the {} channel", PLACE),
    *_labels("content", "media_type", MEDIA, "publish it as {}", "media"),
    *_content(),
    *_labels("strategy", "content_type", CONTENT_TYPES, "publish {} content", PLACE),
    *_labels("strategy", "tone", TONES, "sound {}", "tone"),
    *_strategy(),
)
ENTRIES = tuple(entry for entry in _PROPOSED if entry.condition.feature in RELEASED_FEATURES)
BY_KEY = {entry.key: entry for entry in ENTRIES}
KEYS = tuple(BY_KEY)
# What is released with the least noise, so that a hundred organizations are enough to hear something: what handbooks of
# social media advise about first, chosen before any workspace was looked at.
CORE = frozenset(
    {
        *(f"content:media_type:{name}" for name in ("photo", "video", "link", "carousel")),
        *(f"content:text:{name}" for name in ("cta", "emoji", "hashtag", "link", "question", "short", "long")),
        *("timing:weekend", "strategy:pace:within_3_hours", "strategy:pace:after_1_day"),
    }
)
LESS = 2  # times the noise, for what matters less: everything but the core, in sums of all workspaces
INDEX = {key: i for i, key in enumerate(KEYS)}


def by_family() -> dict[str, list[CatalogueEntry]]:
    """The catalogue's entries, grouped by what they are adjusted for: every family but their own."""
    families: dict[str, list[CatalogueEntry]] = {}
    for entry in ENTRIES:
        families.setdefault(entry.family, []).append(entry)
    return families


def conditions_met(posts: pl.DataFrame) -> pl.DataFrame:
    """Which entries (K columns, by key) each post does; null where its features are missing.

    Args:
        posts: rows of the content table of one workspace, in time order.
    """
    pause = pl.col("published_at") - pl.col("published_at").shift(1)
    described = posts.with_columns(
        *(pl.col(name).str.to_lowercase() for name in LABELS),
        (pause.dt.total_microseconds() / MICROSECONDS_AN_HOUR).alias(HOURS_SINCE_PREVIOUS),
    )
    return described.select(entry.condition.expression.alias(entry.key) for entry in ENTRIES)
