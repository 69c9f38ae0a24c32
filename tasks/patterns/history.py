"""Patterns across nights: the same rule keeps its name, and says whether it is new, holding, fading or gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tasks.patterns.records import ContentAnalysis, Pattern

NEW, HOLDING, FADING, GONE = "new", "holding", "fading", "gone"


def with_history(analysis: ContentAnalysis, previous: Sequence[Pattern]) -> ContentAnalysis:
    """The analysis with trends, first and last sightings.

    Args:
        analysis: tonight's.
        previous: patterns of the analysis before it in its series, those already gone included.
    """
    if analysis.status in ("insufficient_data", "early_signal"):  # nothing was tested, so nothing is gone
        return analysis
    as_of = analysis.query.as_of
    before = {pattern.pattern_key: pattern for pattern in previous if pattern.trend != GONE}
    patterns = tuple(_seen(pattern, before.get(pattern.pattern_key), analysis) for pattern in analysis.patterns)
    kept = {pattern.pattern_key for pattern in patterns}
    gone = tuple(
        pattern.seen(GONE, pattern.first_seen or as_of, pattern.last_seen or as_of)
        for key, pattern in sorted(before.items())
        if key not in kept
    )
    return replace(analysis, patterns=patterns, gone=gone)


def _seen(pattern: Pattern, before: Pattern | None, analysis: ContentAnalysis) -> Pattern:
    as_of = analysis.query.as_of
    if before is None:
        return pattern.seen(NEW, as_of, as_of)
    return pattern.seen(FADING if pattern.fading else HOLDING, before.first_seen or as_of, as_of)
