"""A second look at reported patterns: what adjustment did to them, and whether a doubly-robust estimate agrees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.patterns.adjustment import log_rate_contrasts
from tasks.patterns.discovery import CHANNEL, outcome_of
from tasks.patterns.explanation import adjustments, per_cent
from tasks.patterns.preparation import Posts, prepare
from tasks.patterns.records import CAVEAT, Pattern, Question
from tasks.patterns.search import Candidate, rule_matches
from tasks.patterns.selectors import SelectorTable, selector_table
from tasks.statistics.doubly_robust import DoublyRobustEffect, doubly_robust_effect
from tasks.statistics.group_codes import groups


def explain(
    frame: pl.DataFrame, question: Question, patterns: Iterable[Pattern], *, doubly_robust: bool = False
) -> list[dict[str, Any]]:
    """For each pattern: raw and adjusted lift, what moved it, and on request the doubly-robust effect.

    Args:
        frame: the rows the patterns were found in.
        question: the one they answer.
        patterns: of `analyse`.
        doubly_robust: takes a second or so a pattern; all other features are covariates.
    """
    chosen = list(patterns)
    if not chosen:
        return []
    posts = prepare(frame, question.workspace_id, question.as_of)
    table = selector_table(posts)
    candidates = [_candidate(table, pattern) for pattern in chosen]
    adjusted = log_rate_contrasts(posts, table, candidates, posts.confirmation).estimate
    paths = adjustments(posts, table, candidates, adjusted)
    return [
        {"pattern_id": pattern.pattern_id, "pattern_key": pattern.pattern_key, "description": pattern.description}
        | path.to_dict()
        | ({"doubly_robust": _doubly_robust(posts, table, candidate)} if doubly_robust else {})
        | {"caveat": CAVEAT}
        for pattern, candidate, path in zip(chosen, candidates, paths, strict=True)
    ]


def _candidate(table: SelectorTable, pattern: Pattern) -> Candidate:
    members = tuple(table.selectors.index(selector) for selector in pattern.rule)
    return Candidate(members, 1.0 if pattern.pattern_type == "winning" else -1.0, pattern.discovery_size)


def _doubly_robust(posts: Posts, table: SelectorTable, candidate: Candidate) -> dict[str, Any]:
    """The effect on the confirmation half, with its overlap diagnostics."""
    half = posts.confirmation
    across = table.roles(candidate.members) == {CHANNEL}
    found = doubly_robust_effect(
        rule_matches(table.matches[half], candidate.members),
        outcome_of(posts, half, across_channels=across).residual,
        _covariates(posts, table, candidate, half),
        groups(posts.week[half]).codes,
    )
    if found is None:
        return {"status": "insufficient_data", "reason": "fewer than 50 posts on one side, or fewer than 5 weeks"}
    return _as_dict(found)


def _covariates(
    posts: Posts, table: SelectorTable, candidate: Candidate, half: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Selectors of all features the rule does not speak of, and the season."""
    own = {int(table.owner[i]) for i in candidate.members}
    others = [i for i, owner in enumerate(table.owner) if int(owner) not in own]
    season = groups(posts.period[half]).codes
    columns = [table.matches[half][:, others], season[:, None] == np.arange(season.max(initial=0) + 1)]
    return np.hstack(columns).astype(np.float64)


def _as_dict(found: DoublyRobustEffect) -> dict[str, Any]:
    low, high = found.interval
    return {
        "status": "ok" if found.trusted else "poor_overlap",
        "lift_pct": per_cent(found.estimate),
        "lift_interval_pct": [per_cent(low), per_cent(high)],
        "overlap_share": found.overlap_share,
        "effective_size": {"matching": found.effective_size[0], "others": found.effective_size[1]},
        "propensity_quantiles": {side: list(values) for side, values in found.propensity_quantiles.items()},
    }
