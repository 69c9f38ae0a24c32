"""Simulated workspaces in which what is missing is no accident: posts without text are of another kind.

Posts without text are mostly posted in the evening and do better for reasons of their own; marks in texts are rare.
Nothing that a text holds matters, so whatever is said about texts is a phantom.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tasks.content import with_features
from tasks.content.catalogue import CATALOGUE

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 357
WORDS = ("garden", "river", "market", "window", "coffee", "bread", "autumn", "street", "music", "travel", "summer")
TEXT_FEATURES = frozenset(feature.name for feature in CATALOGUE if feature.group == "text")


def simulate_gaps(
    seed: int, *, n: int = 900, without_text: float = 0.3, boost: float = 0.6, evening: float = 0.6, marks: float = 0.04
) -> pl.DataFrame:
    """Content rows of a workspace.

    Args:
        seed: of everything.
        n: posts in a year.
        without_text: share of posts without a text.
        boost: what those do better, in log units.
        evening: what posts of the evening do better.
        marks: share of texts that mention an account.
    """
    g = np.random.default_rng([seed, 20261129])
    bare = g.random(n) < without_text
    late = g.random(n) < np.where(bare, 0.7, 0.3)
    hours = np.where(late, g.integers(18, 22, n), g.integers(8, 14, n))
    days = np.sort(g.integers(8, DAYS + 8, n))[::-1]
    published = [
        AS_OF - timedelta(days=int(day)) + timedelta(hours=int(hour)) for day, hour in zip(days, hours, strict=True)
    ]
    texts = [None if nothing else _text(g, marks) for nothing in bare]
    rate = 4.0 + 0.8 * g.standard_normal(n) + boost * bare + evening * late
    frame = pl.DataFrame(
        {"workspace_id": "w", "content_id": [f"c{i}" for i in range(n)], "content_type": "social"}
        | {"channel": "facebook", "published_at": pl.Series(published, dtype=pl.Datetime("us", "UTC"))}
        | {"title": pl.Series([None] * n, dtype=pl.String), "body": pl.Series(texts, dtype=pl.String)}
        | {"media_type": "photo", "engagements": g.poisson(np.exp(rate))}
        | {name: pl.Series([None] * n, dtype=pl.Int64) for name in ("impressions", "audience_size")}
    )
    return with_features(frame.with_columns(measured_at=pl.col("published_at") + timedelta(days=8)), {"w": "UTC"})


def _text(g: np.random.Generator, marks: float) -> str:
    return " ".join(g.choice(WORDS, int(g.integers(8, 20)))) + (" @friend" if g.random() < marks else "")
