"""Confirmed candidates as patterns: figures a person can check, and how far adjustment moved them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from tasks.patterns.confirmation import INTERVAL_LEVEL, MAX_LOG, Finding, Third, thirds
from tasks.patterns.explanation import Adjustment, adjustments, per_cent
from tasks.patterns.preparation import Posts
from tasks.patterns.records import Pattern, Period, rule_key
from tasks.patterns.search import rule_matches
from tasks.patterns.selectors import SelectorTable
from tasks.patterns.wording import describe

Mask = NDArray[np.bool_]

# The guide's names for means over matching rows; any other feature of the rule is called avg_<feature>.
GUIDE_FEATURES = {
    "avg_word_count": "word_count",
    "emoji_usage": "emoji_count",
    "cta_inclusion": "has_cta",
    "avg_sentiment": "sentiment_score",
}
GUIDE_SHARES = ("emoji_usage", "cta_inclusion")  # of posts that have any, rather than how many
DECIMALS = 4


def describe_patterns(posts: Posts, table: SelectorTable, findings: list[Finding]) -> list[Pattern]:
    """Confirmed findings as patterns, not yet named."""
    if not findings:
        return []
    chosen = [finding.candidate for finding in findings]
    paths = adjustments(posts, table, chosen, np.array([finding.adjusted for finding in findings]))
    parts = thirds(posts, table, chosen)
    return [_pattern(posts, table, finding, paths[k], _over_time(parts, k)) for k, finding in enumerate(findings)]


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
    posts: Posts, table: SelectorTable, finding: Finding, path: Adjustment, over_time: tuple[Period, ...]
) -> Pattern:
    members = finding.candidate.members
    rule, matching = table.rule(members), rule_matches(table.matches, members)
    lift = per_cent(finding.log_lift)
    interval = (per_cent(finding.interval[0]), per_cent(finding.interval[1]))
    return Pattern(
        pattern_id="",
        pattern_key=rule_key(rule),
        pattern_type="winning" if finding.candidate.score > 0 else "losing",
        description=describe(rule, lift, interval),
        rule=rule,
        features=_features(posts, matching, [selector.feature for selector in rule]),
        confidence=finding.confidence,
        sample_size=finding.rows,
        effect_size=finding.effect,
        lift_pct=lift,
        lift_interval_pct=interval,
        q_value=finding.q_value,
        discovery_size=finding.candidate.rows,
        total_size=int(matching.sum()),
        effective_sample_size=finding.effective_rows,
        baseline_rate=_baseline(posts, matching, table.valid(members)),
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
    found = {}
    for column, name in wanted.items():
        values = features[column].numbers[matching & features[column].known]
        if len(values):
            found[name] = round(float(np.mean(values > 0 if name in GUIDE_SHARES else values)), DECIMALS)
    return found


def _baseline(posts: Posts, matching: Mask, known: Mask) -> float:
    """Geometric mean rate (or count) of the posts that do not match."""
    others = posts.log_rate[known & ~matching]
    return float(np.exp(others.mean())) if len(others) else 0.0


def _over_time(parts: list[Third], k: int) -> tuple[Period, ...]:
    """The k-th rule's lift in each third of the confirmation half in which it can be compared."""
    found = []
    for part in parts:
        error = float(part.log_rate.standard_error[k])
        if np.isfinite(error):
            width = float(stdtrit(part.log_rate.degrees_of_freedom[k], 0.5 + INTERVAL_LEVEL / 2)) * error
            middle = float(part.log_rate.estimate[k])
            interval = (per_cent(middle - width), per_cent(min(middle + width, MAX_LOG)))
            found.append(Period(part.first, part.last, per_cent(middle), interval))
    return tuple(found)


def _is_fading(over_time: tuple[Period, ...], lift: float) -> bool:
    """Whether the last third is weaker than the whole and its interval excludes it."""
    if not over_time:
        return False
    low, high = over_time[-1].lift_interval_pct
    return high < lift if lift > 0 else low > lift
