"""What a pattern's contrast is freed of: when the post came out, and everything else it says.

A post with a question is longer than one without; were length not held fixed, short posts would look bad wherever
questions do well. Each pattern is adjusted for every family but its own, because two patterns of one family (some
emojis, many emojis) are the same act.
"""

from __future__ import annotations

from collections import defaultdict

import polars as pl

from tasks.statistics.outcome import Floats
from tasks.transfer.catalogue import PATTERNS, Pattern

_LENGTH = ("short", "long", "title", "easy", "hard")

_COLUMNS: dict[str, list[pl.Expr]] = {
    "time": [*(pl.col("local_hour") // 4 == block for block in range(1, 6)), pl.col("is_weekend")],
    "media": [pl.col("media_type") == name for name in ("photo", "video", "link")],
    "length": [pl.col("word_count").log1p()],
    "mood": [pl.col("sentiment_score")],
    "cta": [pl.col("has_cta")],
} | {name: [pl.col(f"{name}_count") > 0] for name in ("emoji", "hashtag", "link", "exclamation", "question", "number")}


def family_of(pattern: Pattern) -> str:
    """Which act a pattern is a form of."""
    if pattern.across_channels:
        return "place"
    if pattern.insight_type == "timing":
        return "time"
    _, group, name = pattern.key.split(":")
    if group == "pace":
        return "time"
    if group != "text":
        return "media" if group == "media_type" else group
    act = name.partition("_")[0]
    return "length" if act in _LENGTH else act


def by_family() -> dict[str, list[Pattern]]:
    """The catalogue's patterns, grouped by what they are adjusted for."""
    families: dict[str, list[Pattern]] = defaultdict(list)
    for pattern in PATTERNS:
        families[family_of(pattern)].append(pattern)
    return dict(families)


def controls(rows: pl.DataFrame) -> dict[str, Floats]:
    """Columns (n, c) of each family of acts; a missing feature counts as its average."""
    return {family: _numbers(rows, columns) for family, columns in _COLUMNS.items()}


def _numbers(rows: pl.DataFrame, columns: list[pl.Expr]) -> Floats:
    numbers = [column.cast(pl.Float64).alias(str(i)) for i, column in enumerate(columns)]
    return rows.select(numbers).select(pl.all().fill_null(pl.all().mean()).fill_null(0.0)).to_numpy()
