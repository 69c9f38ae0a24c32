"""Text and time to feature columns: vectorised, once, at ingestion."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tasks.content import text
from tasks.content.catalogue import CATALOGUE
from tasks.content.media import normal_media_type
from tasks.content.sentiment import sentiment_scores
from tasks.content.timing import with_local_time

_TEXT_FEATURES = [feature.name for feature in CATALOGUE if feature.derived and feature.group == "text"]
_TITLE, _BODY, _BOTH = pl.col("__title"), pl.col("__body"), pl.col("__both")


def with_features(frame: pl.DataFrame, timezones: Mapping[str, str]) -> pl.DataFrame:
    """Add the feature columns of the content table, and bring `media_type`, where given, to its normal name.

    Args:
        frame: content rows with `workspace_id`, `title`, `body` (String, may be null) and `published_at` (UTC).
        timezones: IANA zone by workspace_id.

    Returns:
        The frame and one column for each feature of tasks/content/catalogue.py. A row with neither title nor body
        has null text features: nothing is known of its text. An empty text is a text, of no words.

    Raises:
        UnknownNameError: if a workspace has no zone.
    """
    features = _text_features(frame.select(pl.col("title", "body").cast(pl.String)))
    media = [normal_media_type(pl.col("media_type").cast(pl.String))] if "media_type" in frame.columns else []
    return with_local_time(frame.with_columns(*media, *features), timezones)


def _text_features(texts: pl.DataFrame) -> pl.DataFrame:
    published = _joined(pl.col("title"), pl.col("body"))
    plain = texts.select(
        text.plain(pl.col("title")).alias("__title"),
        text.plain(pl.col("body")).alias("__body"),
        text.links(published).alias("link_count"),
        published.str.len_chars().cast(pl.Int64).alias("character_count"),
    )
    words = plain.with_columns(
        _joined(_TITLE, _BODY).alias("__both"),
        text.words(_TITLE).alias("title_words"),
        text.words(_BODY).alias("body_words"),
    )
    known = pl.col("__both").is_not_null()
    words = words.with_columns(
        pl.when(known).then(pl.sum_horizontal("title_words", "body_words")).alias("word_count"),
        text.letters(_BOTH).alias("__letters"),
    )
    counted = words.with_columns(
        text.capitals_share(_BOTH, pl.col("__letters")).alias("capitals_share"),
        text.has_call_to_action(_BOTH).alias("has_cta"),
        text.readability(_BOTH, pl.col("word_count")).alias("readability"),
        **text.counts(_BOTH),
    )
    return counted.with_columns(sentiment_scores(counted["__both"]).alias("sentiment_score")).select(_TEXT_FEATURES)


def _joined(title: pl.Expr, body: pl.Expr) -> pl.Expr:
    """Title and body on lines of their own; null only where both are missing."""
    known = title.is_not_null() | body.is_not_null()
    return pl.when(known).then(pl.concat_str(title, body, separator="\n", ignore_nulls=True))
