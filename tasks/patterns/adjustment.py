"""What a rule is compared with: other posts of the same channel and season, and, as far as rules go, the same habits.

A rule about content is adjusted for the hour and the weekend it was posted at; a rule about timing for what was posted;
a rule about a channel is compared across channels, within the season. A mixed rule keeps both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.patterns.condition_table import ConditionTable
from tasks.patterns.discovery import CHANNEL, TIMING, outcome_of
from tasks.patterns.preparation import Posts
from tasks.patterns.search import RuleCandidate
from tasks.statistics.contrast import Contrast, StratifiedDesign, stratified_design
from tasks.statistics.group_codes import groups
from tasks.statistics.outcome import AdjustedOutcome

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]

ONE_PER_FEATURE = frozenset(("true", "present", "upper_half"))


@dataclass(frozen=True, slots=True)
class Contrasts:
    """K candidates' differences, in normal scores (for tests) and in robust log rates (for lifts)."""

    score: Contrast
    log_rate: Contrast


def adjusted_contrasts(posts: Posts, table: ConditionTable, candidates: list[RuleCandidate], rows: Rows) -> Contrasts:
    """Both contrasts of K candidates on the chosen rows, which lie in order."""
    scores, log_rates = _empty(len(candidates)), _empty(len(candidates))
    for members, outcome, design in _designs(posts, table, candidates, rows):
        _put(scores, members, design.contrast(outcome.normal_score))
        _put(log_rates, members, design.contrast(outcome.residual))
    return Contrasts(scores, log_rates)


def log_rate_contrasts(posts: Posts, table: ConditionTable, candidates: list[RuleCandidate], rows: Rows) -> Contrast:
    """The contrasts of K candidates that lifts are made of, alone."""
    return log_rate_contrasts_of_parts(posts, table, candidates, rows, np.zeros(len(rows), dtype=np.int64))[0]


def log_rate_contrasts_of_parts(
    posts: Posts, table: ConditionTable, candidates: list[RuleCandidate], rows: Rows, part: Rows
) -> list[Contrast]:
    """The same within each part of the rows; parts follow each other in time, with codes 0…P−1."""
    contrasts = [_empty(len(candidates)) for _ in range(int(part.max(initial=0)) + 1)]
    for members, outcome, design in _designs(posts, table, candidates, rows, part):
        for target, contrast in zip(contrasts, design.contrasts(outcome.residual, part), strict=True):
            _put(target, members, contrast)
    return contrasts


def _designs(
    posts: Posts, table: ConditionTable, candidates: list[RuleCandidate], rows: Rows, part: Rows | None = None
) -> Iterator[tuple[list[int], AdjustedOutcome, StratifiedDesign]]:
    """Candidates by what they are adjusted for, with their outcome and their design."""
    parts = 0 if part is None else part
    cluster = groups(posts.week[rows] * (int(np.max(parts, initial=0)) + 1) + parts).codes
    outcomes: dict[bool, AdjustedOutcome] = {}
    for members, kind in _by_kind(table, candidates):
        across = kind == CHANNEL
        if across not in outcomes:
            outcomes[across] = outcome_of(posts, rows, across_channels=across, part=part)
        chosen = [candidates[i] for i in members]
        matching, known = rules_on(table, chosen, rows)
        controls = _controls(table, kind, rows)
        stratum = outcomes[across].stratum
        yield (
            members,
            outcomes[across],
            stratified_design(matching, stratum, cluster, valid=known, controls=controls),
        )


def rules_on(table: ConditionTable, candidates: list[RuleCandidate], rows: Rows) -> tuple[Mask, Mask | None]:
    """Which of the chosen rows match K rules, and on which each rule is known; both (n, K), None if all are known."""
    memberships = [table.membership(candidate.members) for candidate in candidates]
    known = np.column_stack([rule.known[rows] for rule in memberships])
    matching = np.column_stack([rule.matching[rows] for rule in memberships])
    return matching, None if known.all() else known


def _by_kind(table: ConditionTable, candidates: list[RuleCandidate]) -> Iterator[tuple[list[int], str]]:
    kinds = [_kind(table.roles(candidate.members)) for candidate in candidates]
    for kind in sorted(set(kinds)):
        yield [i for i, one in enumerate(kinds) if one == kind], kind


def _kind(roles: set[str]) -> str:
    if roles == {CHANNEL}:
        return CHANNEL
    if roles - {CHANNEL} == {TIMING}:
        return TIMING
    return "mixed" if TIMING in roles else "content"


def _controls(table: ConditionTable, kind: str, rows: Rows) -> Floats | None:
    """Columns (n, C) to take out of a content or a timing rule."""
    wanted = {"content": _timing, TIMING: _content}.get(kind)
    if wanted is None:
        return None
    chosen = [i for i in range(len(table.conditions)) if wanted(table, i)]
    return table.matches[:, chosen][rows].astype(np.float64)


def _timing(table: ConditionTable, index: int) -> bool:
    return table.about[index].role == TIMING


def _content(table: ConditionTable, index: int) -> bool:
    feature = table.about[index]
    one_each = feature.kind == "category" or table.conditions[index].level in ONE_PER_FEATURE
    return feature.role not in (TIMING, CHANNEL) and one_each


def _empty(size: int) -> Contrast:
    return Contrast(np.zeros(size), np.full(size, np.inf), np.full(size, np.inf), np.ones(size))


def _put(target: Contrast, members: list[int], part: Contrast) -> None:
    target.estimate[members] = part.estimate
    target.standard_error[members] = part.standard_error
    target.iid_standard_error[members] = part.iid_standard_error
    target.degrees_of_freedom[members] = part.degrees_of_freedom
