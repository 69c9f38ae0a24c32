"""Text and time to feature columns: vectorized, once, at ingestion."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tasks.content import text
from tasks.content.catalogue import CATALOGUE
from tasks.content.media import normal_media_type
from tasks.content.sentiment import sentiment_scores
from tasks.errors import UnknownNameError

_TEXT_FEATURES = [feature.name for feature in CATALOGUE if feature.derived and feature.group == "text"]
_ROW = "__row"
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


def with_local_time(frame: pl.DataFrame, timezones: Mapping[str, str]) -> pl.DataFrame:
    """Add `local_hour` (0–23), `local_weekday` (0 = Monday) and `is_weekend`, daylight saving time included.

    Args:
        frame: `workspace_id`, and `published_at` in UTC; where it has `day_only`, `published_at` is midnight UTC of
            such a row's day: its weekday is that day's, its hour is not known. The column is taken away.
        timezones: IANA zone by workspace_id.

    Raises:
        UnknownNameError: if a workspace has no zone.
    """
    zones = _zone_of_each(frame["workspace_id"], timezones)
    if "day_only" in frame.columns:
        days, frame = frame["day_only"], frame.drop("day_only")
        zones = zones.set(days, "UTC")
    else:
        days = pl.Series("day_only", [False]).new_from_index(0, frame.height)
    rows = frame.select("published_at").with_row_index(_ROW).with_columns(zones, days)
    if rows.is_empty():
        return frame.hstack(_local(rows, "UTC").drop(_ROW))
    local = [_local(part, part[zones.name][0]) for part in rows.partition_by(zones.name)]
    return frame.hstack(pl.concat(local).sort(_ROW).drop(_ROW))


def _zone_of_each(workspaces: pl.Series, timezones: Mapping[str, str]) -> pl.Series:
    present = workspaces.unique().to_list()
    for workspace in present:
        if workspace not in timezones:
            raise UnknownNameError.for_workspace(workspace)
    zones = [timezones[workspace] for workspace in present]
    return workspaces.replace_strict(present, zones, return_dtype=pl.String).rename("__zone")


def _local(part: pl.DataFrame, zone: str) -> pl.DataFrame:
    """One zone at a time, because a Polars column has one zone."""
    local = pl.col("published_at").dt.convert_time_zone(zone)
    weekday = local.dt.weekday().cast(pl.Int64) - 1
    return part.select(
        _ROW,
        pl.when(~pl.col("day_only")).then(local.dt.hour().cast(pl.Int64)).alias("local_hour"),
        weekday.alias("local_weekday"),
        (weekday >= 5).alias("is_weekend"),
    )
