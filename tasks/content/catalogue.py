"""Every feature of a post that patterns and models may read: what it is called, what it means, how to say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["boolean", "count", "share", "score", "hour", "category", "words"]
Group = Literal["text", "timing", "media"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the content table.

    Attributes:
        name: the column.
        kind: boolean; count (whole, ≥ 0); share (in [0, 1]); score (real); hour (0–23); category (label or code).
        group: what it is about.
        words: completes 'content that …' where the feature is true, present (a count above 0) or high.
        absent_words: the same for false, none or low; empty for a category, whose value must be named.
        definition: what exactly is measured.
        derived: whether `with_features` makes the column; else the content brings it.
    """

    name: str
    kind: Kind
    group: Group
    words: str
    absent_words: str
    definition: str
    derived: bool = True


# Text features leave links and e-mail addresses out, but for link_count and character_count.
_TEXT: tuple[tuple[str, Kind, str, str, str], ...] = (
    ("title_words", "count", "has a long title", "has a short title", "words in the title"),
    ("body_words", "count", "has a long body", "has a short body", "words in the body"),
    ("word_count", "count", "has many words", "has few words", "words in title and body; emoji are none"),
    ("character_count", "count", "is long", "is short", "characters of title and body as published"),
    (
        *("emoji_count", "count", "includes emojis", "includes no emojis"),
        "emoji as a reader counts them: a flag, a keycap, a skin tone or a joined family is one",
    ),
    ("hashtag_count", "count", "uses hashtags", "uses no hashtags", "#words that hold a letter"),
    ("mention_count", "count", "mentions other accounts", "mentions no other accounts", "@names"),
    ("link_count", "count", "has a link in the text", "has no link in the text", "web addresses in title or body"),
    ("exclamation_count", "count", "uses exclamation marks", "uses no exclamation marks", "exclamation marks"),
    ("question_count", "count", "asks a question", "asks no question", "runs of question marks"),
    ("number_count", "count", "cites numbers", "cites no numbers", "numbers in digits; 1,000 and 10:30 are one each"),
    (
        *("capitals_share", "share", "has many capital letters", "has few capital letters"),
        "capital letters among all letters; null without a letter",
    ),
    (
        *("has_cta", "boolean", "has a clear call to action", "has no clear call to action"),
        "holds a phrase of tasks/content/calls_to_action.py",
    ),
    (
        *("readability", "score", "is easy to read", "is hard to read"),
        "Flesch reading ease with estimated syllables, cut to [0, 121.22]; null without a word; made for English",
    ),
    (
        *("sentiment_score", "score", "has positive sentiment", "has negative sentiment"),
        "VADER lexicon score in [−1, 1]; English",
    ),
)

CATALOGUE: tuple[Feature, ...] = (
    *(Feature(name, kind, "text", words, absent, definition) for name, kind, words, absent, definition in _TEXT),
    Feature(
        *("local_hour", "hour", "timing", "is posted late in the day", "is posted early in the day"),
        "hour on the workspace's clock, daylight saving time included",
    ),
    Feature(
        *("local_weekday", "category", "timing", "is posted on", ""),
        "0 = Monday … 6 = Sunday on the workspace's clock",
    ),
    Feature(
        *("is_weekend", "boolean", "timing", "is posted on a weekend", "is posted on a working day"),
        "Saturday or Sunday on the workspace's clock",
    ),
    Feature(
        *("media_type", "category", "media", "is a", ""),
        "normal name of the medium, as in tasks/content/media.py",
        derived=False,
    ),
)

DERIVED = tuple(feature.name for feature in CATALOGUE if feature.derived)
BY_NAME = {feature.name: feature for feature in CATALOGUE}

# Measures made for English, which say nothing of other languages.
ENGLISH_ONLY = ("has_cta", "readability", "sentiment_score")

# Features that measure one act in several ways: a longer text has more words and more characters.
_FAMILIES: dict[str, tuple[str, ...]] = {
    "length": ("title_words", "body_words", "word_count", "character_count"),
    "day": ("local_weekday", "is_weekend"),
}
_FAMILY_OF = {name: family_name for family_name, names in _FAMILIES.items() for name in names}


def family(feature: str) -> str:
    """The act that a feature measures, such as `length`; the feature's own name where it alone does."""
    return _FAMILY_OF.get(feature, feature)
