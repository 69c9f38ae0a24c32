"""Which task types a pattern serves: those of its own content type, and of others for which it holds as well.

One map leads from an agent's task types to content types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import polars as pl
from scipy.special import stdtr

from tasks.errors import UnknownNameError
from tasks.patterns.features import rule_membership
from tasks.patterns.preparation import prepare
from tasks.patterns.records import ContentAnalysis, Pattern, PatternQuery
from tasks.statistics.contrast import stratified_contrast
from tasks.statistics.group_codes import groups

MIN_ROWS = 10
MAX_P = 0.10

# Task types of agents, and the content types whose results bear on them. An empty tuple means any content.
TASK_TYPES: dict[str, tuple[str, ...]] = {
    "social_media_post": ("social",),
    "blog_writing": ("blog",),
    "email_campaign": ("email",),
    "ad_copy": ("ad",),
    "campaign_strategy": (),
    "content_planning": (),
}


def require_task_type(task_type: str) -> str:
    """The task type, if it is a known one.

    Raises:
        UnknownNameError: if it is not, with the nearest one.
    """
    if task_type not in TASK_TYPES:
        raise UnknownNameError("task type", task_type, TASK_TYPES)
    return task_type


def known_content_types() -> set[str]:
    """Content types that some task type is about."""
    return {content_type for served in TASK_TYPES.values() for content_type in served}


def tasks_served(content_types: Iterable[str]) -> tuple[str, ...]:
    """Task types that patterns of these content types serve."""
    held = set(content_types)
    return tuple(name for name, served in TASK_TYPES.items() if not served or held & set(served))


def with_tasks(analysis: ContentAnalysis, others: Mapping[str, pl.DataFrame]) -> ContentAnalysis:
    """The analysis with each pattern's applicable and untested task types.

    Args:
        analysis: of one content type.
        others: content frames of the workspace's other content types.
    """
    holds = {pattern.pattern_key: {analysis.query.content_type} for pattern in analysis.patterns}
    for content_type, frame in others.items():
        for pattern in _confirmed_elsewhere(frame, analysis.patterns, analysis.query):
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


def _confirmed_elsewhere(frame: pl.DataFrame, patterns: tuple[Pattern, ...], query: PatternQuery) -> list[Pattern]:
    """Patterns with ten posts on both sides there and an effect of the same sign, one-sided p ≤ .10."""
    if frame.is_empty() or not patterns:
        return []
    posts = prepare(frame, query.as_of, query.attributes)
    names = {feature.name for feature in posts.features}
    known = [pattern for pattern in patterns if names >= {condition.feature for condition in pattern.rule}]
    if len(posts.week) < 2 * MIN_ROWS or not known:
        return []
    sides = [rule_membership(posts.features, pattern.rule) for pattern in known]
    matching, valid = (np.column_stack(masks) for masks in zip(*((s.matching, s.known) for s in sides), strict=True))
    outcome = posts.within_channels
    contrast = stratified_contrast(matching, outcome.rank_score, outcome.stratum, groups(posts.week).codes, valid=valid)
    direction = np.array([1.0 if pattern.pattern_type == "winning" else -1.0 for pattern in known])
    p = stdtr(contrast.degrees_of_freedom, -direction * contrast.estimate / contrast.standard_error)
    enough = [min(side.matching.sum(), side.others.sum()) >= MIN_ROWS for side in sides]
    return [pattern for pattern, one, fits in zip(known, p, enough, strict=True) if fits and one <= MAX_P]
