"""Simulated workspaces whose winning and losing patterns are known, with everything that fools a naive analysis.

Channels whose mix drifts, decoy features that follow channel and season but do nothing, correlated features, weeks that
share their luck, heavy tails; and, unless switched off, bots (1 % of rows ×50), a tenth of the feature values
missing, duplicated rows, effects that flip sign in one channel, and one viral row ×1000.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tasks.conditions import Rule
from tasks.statistics.contrast import stratified_contrast
from tasks.statistics.outcome import strata

START = datetime(2025, 1, 6, tzinfo=UTC)
DAYS = 540
CHANNELS, BINARY, NOMINAL_LEVELS, NUMERIC = 5, 10, (4, 5, 3), 3
LIFTS = (0.25, 0.45, 0.80, -0.20, -0.31, -0.45)
NEGLIGIBLE = 0.02
ATTRIBUTES = (
    *(f"flag_{j}" for j in range(BINARY)),
    *(f"kind_{k}" for k in range(len(NOMINAL_LEVELS))),
    *(f"size_{k}" for k in range(NUMERIC)),
)
OF_ONE_KIND = ("flag_5", "flag_6", "flag_7", "kind_1", "size_2")  # not known of posts of another kind, where there are


def is_channel(rule: Rule) -> bool:
    """Whether a rule only names a channel: channels differ in every workspace, null or not."""
    return {condition.feature for condition in rule} == {"channel"}


@dataclass(frozen=True)
class Planted:
    """One true effect: the posts (n,) that have it, and the features that say so."""

    matches: np.ndarray
    lift: float
    dies: bool
    flips: bool
    about: tuple[str, ...] = ()

    @property
    def effect(self) -> float:
        return float(np.log1p(self.lift))


@dataclass(frozen=True)
class Simulated:
    """A workspace and its truth; `frame` is what the analyzer sees, the rest is what it must not.

    What is missing in `complete` is no accident, and missing in `frame` too.
    """

    frame: pl.DataFrame
    complete: pl.DataFrame
    planted: list[Planted]
    effect: np.ndarray
    stratum: np.ndarray
    period: np.ndarray

    def truth(self, rule: Rule) -> float:
        """The planted contrast of a rule within channel × period, in log units; of a channel, within the period.

        Among the posts of which the rule is known: of the others nobody can say on which side they are.
        """
        met = self.matches(rule)[:, None]
        known = self.complete.select(pl.all_horizontal(pl.col(one.feature).is_not_null() for one in rule)).to_numpy()
        stratum = self.period if is_channel(rule) else self.stratum
        return float(stratified_contrast(met, self.effect, stratum, np.arange(len(met)), valid=known).estimate[0])

    def realized(self, planted: Planted) -> float:
        """The contrast a planted rule really shows, in log units: less where it dies or another overlaps."""
        return float(stratified_contrast(planted.matches[:, None], self.effect, self.stratum, self.period).estimate[0])

    def matches(self, rule: Rule) -> np.ndarray:
        """Posts (n,) that are known to meet a rule."""
        columns = self.complete.select(one.expression.fill_null(False).alias(str(i)) for i, one in enumerate(rule))
        return columns.to_numpy().all(axis=1)


def simulate(
    seed: int, *, null: bool | None = None, n: int | None = None, clean: bool = False, gaps: bool = False
) -> Simulated:
    """A workspace of 300–12,000 posts over 18 months; half of them hold no pattern at all.

    With `gaps`, three posts in ten are of another kind: some features say nothing of them, and they do better for
    reasons of their own.
    """
    g = np.random.default_rng([seed, 20261123])
    null = bool(g.random() < 0.5) if null is None else null
    n = n or int(np.clip(g.lognormal(7.2, 0.9), 300, 12_000))
    time = np.sort(g.random(n))
    channel = _channels(g, time)
    features = _features(g, channel, time)
    planted = [] if null else _plant(g, features, clean)
    effect = _effect(planted, channel, time)
    week = (time * DAYS / 7).astype(int)
    effect += g.normal(0, 0.6, CHANNELS)[channel]
    log_rate = -3.5 + g.normal(0, 0.8) * (time - 0.5) + _weeks(g)[week]
    log_rate = log_rate + effect + 0.8 * g.standard_t(3, n) / np.sqrt(3)
    other_kind = np.random.default_rng([seed, 20261129]).random(n) < (0.3 if gaps else 0.0)
    log_rate += 0.6 * other_kind
    impressions = np.round(np.exp(g.normal(7, 1, n))).astype(int) + 1
    engagements = g.poisson(np.minimum(impressions * np.exp(log_rate), 1e8))
    complete = _frame(features, time, channel, impressions, engagements)
    of_one_kind = pl.Series(~other_kind)
    complete = complete.with_columns(pl.when(of_one_kind).then(pl.col(name)).alias(name) for name in OF_ONE_KIND)
    frame = complete if clean else _spoil(g, complete, features)
    period = (time * DAYS / 56).astype(int)
    return Simulated(frame, complete, planted, effect, strata(channel, period), period)


def _channels(g: np.random.Generator, time: np.ndarray) -> np.ndarray:
    before, after = g.dirichlet(np.ones(CHANNELS) * 2, 2)
    mix = np.cumsum(before + np.outer(time, after - before), axis=1)
    return np.minimum((g.random(len(time))[:, None] > mix).sum(axis=1), CHANNELS - 1)


def _features(g: np.random.Generator, channel: np.ndarray, time: np.ndarray) -> dict[str, np.ndarray]:
    size = BINARY + len(NOMINAL_LEVELS) + NUMERIC
    latent = g.normal(size=(len(time), size)) @ (np.eye(size) + 0.35 * g.normal(size=(size, size)) / np.sqrt(size)).T
    latent /= latent.std(axis=0)
    decoy = g.random(size) < 0.35
    latent += decoy * (g.normal(0, 0.9, (CHANNELS, size))[channel] + np.outer(time - 0.5, g.normal(0, 1.2, size)))
    columns: dict[str, np.ndarray] = {}
    for j in range(BINARY):
        columns[f"flag_{j}"] = latent[:, j] > np.quantile(latent[:, j], 1 - g.uniform(0.08, 0.5))
    for k, levels in enumerate(NOMINAL_LEVELS):
        cuts = np.quantile(latent[:, BINARY + k], np.sort(g.dirichlet(np.ones(levels) * 4).cumsum()[:-1]))
        columns[f"kind_{k}"] = np.searchsorted(cuts, latent[:, BINARY + k])
    for k in range(NUMERIC):
        columns[f"size_{k}"] = np.exp(3 + 0.7 * latent[:, BINARY + len(NOMINAL_LEVELS) + k])
    return columns


def _plant(g: np.random.Generator, features: dict[str, np.ndarray], clean: bool) -> list[Planted]:
    names = list(features)
    planted = []
    for _ in range(g.integers(1, 4)):
        chosen = g.choice(names, size=g.integers(1, 3), replace=False)
        matches = np.all([_condition(g, name, features[name]) for name in chosen], axis=0)
        flips = not clean and g.random() < 0.15
        lift, dies = float(g.choice(LIFTS)), bool(g.random() < 0.15)
        planted.append(Planted(matches, lift, dies, bool(flips), tuple(map(str, chosen))))
    return planted


def _condition(g: np.random.Generator, name: str, values: np.ndarray) -> np.ndarray:
    if name.startswith("flag"):
        return values
    if name.startswith("kind"):
        return values == g.integers(0, values.max() + 1)
    return values >= np.quantile(values, 0.75)


def _effect(planted: list[Planted], channel: np.ndarray, time: np.ndarray) -> np.ndarray:
    effect = np.zeros(len(time))
    for rule in planted:
        part = rule.effect * rule.matches * (time < 0.5 if rule.dies else 1.0)
        effect += np.where(channel == 0, -part, part) if rule.flips else part
    return effect


def _weeks(g: np.random.Generator) -> np.ndarray:
    luck = np.zeros(DAYS // 7 + 2)
    for i in range(1, len(luck)):
        luck[i] = 0.7 * luck[i - 1] + g.normal(0, 0.15 * np.sqrt(1 - 0.49))
    return luck


def _frame(
    features: dict[str, np.ndarray], time: np.ndarray, channel: np.ndarray, impressions: np.ndarray, k: np.ndarray
) -> pl.DataFrame:
    n = len(time)
    published = pl.Series([START + timedelta(days=float(t) * DAYS) for t in time], dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame(
        {"workspace_id": ["w"] * n, "content_id": [f"c{i:05d}" for i in range(n)], "content_type": ["social"] * n}
        | {"channel": [f"channel_{c}" for c in channel], "published_at": published}
        | {"measured_at": published + timedelta(days=8), "impressions": impressions, "engagements": k}
        | {"audience_size": pl.Series([None] * n, dtype=pl.Int64), "local_hour": published.dt.hour()}
        | {"local_weekday": published.dt.weekday() - 1, "is_weekend": published.dt.weekday() >= 6}
        | {name: [f"k{v}" for v in values] if name.startswith("kind") else values for name, values in features.items()}
    )


def _spoil(g: np.random.Generator, complete: pl.DataFrame, features: dict[str, np.ndarray]) -> pl.DataFrame:
    """Bots, one viral row, missing features, duplicated rows."""
    n = len(complete)
    factor = np.where(g.random(n) < 0.01, 50, 1)
    factor[g.integers(0, n)] = 1000
    missing = {name: pl.Series(g.random(n) < 0.1) for name in features}
    frame = complete.with_columns(
        (pl.col("engagements") * pl.Series(factor)).alias("engagements"),
        *(pl.when(~gone).then(pl.col(name)).alias(name) for name, gone in missing.items()),
    )
    return pl.concat([frame, frame.sample(fraction=0.02, seed=int(g.integers(1 << 30)))])
