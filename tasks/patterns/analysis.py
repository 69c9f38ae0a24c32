"""One workspace, one content type: from rows to patterns. Pure: the same rows give the same answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from scipy.special import stdtrit

from tasks.conditions import Condition, rule_in_words, topic_name
from tasks.content.topics import Topic
from tasks.content.words import COMMA
from tasks.patterns.clusters import cluster_born
from tasks.patterns.condition_table import ConditionTable, condition_table
from tasks.patterns.doing import associations_seen
from tasks.patterns.evidence import (
    INTERVAL_LEVEL,
    MAX_LOG,
    Evidence,
    RuleEvidence,
    TimeThird,
    about_words,
    across_channels,
    thirds,
    within_channels,
)
from tasks.patterns.features import Mask
from tasks.patterns.inseparable import Inseparable, inseparable, nearly_the_same
from tasks.patterns.preparation import UNUSABLE, Posts, prepare
from tasks.patterns.records import ContentAnalysis, Pattern, PatternQuery, Period, rule_key
from tasks.patterns.robustness import Adjustment, adjustments
from tasks.patterns.wording import describe, per_cent
from tasks.statistics.one_thread import one_thread
from tasks.statistics.outcome import AdjustedOutcome

ALGORITHM = "patterns/4"
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
TEN = 10  # posts of either end that a pattern rests on


@one_thread()
def analyze(
    frame: pl.DataFrame, query: PatternQuery, before: Sequence[Topic] = (), *, with_comparable: bool = False
) -> ContentAnalysis:
    """Find patterns: search all rows, and pay for all that was searched.

    Args:
        frame: rows of `content_frame` for the query's workspace and content type.
        query: whose content, how far back, and from when a pattern is worth reporting.
        before: topics of the analysis before, whose names live on.
        with_comparable: whether there are experiments that single conditions are to be held against.

    Returns:
        Patterns with status `patterns_found`, or none with `no_patterns`, `insufficient_data` or `no_variance`.
    """
    if frame.is_empty():
        return _insufficient(query, 0, 0, {"rows_read": 0})
    posts = prepare(frame, query.as_of, query.attributes)
    weeks = posts.weeks
    counts = {"rows_read": len(frame), "dropped": posts.dropped, "engagement_basis": posts.basis}
    thresholds = query.thresholds
    if len(posts.week) < thresholds.min_rows or weeks < thresholds.min_weeks:
        return _insufficient(query, len(posts.week), weeks, counts)
    outcome = posts.within_channels
    statistics = _statistics(query, posts, outcome) | counts
    if np.ptp(outcome.residual) < MIN_SPREAD:
        reason = f"all {len(posts.week)} posts did equally well within their channel and season"
        return ContentAnalysis(query, "no_variance", reason, statistics=statistics)
    return _search(posts, query, statistics, before, with_comparable=with_comparable)


def _search(
    posts: Posts,
    query: PatternQuery,
    statistics: dict[str, Any],
    before: Sequence[Topic],
    *,
    with_comparable: bool,
) -> ContentAnalysis:
    table = condition_table(posts, query.thresholds.min_sample_size, before)
    families = [find(posts, table, query.thresholds) for find in (within_channels, across_channels)]
    families.append(about_words(posts, table, query.thresholds, families[0].found))
    rules = [rule for family in families for rule in family.found]
    patterns = _patterns(posts, table, rules, query)
    bound = [rule for family in families for rule in family.bound]
    together = inseparable(posts, table, bound, query.thresholds.min_sample_size)
    statistics |= {
        "selectors": len(table.conditions),
        "dropped_features": table.dropped,
        "refused": posts.refused,
        "rules_searched": sum(family.searched for family in families),
        "tested": sum(family.tested for family in families),
        "found": len(patterns),
        "topics": [_topic_in_words(posts, topic) for topic in table.topics],
        "inseparable": [one.as_dict() for one in together],
    }
    status = "patterns_found" if patterns else "no_patterns"
    reason = _reason(families, patterns, together, query)
    seen = associations_seen(posts, table, rules, with_comparable=with_comparable)
    return ContentAnalysis(query, status, reason, patterns, statistics=statistics, seen=seen)


def _topic_in_words(posts: Posts, topic: Topic) -> dict[str, Any]:
    return {
        "topic_id": topic.topic_id,
        "name": topic_name(COMMA.join(topic.words)),
        "words": list(topic.words),
        "posts": topic.texts,
        "examples": [str(posts.content_id[i]) for i in topic.examples],
        "history": topic.history,
    }


def _reason(
    families: list[Evidence], patterns: tuple[Pattern, ...], together: list[Inseparable], query: PatternQuery
) -> str:
    searched, limits = sum(family.searched for family in families), query.thresholds
    if not searched:
        return (
            f"nothing could be compared: no feature tells at least {limits.min_sample_size} posts from "
            f"{limits.min_sample_size} others; vary what you publish, or ingest more about each post"
        )
    how_many = f"{len(patterns)} of" if patterns else "none of"
    stand = "stand" if len(patterns) > 1 else "stands"
    reason = (
        f"{how_many} {searched} rules searched {stand} out once channel, season and the whole search are allowed for"
    )
    return reason if patterns or not together else f"{reason}. {together[0].words}"


def _patterns(
    posts: Posts, table: ConditionTable, found: list[RuleEvidence], query: PatternQuery
) -> tuple[Pattern, ...]:
    patterns = _described(posts, table, found)
    patterns.sort(key=lambda pattern: (-abs(pattern.effect_size) * pattern.confidence, pattern.pattern_key))
    born = cluster_born(table, query.workspace_id, [rule.candidate for rule in found]) if found else set()
    return _named(patterns, {rule_key(table.rule(members)) for members in born})


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


def _described(posts: Posts, table: ConditionTable, results: list[RuleEvidence]) -> list[Pattern]:
    """Rules that were found as patterns, not yet named."""
    if not results:
        return []
    chosen = [result.candidate for result in results]
    paths = adjustments(posts, table, chosen, np.array([result.adjusted for result in results]))
    parts = thirds(posts, table, chosen)
    same = nearly_the_same(table, chosen)
    return [
        _pattern(posts, table, result, path, _over_time(parts, k), alike)
        for k, (result, path, alike) in enumerate(zip(results, paths, same, strict=True))
    ]


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
    posts: Posts,
    table: ConditionTable,
    result: RuleEvidence,
    path: Adjustment,
    over_time: tuple[Period, ...],
    nearly_the_same_as: Sequence[Condition],
) -> Pattern:
    members = result.candidate.members
    rule, membership = table.rule(members), table.membership(members)
    lift = per_cent(result.log_lift)
    interval = (per_cent(result.interval[0]), per_cent(result.interval[1]))
    example, other = (int(np.flatnonzero(side)[-1]) for side in (membership.matching, membership.others))  # the newest
    return Pattern(
        pattern_id="",
        pattern_key=rule_key(rule),
        pattern_type="winning" if result.effect > 0 else "losing",
        description=describe(rule, lift, interval, result.candidate.rows),
        rule=rule,
        features=_features(posts, membership.matching, [condition.feature for condition in rule]),
        confidence=result.confidence,
        sample_size=result.candidate.rows,
        effect_size=result.effect,
        lift_pct=lift,
        lift_interval_pct=interval,
        later_interval_pct=(per_cent(result.later_interval[0]), per_cent(result.later_interval[1])),
        q_value=result.q_value,
        discovery_size=result.candidate.rows,
        total_size=result.candidate.rows,
        effective_sample_size=result.effective_rows,
        baseline_rate=_baseline(posts, membership.others),
        raw_lift_pct=per_cent(path.raw),
        moved_by=path.moved_by,
        stability=float(np.mean([np.sign(part.lift_pct) == np.sign(lift) for part in over_time])) if over_time else 0.0,
        fading=_is_fading(over_time, lift),
        over_time=over_time,
        share_of_posts=round(result.candidate.rows / int(membership.known.sum()), DECIMALS),
        example_post=str(posts.content_id[example]),
        other_post=str(posts.content_id[other]),
        example_text=posts.excerpt[example],
        other_text=posts.excerpt[other],
        best_posts=_ten(posts, membership.matching, -1),
        worst_posts=_ten(posts, membership.matching, 1),
        same_act=tuple(rule_in_words(table.rule(one.members)) for one in result.folded),
        inseparable_from=tuple(condition.words for condition in nearly_the_same_as),
    )


def _features(posts: Posts, matching: Mask, of_rule: list[str]) -> dict[str, float]:
    """Means over matching rows: the guide's four, and the rule's own numbers and booleans."""
    features = {feature.name: feature for feature in posts.features}
    wanted = {column: name for name, column in GUIDE_FEATURES.items() if column in features}
    measured = {name for name in of_rule if not features[name].labels and features[name].kind != "words"}
    wanted |= {name: f"avg_{name}" for name in of_rule if name in measured - set(wanted)}
    means = {}
    for column, name in wanted.items():
        values = features[column].numbers[matching & features[column].known]
        if len(values):
            means[name] = round(float(np.mean(values > 0 if name in GUIDE_SHARES else values)), DECIMALS)
    return means


def _ten(posts: Posts, chosen: Mask, order: int) -> tuple[dict[str, Any], ...]:
    """The ten chosen posts with the lowest (order 1) or highest (−1) engagement within their channel and season."""
    within = posts.within_channels.within
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(order * within[rows], kind="stable")[:TEN]]
    return tuple(
        {
            "content_id": str(posts.content_id[int(i)]),
            "text": posts.excerpt[int(i)],
            "times_typical": round(float(np.exp(min(within[i], MAX_LOG))), DECIMALS),
        }
        for i in rows
    )


def _baseline(posts: Posts, others: Mask) -> float:
    """Geometric mean rate (or count) of the posts that do not match."""
    rates = posts.log_rate[others]
    return float(np.exp(rates.mean())) if len(rates) else 0.0


def _over_time(parts: list[TimeThird], k: int) -> tuple[Period, ...]:
    """The k-th rule's lift in each third of the time in which it can be compared."""
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
