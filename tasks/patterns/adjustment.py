"""What a rule is compared with: other posts of the same channel and season, and, as far as rules go, the same habits.

A rule about content, words included, is adjusted for the hour and the weekend it was posted at; a rule about timing
for what was posted; a rule about a channel is compared across channels, within the season. A mixed rule keeps both.
All but channels are adjusted for kinds of posts, such as those without a text, that have little to do with the rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.patterns.condition_table import ConditionTable
from tasks.patterns.explained import Explained
from tasks.patterns.preparation import Posts
from tasks.patterns.search import RuleCandidate
from tasks.statistics.contrast import Contrast, StratifiedDesign, stratified_design
from tasks.statistics.group_codes import groups
from tasks.statistics.outcome import AdjustedOutcome, adjusted_outcome

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]

TIMING, CHANNEL, WORDS = "timing", "channel", "words"
MIN_SHARE_LEFT = 0.05  # less, and a rule and what it is adjusted for always come together
OF_THE_KIND = 0.3  # correlation with a kind of post from which on a rule on content belongs to it: formats have texts
SAME_HABIT = 0.9  # the same for a rule on timing, which is adjusted for what was posted
ONE_PER_FEATURE = frozenset(("true", "present", "upper_half"))


def outcome_of(posts: Posts, rows: Rows, *, across_channels: bool = False) -> AdjustedOutcome:
    """The outcome of some rows (in order), adjusted for channel × period, or for period alone to compare channels."""
    if len(rows) == len(posts.week):
        return _outcome(posts, None, across_channels=across_channels)
    channel = np.zeros(len(rows), dtype=np.int64) if across_channels else posts.channel[rows]
    return adjusted_outcome(posts.log_rate[rows], channel, posts.period[rows])


def _outcome(posts: Posts, part: Rows | None, *, across_channels: bool) -> AdjustedOutcome:
    """The same of all posts, each compared with those of its own part only."""
    if part is None:
        return posts.across_channels if across_channels else posts.within_channels
    channel = np.zeros_like(posts.channel) if across_channels else posts.channel
    return adjusted_outcome(posts.log_rate, channel * (part.max(initial=0) + 1) + part, posts.period)


@dataclass(frozen=True, slots=True)
class ScoreContrasts:
    """K candidates' differences in rank scores, which tests and effect sizes are made of.

    Attributes:
        told_apart: with controls for timing, or for content where the rule is about timing; without them where they
            leave next to nothing of the rule, because both always come together.
        share_left: (K,) of what the rule varies within channel and season, the share that the controls leave.
    """

    told_apart: Contrast
    share_left: Floats


def score_contrasts(
    posts: Posts, table: ConditionTable, candidates: list[RuleCandidate], strong: Explained | None = None
) -> ScoreContrasts:
    """Differences of K candidates on all rows.

    Args:
        posts: all of them.
        table: their conditions.
        candidates: rules.
        strong: kinds of posts and strong rules, beside which rules on other acts are tested; a rule that next to
            nothing is left of beside them is tested without the strong rules.
    """
    contrast, share_left = _empty(len(candidates)), np.ones(len(candidates))
    bound = list(range(len(candidates)))
    for explained in (posts.kinds,) if strong is None else (strong, posts.kinds):
        some = [candidates[i] for i in bound]
        for members, outcome, design in _designs(posts, table, some, explained=explained):
            _put(contrast, [bound[i] for i in members], design.contrast(outcome.rank_score))
            share_left[[bound[i] for i in members]] = design.share_left
        bound = [i for i in bound if share_left[i] < MIN_SHARE_LEFT]
    for members, outcome, design in _designs(posts, table, [candidates[i] for i in bound], controlled=False):
        _put(contrast, [bound[i] for i in members], design.contrast(outcome.rank_score))
    return ScoreContrasts(contrast, share_left)


def score_contrast_beside(posts: Posts, table: ConditionTable, candidate: RuleCandidate, others: Floats) -> Contrast:
    """A candidate's difference in rank scores, where other columns (n, C) are taken out of it too."""
    _, outcome, design = next(_designs(posts, table, [candidate], beside=others))
    return design.contrast(outcome.rank_score)


def log_rate_contrasts(posts: Posts, table: ConditionTable, candidates: list[RuleCandidate]) -> Contrast:
    """The contrasts of K candidates that lifts are made of."""
    return log_rate_contrasts_of_parts(posts, table, candidates, np.zeros(len(posts.week), dtype=np.int64))[0]


def uncontrolled_log_rate_contrasts(posts: Posts, table: ConditionTable, candidates: list[RuleCandidate]) -> Contrast:
    """The same, adjusted for channel and season alone."""
    contrast = _empty(len(candidates))
    for members, outcome, design in _designs(posts, table, candidates, controlled=False):
        _put(contrast, members, design.contrast(outcome.residual))
    return contrast


def log_rate_contrasts_of_parts(
    posts: Posts, table: ConditionTable, candidates: list[RuleCandidate], part: Rows
) -> list[Contrast]:
    """The same within each part (n,) of the posts; parts follow each other in time, with codes 0…P−1."""
    contrasts = [_empty(len(candidates)) for _ in range(int(part.max(initial=0)) + 1)]
    for members, outcome, design in _designs(posts, table, candidates, part):
        for target, contrast in zip(contrasts, design.contrasts(outcome.residual, part), strict=True):
            _put(target, members, contrast)
    return contrasts


def _designs(
    posts: Posts,
    table: ConditionTable,
    candidates: list[RuleCandidate],
    part: Rows | None = None,
    *,
    controlled: bool = True,
    beside: Floats | None = None,
    explained: Explained | None = None,
) -> Iterator[tuple[list[int], AdjustedOutcome, StratifiedDesign]]:
    """Candidates by what they are adjusted for, with their outcome and their design.

    Without controls nothing but channel and season is adjusted for, else kinds of posts too, or what is given.
    """
    if part is not None and not part.any():
        part = None
    cluster = _in_parts(posts.week, part) if part is not None else posts.week_code
    story_codes = None if table.story is None else _in_parts(table.story, part)
    if explained is None:
        explained = posts.kinds
    plain: dict[bool, AdjustedOutcome] = {}
    left: dict[tuple[int, ...], AdjustedOutcome] = {}
    for members, kind, columns in _by_adjustment(table, candidates, explained if controlled else None):
        across = kind == CHANNEL
        if across not in plain:
            plain[across] = _outcome(posts, part, across_channels=across)
        if columns and columns not in left:
            left[columns] = explained.taken_out(plain[across], columns)
        outcome = left[columns] if columns else plain[across]
        matching, known = rules_on(table, [candidates[i] for i in members])
        controls = [] if beside is None else [beside]
        if controlled:
            controls += [_controls(table, kind), explained.columns[:, columns]]
        joined = np.hstack(controls) if controls else None
        story = story_codes if kind == WORDS else None
        design = stratified_design(matching, outcome.stratum, cluster, story, valid=known, controls=joined)
        yield members, outcome, design


def _in_parts(numbers: Rows, part: Rows | None) -> Rows:
    """Codes of groups (n,) by number, those of different parts apart."""
    return groups(numbers if part is None else numbers * (int(part.max(initial=0)) + 1) + part).codes


def rules_on(table: ConditionTable, candidates: list[RuleCandidate]) -> tuple[Mask, Mask | None]:
    """Which posts match K rules, and of which each rule is known; both (n, K), None if all are known."""
    matching, known = (np.empty((len(candidates), len(table.matches)), dtype=bool) for _ in range(2))
    for k, candidate in enumerate(candidates):  # a rule's rows lie side by side, as who takes a few rules wants them
        rule = table.membership(candidate.members)
        matching[k], known[k] = rule.matching, rule.known
    return matching.T, None if known.all() else known.T


def _by_adjustment(
    table: ConditionTable, candidates: list[RuleCandidate], explained: Explained | None
) -> Iterator[tuple[list[int], str, tuple[int, ...]]]:
    """Candidates by what kind of rule they are, and by the columns that are taken out beside them."""
    likeness = None if explained is None or not explained.kinds else _likeness(table, candidates, explained)
    alike: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for i, candidate in enumerate(candidates):
        kind, columns = _kind(table.roles(candidate.members)), tuple[int, ...]()
        if explained is not None and kind != CHANNEL:
            columns = explained.stronger(table.acts_of(candidate.members))
            if likeness is not None:
                most = SAME_HABIT if kind == TIMING else OF_THE_KIND
                columns = (*map(int, np.flatnonzero(likeness[i] < most)), *columns)
        alike.setdefault((kind, columns), []).append(i)
    for (kind, columns), members in sorted(alike.items()):
        yield members, kind, columns


def _likeness(table: ConditionTable, candidates: list[RuleCandidate], explained: Explained) -> Floats:
    """|Correlation| (K, C) of rules with kinds of posts where each rule is known; 1 where only one kind is."""
    matching, known = rules_on(table, candidates)
    kinds = explained.columns[:, : explained.kinds].astype(np.float32)
    met = matching.T.astype(np.float32)
    valid = np.ones_like(met[:1]) if known is None else known.T.astype(np.float32)
    of_kind, of_both = (one.astype(np.float64) for one in (valid @ kinds, met @ kinds))
    size, count = (one.sum(axis=1, dtype=np.float64)[:, None] for one in (valid, met))
    spread = np.sqrt(of_kind * (size - of_kind) * count * (size - count))
    likeness: Floats = np.divide(size * of_both - count * of_kind, spread, out=np.ones_like(spread), where=spread > 0)
    return np.abs(likeness)


def _kind(roles: set[str]) -> str:
    if roles == {CHANNEL}:
        return CHANNEL
    if WORDS in roles:
        return WORDS
    if roles - {CHANNEL} == {TIMING}:
        return TIMING
    return "mixed" if TIMING in roles else "content"


def _controls(table: ConditionTable, kind: str) -> Floats:
    """Columns (n, C) to take out of a content or a timing rule."""
    wanted = {"content": _timing, TIMING: _content, WORDS: _timing}.get(kind)
    if wanted is None:
        return np.empty((len(table.matches), 0))
    chosen = [i for i in range(len(table.conditions)) if wanted(table, i)]
    return table.matches.T[chosen].T.astype(np.float64, order="C")


def _timing(table: ConditionTable, index: int) -> bool:
    return table.about[index].role == TIMING


def _content(table: ConditionTable, index: int) -> bool:
    feature = table.about[index]
    one_each = feature.kind == "category" or table.conditions[index].level in ONE_PER_FEATURE
    return feature.role not in (TIMING, CHANNEL, WORDS) and one_each


def _empty(size: int) -> Contrast:
    return Contrast(np.zeros(size), np.full(size, np.inf), np.full(size, np.inf), np.ones(size))


def _put(target: Contrast, members: list[int], part: Contrast) -> None:
    target.estimate[members] = part.estimate
    target.standard_error[members] = part.standard_error
    target.iid_standard_error[members] = part.iid_standard_error
    target.degrees_of_freedom[members] = part.degrees_of_freedom
