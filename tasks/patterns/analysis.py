"""One workspace, one content type: from rows to confirmed patterns. Pure: the same rows give the same answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from tasks.patterns.confirmation import confirm, testable
from tasks.patterns.description import describe_patterns, named
from tasks.patterns.discovery import discover
from tasks.patterns.preparation import Posts, prepare
from tasks.patterns.records import Analysis, Pattern, Question, rule_key
from tasks.patterns.search import Candidate
from tasks.patterns.selectors import SelectorTable, selector_table
from tasks.statistics.one_thread import one_thread
from tasks.statistics.outcome import AdjustedOutcome, adjusted_outcome

ALGORITHM = "patterns/1"
MIN_SPREAD = 1e-9


@one_thread()
def analyse(frame: pl.DataFrame, question: Question) -> Analysis:
    """Find patterns on one half of the weeks and confirm them on the other.

    Args:
        frame: rows of `content_frame` for the question's workspace and content type; further columns are features too.
        question: what was asked.

    Returns:
        Patterns with status `patterns_found`, or none with `no_patterns`, `insufficient_data` or `no_variance`.
    """
    if frame.is_empty():
        return _insufficient(question, 0, 0, {"rows_read": 0})
    posts = prepare(frame, question.workspace_id, question.as_of)
    weeks = posts.weeks
    counts = {"rows_read": len(frame), "dropped": posts.dropped, "engagement_basis": posts.basis}
    thresholds = question.thresholds
    if len(posts.week) < thresholds.min_rows or weeks < thresholds.min_weeks:
        return _insufficient(question, len(posts.week), weeks, counts)
    outcome = adjusted_outcome(posts.log_rate, posts.channel, posts.period)
    statistics = _statistics(question, posts, outcome) | counts
    if np.ptp(outcome.residual) < MIN_SPREAD:
        reason = f"all {len(posts.week)} posts did equally well within their channel and season"
        return Analysis(question, "no_variance", reason, statistics=statistics)
    return _search(posts, question, statistics)


def _search(posts: Posts, question: Question, statistics: dict[str, Any]) -> Analysis:
    table = selector_table(posts)
    found = discover(posts, table, question.workspace_id)
    families = [
        testable(posts, table, family, question.thresholds.min_sample_size)
        for family in (found.within_channels, found.channels)
    ]
    patterns = _confirmed(posts, table, families, found.born, question)
    tested = sum(len(family) for family in families)
    statistics |= {
        "selectors": len(table.selectors),
        "dropped_features": table.dropped | posts.refused,
        "rules_searched": _rules(table.owner),
        "candidates": len(found.within_channels) + len(found.channels),
        "tested": tested,
        "confirmed": len(patterns),
    }
    if patterns:
        reason = f"{len(patterns)} of {tested} candidate patterns were confirmed on weeks the search had not seen"
        return Analysis(question, "patterns_found", reason, patterns, statistics=statistics)
    reason = (
        f"none of {tested} candidate patterns, out of {statistics['rules_searched']} rules searched, was confirmed on "
        "weeks the search had not seen"
    )
    return Analysis(question, "no_patterns", reason, statistics=statistics)


def _confirmed(
    posts: Posts,
    table: SelectorTable,
    families: list[list[Candidate]],
    born: set[tuple[int, ...]],
    question: Question,
) -> tuple[Pattern, ...]:
    tested = [finding for family in families if family for finding in confirm(posts, table, family)]
    found = describe_patterns(posts, table, [one for one in tested if one.passes(question.thresholds)])
    found.sort(key=lambda pattern: (-abs(pattern.effect_size) * pattern.confidence, pattern.pattern_key))
    return named(found, {rule_key(table.rule(members)) for members in born})


def _rules(owner: np.ndarray[Any, np.dtype[np.int64]]) -> int:
    """Single selectors and pairs of different features."""
    per_feature = np.bincount(owner) if len(owner) else np.zeros(1, dtype=np.int64)
    return int(len(owner) + (len(owner) ** 2 - (per_feature**2).sum()) // 2)


def _insufficient(question: Question, rows: int, weeks: int, counts: dict[str, Any]) -> Analysis:
    limits = question.thresholds
    reason = (
        f"{rows} usable posts over {weeks} weeks in {question.lookback_days} days; enough would be "
        f"{limits.min_rows} posts over {limits.min_weeks} weeks"
    )
    needed = {"needed": {"sample_count": limits.min_rows, "weeks": limits.min_weeks}}
    statistics = {"sample_count": rows, "weeks": weeks, **needed, **counts}
    return Analysis(question, "insufficient_data", reason, statistics=statistics | _asked(question))


def _statistics(question: Question, posts: Posts, outcome: AdjustedOutcome) -> dict[str, Any]:
    return {
        "sample_count": len(posts.week),
        "weeks": posts.weeks,
        "discovery_count": int(posts.discovery.sum()),
        "confirmation_count": int((~posts.discovery).sum()),
        "strata": int(outcome.stratum.max()) + 1,
        "explained_by_channel_and_season": round(outcome.explained, 4),
        **_asked(question),
    }


def _asked(question: Question) -> dict[str, Any]:
    return {
        "lookback_days": question.lookback_days,
        "as_of": question.as_of.isoformat(),
        "algorithm": ALGORITHM,
    }
