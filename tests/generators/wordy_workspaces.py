"""Simulated workspaces whose posts have subjects: words that matter, words that do not, and stories told many times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tasks.content import with_features

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 360
SUBJECTS, WORDS_OF_SUBJECT, COMMON_WORDS = 8, 14, 500
SYLLABLES = ("ba", "ke", "lo", "mi", "nu", "ra", "se", "ti", "vo", "za", "du", "fe", "gi", "ho", "pa", "ru")


def vocabulary(count: int, seed: int) -> list[str]:
    """Distinct words that are in no list of stop words."""
    g = np.random.default_rng([seed, 1])
    words: dict[str, None] = {}
    while len(words) < count:
        words["".join(g.choice(SYLLABLES, 3)) + "n"] = None
    return list(words)


def simulate_texts(
    seed: int, *, n: int | None = None, lifts: dict[int, float] | None = None, curry: float = 0.0, viral: int = 0
) -> tuple[pl.DataFrame, np.ndarray, list[str]]:
    """Content rows, the subject of each (n,), and the words that tell subjects, `WORDS_OF_SUBJECT` each.

    Args:
        seed: of everything.
        n: posts in a year; drawn from 300 to 4,000 if not given.
        lifts: log lift of some subjects.
        curry: log lift of posts that mention “curry”, which one in fifteen does whatever its subject.
        viral: posts that tell one story in nearly the same words, spread over the year, all of which do well.
    """
    g = np.random.default_rng([seed, 20261129])
    n = n or int(np.clip(g.lognormal(6.9, 0.7), 300, 4000))
    words = vocabulary(SUBJECTS * WORDS_OF_SUBJECT + COMMON_WORDS, seed)
    telling, common = words[: SUBJECTS * WORDS_OF_SUBJECT], words[SUBJECTS * WORDS_OF_SUBJECT :]
    zipf = 1.0 / np.arange(1, COMMON_WORDS + 1) ** 0.9
    subject = g.choice(SUBJECTS, n, p=g.dirichlet(np.full(SUBJECTS, 6.0)))
    mentions = g.random(n) < 1 / 15
    texts = []
    for one, has in zip(subject.tolist(), mentions.tolist(), strict=True):
        own = telling[one * WORDS_OF_SUBJECT : (one + 1) * WORDS_OF_SUBJECT]
        chosen = [*g.choice(own, int(g.integers(2, 5))), *g.choice(common, int(g.integers(5, 15)), p=zipf / zipf.sum())]
        g.shuffle(chosen)
        texts.append(" ".join([*chosen, *(["Curry"] if has else [])]).capitalize() + ".")
    luck = 0.25 * g.standard_normal(DAYS // 7 + 2)
    at = np.sort(g.random(n)) * DAYS
    rate = 4.0 + 0.8 * g.standard_t(4, n) / np.sqrt(2) + luck[(at / 7).astype(int)] + curry * mentions
    for one, lift in (lifts or {}).items():
        rate += lift * (subject == one)
    story = " ".join(g.choice(common, 12, replace=False))
    for i in g.choice(n, viral, replace=False):
        texts[i] = f"{story} {g.choice(common)}"
        rate[i] += 1.2
    published = [AS_OF - timedelta(days=float(DAYS + 10 - day)) for day in at]
    frame = pl.DataFrame(
        {"workspace_id": "w", "content_id": [f"c{i}" for i in range(n)], "content_type": "social"}
        | {"channel": "facebook", "published_at": pl.Series(published, dtype=pl.Datetime("us", "UTC"))}
        | {"title": pl.Series([None] * n, dtype=pl.String), "body": texts, "media_type": "photo"}
        | {"engagements": g.poisson(np.exp(np.minimum(rate, 14.0)))}
        | {name: pl.Series([None] * n, dtype=pl.Int64) for name in ("impressions", "audience_size")}
    )
    rows = frame.with_columns(measured_at=pl.col("published_at") + timedelta(days=8))
    return with_features(rows, {"w": "UTC"}), subject, telling
