"""Whether a pattern of one content type also holds for another, so that it may be offered for its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
from scipy.special import stdtr

from tasks.patterns.encoding import rule_holds
from tasks.patterns.preparation import prepare
from tasks.patterns.records import Analysis, Pattern, Question
from tasks.patterns.task_types import TASK_TYPES, tasks_served
from tasks.statistics.contrast import stratified_contrast
from tasks.statistics.group_codes import groups
from tasks.statistics.outcome import adjusted_outcome

MIN_ROWS = 10
MAX_P = 0.10


def with_tasks(analysis: Analysis, others: Mapping[str, pl.DataFrame]) -> Analysis:
    """The analysis with each pattern's applicable and untested task types.

    Args:
        analysis: of one content type.
        others: content frames of the workspace's other content types.
    """
    holds = {pattern.pattern_key: {analysis.question.content_type} for pattern in analysis.patterns}
    for content_type, frame in others.items():
        for pattern in _confirmed_elsewhere(frame, analysis.patterns, analysis.question):
            holds[pattern.pattern_key].add(content_type)
    patterns = tuple(_with_tasks(pattern, holds[pattern.pattern_key]) for pattern in analysis.patterns)
    return replace(analysis, patterns=patterns)


def _with_tasks(pattern: Pattern, content_types: set[str]) -> Pattern:
    applicable = tasks_served(content_types)
    return replace(
        pattern,
        applicable_tasks=applicable,
        untested_for=tuple(name for name in TASK_TYPES if name not in applicable),
    )


def _confirmed_elsewhere(frame: pl.DataFrame, patterns: tuple[Pattern, ...], question: Question) -> list[Pattern]:
    """Patterns with ten matching rows there and an effect of the same sign, one-sided p ≤ .10."""
    if frame.is_empty() or not patterns:
        return []
    posts = prepare(frame, question.workspace_id, question.as_of)
    names = {feature.name for feature in posts.features}
    known = [pattern for pattern in patterns if names >= {selector.feature for selector in pattern.rule}]
    if len(posts.week) < 2 * MIN_ROWS or not known:
        return []
    rules = np.column_stack([rule_holds(posts.features, pattern.rule) for pattern in known])
    outcome = adjusted_outcome(posts.log_rate, posts.channel, posts.period)
    week = groups(posts.week).codes
    found = stratified_contrast(rules, outcome.normal_score, outcome.stratum, week)
    direction = np.array([1.0 if pattern.pattern_type == "winning" else -1.0 for pattern in known])
    p = stdtr(found.degrees_of_freedom, -direction * found.estimate / found.standard_error)
    held = (p <= MAX_P) & (rules.sum(axis=0) >= MIN_ROWS)
    return [pattern for pattern, holds in zip(known, held, strict=True) if holds]
