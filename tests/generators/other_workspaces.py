"""Simulated workspaces that are made otherwise than those of `planted_patterns.py`, so that nothing is tuned to one.

Engagement is lognormal, or counts with a share of zeros, over a level of the page that wanders from week to week
(AR(1)); two bursts a year hold three times the posts, twice the photos, and do better; formats are bound up with
channels, and habits with both. Of posts of another kind, which do well or badly for reasons of their own, some features
are not known. Planted are single features and pairs with a format, as multiples of the median engagement.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tasks.patterns.preparation import periods, week_numbers
from tasks.statistics.outcome import strata
from tests.generators.planted_patterns import Planted, Simulated

BEGINNING = datetime(2024, 9, 2, tzinfo=UTC)
WEEKS = 60
CHANNEL_NAMES = ("instagram", "linkedin", "newsletter")
FORMATS = ("carousel", "photo", "text", "video")
FORMATS_OF_CHANNEL = ((0.35, 0.35, 0.05, 0.25), (0.15, 0.25, 0.45, 0.15), (0.05, 0.3, 0.6, 0.05))
OWN = ("has_price", "is_question", "names_customer", "has_deadline", "series", "budget", "length")
TEXT_ONLY = ("is_question", "names_customer", "length")
SERIES = ("news", "portrait", "service", "tips")
MULTIPLES = (0.55, 0.7, 1.45, 1.8)
WEEK = 7.0


def simulate_otherwise(seed: int, *, null: bool | None = None, n: int | None = None) -> Simulated:
    """A workspace of 250 to 6,000 posts in 60 weeks; nothing matters in half of them."""
    g = np.random.default_rng([seed, 77])
    nothing = bool(g.random() < 0.5) if null is None else null
    n = n or int(np.exp(g.uniform(np.log(250), np.log(6000))))
    at, in_burst = _instants(g, n)
    channel = g.choice(len(CHANNEL_NAMES), n, p=g.dirichlet((6.0, 4.0, 3.0)))
    form = np.array([g.choice(len(FORMATS), p=FORMATS_OF_CHANNEL[one]) for one in channel])
    form = np.where(in_burst & (g.random(n) < 0.3), FORMATS.index("photo"), form)
    own = _own(g, n, channel, form)
    planted = [] if nothing else [_rule(g, own, form) for _ in range(int(g.integers(1, 4)))]
    effect = np.zeros(n) + sum(rule.effect * rule.matches for rule in planted)
    bare = g.random(n) < 0.15
    log_level = 4.0 + g.normal(0, 0.7, len(CHANNEL_NAMES))[channel] + _page_level(g)[(at / WEEK).astype(int)]
    log_level += np.where(bare, g.choice((-0.5, 0.6)), 0.0) + 0.3 * in_burst + effect
    complete = _frame(at, channel, form, own, _counts(g, log_level))
    frame = complete.with_columns(pl.when(~pl.Series(bare)).then(pl.col(name)).alias(name) for name in TEXT_ONLY)
    period = periods(week_numbers(frame["published_at"]))
    return Simulated(frame, frame, planted, effect, strata(channel, period), period)


def _instants(g: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Days (n,) in order, and which of them lie in one of the two bursts."""
    weight = np.ones(WEEKS)
    for first in g.choice(WEEKS - 4, 2, replace=False):
        weight[first : first + 4] = 3.0
    week = np.sort(g.choice(WEEKS, n, p=weight / weight.sum()))
    return np.sort((week + g.random(n)) * WEEK), weight[week] > 1.0


def _own(g: np.random.Generator, n: int, channel: np.ndarray, form: np.ndarray) -> dict[str, np.ndarray]:
    """Features that follow format and channel as habits do, and numbers that nobody spreads evenly."""
    habit = g.normal(0, 0.6, (4, len(FORMATS)))[:, form] + g.normal(0, 0.5, (4, len(CHANNEL_NAMES)))[:, channel]
    flags = g.random((4, n)) < 1 / (1 + np.exp(1.0 - habit))
    return {
        **dict(zip(OWN[:4], flags, strict=True)),
        "series": g.choice(len(SERIES), n, p=(0.45, 0.1, 0.3, 0.15)),
        "budget": g.choice((0.0, 20.0, 50.0, 200.0), n, p=(0.6, 0.2, 0.15, 0.05)),
        "length": np.ceil(g.gamma(1.5, 25.0 * (1 + form))),
    }


def _rule(g: np.random.Generator, own: dict[str, np.ndarray], form: np.ndarray) -> Planted:
    kinds = [own[name] for name in OWN[:4]] + [own["series"] == 0, own["length"] >= np.quantile(own["length"], 0.75)]
    met = kinds[int(g.integers(len(kinds)))]
    if g.random() < 0.3:
        met = met & (form == g.integers(len(FORMATS)))
    return Planted(met, float(g.choice(MULTIPLES)) - 1.0, dies=False, flips=False)


def _page_level(g: np.random.Generator) -> np.ndarray:
    level = np.zeros(WEEKS + 1)
    for week in range(1, WEEKS + 1):
        level[week] = 0.85 * level[week - 1] + g.normal(0, 0.2)
    return level


def _counts(g: np.random.Generator, log_level: np.ndarray) -> np.ndarray:
    """Lognormal counts, or gamma-Poisson ones of which a tenth are zero whatever was posted."""
    if g.random() < 0.5:
        return np.round(np.exp(log_level + g.normal(0, 0.9, len(log_level))))
    counts = g.poisson(np.exp(np.minimum(log_level - 1.0, 12.0)) * g.gamma(1.2, 1 / 1.2, len(log_level)))
    return np.where(g.random(len(log_level)) < 0.1, 0, counts)


def _frame(
    at: np.ndarray, channel: np.ndarray, form: np.ndarray, own: dict[str, np.ndarray], engagements: np.ndarray
) -> pl.DataFrame:
    n = len(at)
    published = pl.Series([BEGINNING + timedelta(days=float(day)) for day in at], dtype=pl.Datetime("us", "UTC"))
    unknown = pl.Series([None] * n, dtype=pl.Int64)
    return pl.DataFrame(
        {"workspace_id": "w", "content_id": [f"c{i}" for i in range(n)], "content_type": ["social"] * n}
        | {"channel": [CHANNEL_NAMES[i] for i in channel], "media_type": [FORMATS[i] for i in form]}
        | {"published_at": published, "measured_at": published + timedelta(days=9), "local_hour": published.dt.hour()}
        | {"local_weekday": published.dt.weekday() - 1, "is_weekend": published.dt.weekday() >= 6}
        | {"engagements": engagements.astype(np.int64), "impressions": unknown, "audience_size": unknown}
        | {name: [SERIES[i] for i in values] if name == "series" else values for name, values in own.items()}
    )
