"""Confirmed candidates as patterns: figures a person can check, and how far adjustment moved them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import stdtrit

from tasks.patterns.confirmation import INTERVAL_LEVEL, Evidence, Third, thirds
from tasks.patterns.explanation import Adjustment, adjustments, per_cent
from tasks.patterns.preparation import Posts
from tasks.patterns.records import Pattern, Period, rule_key
from tasks.patterns.search import Candidate, rule_matches
from tasks.patterns.selectors import SelectorTable
from tasks.patterns.wording import describe

Mask = NDArray[np.bool_]

# The guide's names for means over matching rows; any other feature of the rule is called avg_<feature>.
GUIDE_FEATURES = {
    "avg_word_count": ("word_count", pl.col("word_count")),
    "emoji_usage": ("emoji_count", pl.col("emoji_count") > 0),
    "cta_inclusion": ("has_cta", pl.col("has_cta")),
    "avg_sentiment": ("sentiment_score", pl.col("sentiment_score")),
}
DECIMALS = 4
MAX_LOG = 50.0  # e⁵⁰: an interval so wide says 'unknown', and must not overflow to infinity


def describe_patterns(
    posts: Posts, table: SelectorTable, candidates: list[Candidate], evidence: Evidence, passing: list[int]
) -> list[Pattern]:
    """The candidates with indices `passing` as patterns, not yet named."""
    if not passing:
        return []
    chosen = [candidates[i] for i in passing]
    paths = adjustments(posts, table, chosen, evidence.interval[passing].mean(axis=1))
    parts = thirds(posts, table, chosen)
    return [
        _pattern(posts, table, candidates[i], evidence, i, paths[k], _over_time(posts, parts, k))
        for k, i in enumerate(passing)
    ]


def named(patterns: list[Pattern], cluster_born: set[str]) -> tuple[Pattern, ...]:
    """Patterns with ids in order: `winning_cluster_0` where the rule describes a cluster, else `winning_rule_0`."""
    counts: Counter[str] = Counter()
    found = []
    for pattern in patterns:
        start = f"{pattern.pattern_type}_{'cluster' if pattern.pattern_key in cluster_born else 'rule'}"
        found.append(replace(pattern, pattern_id=f"{start}_{counts[start]}"))
        counts[start] += 1
    return tuple(found)


def _pattern(
    posts: Posts,
    table: SelectorTable,
    candidate: Candidate,
    evidence: Evidence,
    i: int,
    path: Adjustment,
    over_time: tuple[Period, ...],
) -> Pattern:
    rule = table.rule(candidate.members)
    matching = rule_matches(table.matches, candidate.members)
    lift = per_cent(float(evidence.log_lift[i]))
    return Pattern(
        pattern_id="",
        pattern_key=rule_key(rule),
        pattern_type="winning" if candidate.score > 0 else "losing",
        description=describe(rule, lift),
        rule=rule,
        features=_features(posts.features.filter(matching), [selector.feature for selector in rule]),
        confidence=float(evidence.confidence[i]),
        sample_size=int(evidence.rows[i]),
        effect_size=float(evidence.effect[i]),
        lift_pct=lift,
        lift_interval_pct=(per_cent(float(evidence.interval[i, 0])), per_cent(float(evidence.interval[i, 1]))),
        q_value=float(evidence.q_value[i]),
        discovery_size=candidate.rows,
        total_size=int(matching.sum()),
        effective_sample_size=float(evidence.effective_rows[i]),
        baseline_rate=_baseline(posts, matching, table.valid(candidate.members)),
        raw_lift_pct=per_cent(path.raw),
        moved_by=path.moved_by,
        stability=float(np.mean([np.sign(part.lift_pct) == np.sign(lift) for part in over_time])) if over_time else 0.0,
        fading=_is_fading(over_time, lift),
        over_time=over_time,
    )


def _features(matching: pl.DataFrame, of_rule: list[str]) -> dict[str, float]:
    """Means over matching rows: the guide's four, and the rule's own numbers and booleans."""
    wanted = {name: mean for name, (column, mean) in GUIDE_FEATURES.items() if column in matching.columns}
    named = {column for column, _ in GUIDE_FEATURES.values()}
    for name in of_rule:
        if name not in named and (matching[name].dtype.is_numeric() or matching[name].dtype == pl.Boolean):
            wanted[f"avg_{name}"] = pl.col(name)
    means = matching.select(expression.cast(pl.Float64).mean().alias(name) for name, expression in wanted.items())
    return {mean.name: round(float(mean.item()), DECIMALS) for mean in means if mean.item() is not None}


def _baseline(posts: Posts, matching: Mask, known: Mask) -> float:
    """Geometric mean rate (or count) of the posts that do not match."""
    others = posts.log_rate[known & ~matching]
    return float(np.exp(others.mean())) if len(others) else 0.0


def _over_time(posts: Posts, parts: list[Third], k: int) -> tuple[Period, ...]:
    """The k-th rule's lift in each third of the confirmation half in which it can be compared."""
    found = []
    for part in parts:
        error = float(part.log_rate.standard_error[k])
        if np.isfinite(error):
            width = float(stdtrit(part.log_rate.degrees_of_freedom[k], 0.5 + INTERVAL_LEVEL / 2)) * error
            middle = float(part.log_rate.estimate[k])
            first, last = _span(posts.published_at.filter(part.rows))
            interval = (per_cent(middle - width), per_cent(min(middle + width, MAX_LOG)))
            found.append(Period(first, last, per_cent(middle), interval))
    return tuple(found)


def _span(instants: pl.Series) -> tuple[datetime, datetime]:
    first, last = instants.min(), instants.max()
    assert isinstance(first, datetime), "a third without rows has no contrast"
    assert isinstance(last, datetime), "a third without rows has no contrast"
    return first, last


def _is_fading(over_time: tuple[Period, ...], lift: float) -> bool:
    """Whether the last third is weaker than the whole and its interval excludes it."""
    if not over_time:
        return False
    low, high = over_time[-1].lift_interval_pct
    return high < lift if lift > 0 else low > lift
