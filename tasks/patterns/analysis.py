"""One workspace, one content type: from rows to confirmed patterns. Pure: the same rows give the same answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from scipy.special import stdtrit

from tasks.patterns.condition_table import ConditionTable, condition_table
from tasks.patterns.confirmation import (
    INTERVAL_LEVEL,
    MAX_LOG,
    ConfirmationResult,
    TimeThird,
    confirm,
    testable,
    thirds,
)
from tasks.patterns.discovery import discover
from tasks.patterns.features import Mask
from tasks.patterns.preparation import UNUSABLE, Posts, prepare
from tasks.patterns.records import ContentAnalysis, Pattern, PatternQuery, Period, rule_key
from tasks.patterns.robustness import Adjustment, adjustments, per_cent
from tasks.patterns.search import RuleCandidate
from tasks.patterns.wording import describe
from tasks.statistics.one_thread import one_thread
from tasks.statistics.outcome import AdjustedOutcome, adjusted_outcome

ALGORITHM = "patterns/1"
MIN_SPREAD = 1e-9

# The guide's names for means over matching rows; any other feature of the rule is called avg_<feature>.
GUIDE_FEATURES = {
    "avg_word_count": "word_count",
    "emoji_usage": "emoji_count",
    "cta_inclusion": "has_cta",
    "avg_sentiment": "sentiment_score",
}
GUIDE_SHARES = ("emoji_usage", "cta_inclusion")  # of posts that have any, rather than how many
DECIMALS = 4


@one_thread()
def analyze(frame: pl.DataFrame, query: PatternQuery) -> ContentAnalysis:
    """Find patterns on one half of the weeks and confirm them on the other.

    Args:
        frame: rows of `content_frame` for the query's workspace and content type.
        query: whose content, how far back, and from when a pattern is worth reporting.

    Returns:
        Patterns with status `patterns_found`, or none with `no_patterns`, `insufficient_data` or `no_variance`.
    """
    if frame.is_empty():
        return _insufficient(query, 0, 0, {"rows_read": 0})
    posts = prepare(frame, query.workspace_id, query.as_of, query.attributes)
    weeks = posts.weeks
    counts = {"rows_read": len(frame), "dropped": posts.dropped, "engagement_basis": posts.basis}
    thresholds = query.thresholds
    if len(posts.week) < thresholds.min_rows or weeks < thresholds.min_weeks:
        return _insufficient(query, len(posts.week), weeks, counts)
    outcome = adjusted_outcome(posts.log_rate, posts.channel, posts.period)
    statistics = _statistics(query, posts, outcome) | counts
    if np.ptp(outcome.residual) < MIN_SPREAD:
        reason = f"all {len(posts.week)} posts did equally well within their channel and season"
        return ContentAnalysis(query, "no_variance", reason, statistics=statistics)
    return _search(posts, query, statistics)


def _search(posts: Posts, query: PatternQuery, statistics: dict[str, Any]) -> ContentAnalysis:
    table = condition_table(posts)
    discovery = discover(posts, table, query.workspace_id)
    families = [
        testable(posts, table, family, query.thresholds.min_sample_size)
        for family in (discovery.within_channels, discovery.channels)
    ]
    patterns = _confirmed(posts, table, families, discovery.born, query)
    tested = sum(len(family) for family in families)
    statistics |= {
        "selectors": len(table.conditions),
        "dropped_features": table.dropped | posts.refused,
        "rules_searched": _rules(table.owner),
        "candidates": len(discovery.within_channels) + len(discovery.channels),
        "tested": tested,
        "confirmed": len(patterns),
    }
    if patterns:
        reason = f"{len(patterns)} of {tested} candidate patterns were confirmed on weeks the search had not seen"
        return ContentAnalysis(query, "patterns_found", reason, patterns, statistics=statistics)
    reason = (
        f"none of {tested} candidate patterns, out of {statistics['rules_searched']} rules searched, was confirmed on "
        "weeks the search had not seen"
    )
    return ContentAnalysis(query, "no_patterns", reason, statistics=statistics)


def _confirmed(
    posts: Posts,
    table: ConditionTable,
    families: list[list[RuleCandidate]],
    born: set[tuple[int, ...]],
    query: PatternQuery,
) -> tuple[Pattern, ...]:
    tested = [result for family in families if family for result in confirm(posts, table, family)]
    patterns = _described(posts, table, [result for result in tested if result.passes(query.thresholds)])
    patterns.sort(key=lambda pattern: (-abs(pattern.effect_size) * pattern.confidence, pattern.pattern_key))
    return _named(patterns, {rule_key(table.rule(members)) for members in born})


def _rules(owner: np.ndarray[Any, np.dtype[np.int64]]) -> int:
    """Single conditions and pairs of different features."""
    per_feature = np.bincount(owner) if len(owner) else np.zeros(1, dtype=np.int64)
    return int(len(owner) + (len(owner) ** 2 - (per_feature**2).sum()) // 2)


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _insufficient(query: PatternQuery, rows: int, weeks: int, counts: dict[str, Any]) -> ContentAnalysis:
    limits = query.thresholds
    left_out = ", ".join(f"{count:,} {UNUSABLE[name]}" for name, count in counts.get("dropped", {}).items())
    of_all = f", of {counts['rows_read']:,} ({left_out})" if left_out else ""
    reason = (
        f"{rows:,} usable {_plural(rows, 'post')} over {weeks} {_plural(weeks, 'week')} in {query.lookback_days} days"
        f"{of_all}; enough would be {limits.min_rows:,} posts over {limits.min_weeks} weeks"
    )
    needed = {"needed": {"sample_count": limits.min_rows, "weeks": limits.min_weeks}}
    statistics = {"sample_count": rows, "weeks": weeks, **needed, **counts}
    return ContentAnalysis(query, "insufficient_data", reason, statistics=statistics | _window(query))


def _statistics(query: PatternQuery, posts: Posts, outcome: AdjustedOutcome) -> dict[str, Any]:
    return {
        "sample_count": len(posts.week),
        "weeks": posts.weeks,
        "discovery_count": int(posts.discovery.sum()),
        "confirmation_count": int((~posts.discovery).sum()),
        "strata": int(outcome.stratum.max()) + 1,
        "explained_by_channel_and_season": round(outcome.explained, 4),
        **_window(query),
    }


def _window(query: PatternQuery) -> dict[str, Any]:
    return {
        "lookback_days": query.lookback_days,
        "as_of": query.as_of.isoformat(),
        "algorithm": ALGORITHM,
    }


def _described(posts: Posts, table: ConditionTable, results: list[ConfirmationResult]) -> list[Pattern]:
    """Confirmed results as patterns, not yet named."""
    if not results:
        return []
    chosen = [result.candidate for result in results]
    paths = adjustments(posts, table, chosen, np.array([result.adjusted for result in results]))
    parts = thirds(posts, table, chosen)
    return [_pattern(posts, table, result, paths[k], _over_time(parts, k)) for k, result in enumerate(results)]


def _named(patterns: list[Pattern], cluster_born: set[str]) -> tuple[Pattern, ...]:
    """Patterns with ids in order: `winning_cluster_0` where the rule describes a cluster, else `winning_rule_0`."""
    counts: Counter[str] = Counter()
    named = []
    for pattern in patterns:
        start = f"{pattern.pattern_type}_{'cluster' if pattern.pattern_key in cluster_born else 'rule'}"
        named.append(replace(pattern, pattern_id=f"{start}_{counts[start]}"))
        counts[start] += 1
    return tuple(named)


def _pattern(
    posts: Posts, table: ConditionTable, result: ConfirmationResult, path: Adjustment, over_time: tuple[Period, ...]
) -> Pattern:
    members = result.candidate.members
    rule, membership = table.rule(members), table.membership(members)
    lift = per_cent(result.log_lift)
    interval = (per_cent(result.interval[0]), per_cent(result.interval[1]))
    return Pattern(
        pattern_id="",
        pattern_key=rule_key(rule),
        pattern_type="winning" if result.candidate.score > 0 else "losing",
        description=describe(rule, lift, interval),
        rule=rule,
        features=_features(posts, membership.matching, [condition.feature for condition in rule]),
        confidence=result.confidence,
        sample_size=result.rows,
        effect_size=result.effect,
        lift_pct=lift,
        lift_interval_pct=interval,
        q_value=result.q_value,
        discovery_size=result.candidate.rows,
        total_size=int(membership.matching.sum()),
        effective_sample_size=result.effective_rows,
        baseline_rate=_baseline(posts, membership.others),
        raw_lift_pct=per_cent(path.raw),
        moved_by=path.moved_by,
        stability=float(np.mean([np.sign(part.lift_pct) == np.sign(lift) for part in over_time])) if over_time else 0.0,
        fading=_is_fading(over_time, lift),
        over_time=over_time,
    )


def _features(posts: Posts, matching: Mask, of_rule: list[str]) -> dict[str, float]:
    """Means over matching rows: the guide's four, and the rule's own numbers and booleans."""
    features = {feature.name: feature for feature in posts.features}
    wanted = {column: name for name, column in GUIDE_FEATURES.items() if column in features}
    wanted |= {name: f"avg_{name}" for name in of_rule if name not in wanted and not features[name].labels}
    means = {}
    for column, name in wanted.items():
        values = features[column].numbers[matching & features[column].known]
        if len(values):
            means[name] = round(float(np.mean(values > 0 if name in GUIDE_SHARES else values)), DECIMALS)
    return means


def _baseline(posts: Posts, others: Mask) -> float:
    """Geometric mean rate (or count) of the posts that do not match."""
    rates = posts.log_rate[others]
    return float(np.exp(rates.mean())) if len(rates) else 0.0


def _over_time(parts: list[TimeThird], k: int) -> tuple[Period, ...]:
    """The k-th rule's lift in each third of the confirmation half in which it can be compared."""
    periods = []
    for part in parts:
        error = float(part.log_rate.standard_error[k])
        if np.isfinite(error):
            width = float(stdtrit(part.log_rate.degrees_of_freedom[k], 0.5 + INTERVAL_LEVEL / 2)) * error
            middle = float(part.log_rate.estimate[k])
            interval = (per_cent(middle - width), per_cent(min(middle + width, MAX_LOG)))
            periods.append(Period(part.first, part.last, per_cent(middle), interval))
    return tuple(periods)


def _is_fading(over_time: tuple[Period, ...], lift: float) -> bool:
    """Whether the last third is weaker than the whole and its interval excludes it."""
    if not over_time:
        return False
    low, high = over_time[-1].lift_interval_pct
    return high < lift if lift > 0 else low > lift
