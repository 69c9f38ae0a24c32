"""How robust reported patterns are: what adjustment did to them, and whether a doubly-robust estimate agrees.

The difference between raw and adjusted lift is shared out between channel and season by averaging over the order in
which they are taken out (Shapley), the rest being what other features (hours and weekend, or content) account for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.content.topics import Topic
from tasks.patterns.adjustment import CHANNEL, log_rate_contrasts, outcome_of, rules_on
from tasks.patterns.condition_table import ConditionTable, condition_table
from tasks.patterns.features import Floats, Mask
from tasks.patterns.preparation import Posts, prepare
from tasks.patterns.records import CAVEAT, Pattern, PatternQuery
from tasks.patterns.search import RuleCandidate
from tasks.patterns.wording import per_cent
from tasks.statistics.contrast import CONSTANT, deviations, stratified_design
from tasks.statistics.doubly_robust import DoublyRobustEffect, doubly_robust_effect
from tasks.statistics.group_codes import groups
from tasks.statistics.outcome import robust, strata, within_strata
from tasks.statistics.sensitivity import left_beside, robustness_value

Codes = NDArray[np.int64]

NOTABLE = 0.05  # log units: less than 5 % of lift is no confounding worth a word


@dataclass(frozen=True, slots=True)
class Adjustment:
    """From raw to adjusted log lift; raw + channel + season + other_features = adjusted."""

    raw: float
    channel: float
    season: float
    other_features: float
    adjusted: float

    @property
    def moved_by(self) -> str:
        """The confounder that moved the lift most; `nothing` if none moved it by 5 %."""
        parts = {"channel": self.channel, "season": self.season, "other_features": self.other_features}
        name = max(parts, key=lambda part: abs(parts[part]))
        return name if abs(parts[name]) >= NOTABLE else "nothing"

    def as_dict(self) -> dict[str, Any]:
        """Lifts in per cent, contributions in log units."""
        return {
            "raw_lift_pct": per_cent(self.raw),
            "adjusted_lift_pct": per_cent(self.adjusted),
            "log_contributions": {
                "channel": self.channel,
                "season": self.season,
                "other_features": self.other_features,
            },
            "moved_by": self.moved_by,
        }


def adjustments(
    posts: Posts, table: ConditionTable, candidates: list[RuleCandidate], adjusted: Floats
) -> list[Adjustment]:
    """How each of K candidates went from raw to its adjusted log lift (K,)."""
    matching, known = rules_on(table, candidates)
    none, channel, season, both = (
        _lifts(posts, matching, known, by_channel=by_channel, by_period=by_period)
        for by_channel, by_period in ((False, False), (True, False), (False, True), (True, True))
    )
    return [
        _shared_out(*(float(part[i]) for part in (none, channel, season, both, adjusted)), across=_is_channel(table, c))
        for i, c in enumerate(candidates)
    ]


def _shared_out(
    none: float, channel: float, season: float, both: float, adjusted: float, *, across: bool
) -> Adjustment:
    if across:  # a channel cannot be adjusted for itself
        return Adjustment(none, 0.0, season - none, adjusted - season, adjusted)
    by_channel = ((channel - none) + (both - season)) / 2
    by_season = ((season - none) + (both - channel)) / 2
    return Adjustment(none, by_channel, by_season, adjusted - both, adjusted)


def _lifts(posts: Posts, matching: Mask, known: Mask | None, *, by_channel: bool, by_period: bool) -> Floats:
    nothing = np.zeros(len(posts.week), dtype=np.int64)
    if by_period:
        outcome = posts.within_channels if by_channel else posts.across_channels
        stratum, residual = outcome.stratum, outcome.residual
    else:
        stratum = strata(posts.channel if by_channel else nothing, nothing)
        residual = robust(within_strata(posts.log_rate, stratum))
    return stratified_design(matching, stratum, nothing, valid=known).estimate(residual)


def _is_channel(table: ConditionTable, candidate: RuleCandidate) -> bool:
    return table.roles(candidate.members) == {CHANNEL}


def explain(
    frame: pl.DataFrame,
    query: PatternQuery,
    patterns: Iterable[Pattern],
    before: Sequence[Topic] = (),
    *,
    doubly_robust: bool = False,
) -> list[dict[str, Any]]:
    """For each pattern: raw and adjusted lift, what moved it, how robust it is, and on request a doubly-robust effect.

    Args:
        frame: the rows the patterns were found in.
        query: the one they answer.
        patterns: of `analyze`.
        before: the topics that `analyze` was given.
        doubly_robust: takes a second or so a pattern; all other features are covariates.
    """
    chosen = list(patterns)
    if not chosen:
        return []
    posts = prepare(frame, query.as_of, query.attributes)
    table = condition_table(posts, query.thresholds.min_sample_size, before)
    candidates = [_candidate(table, pattern) for pattern in chosen]
    contrast = log_rate_contrasts(posts, table, candidates)
    paths = adjustments(posts, table, candidates, contrast.estimate)
    return [
        {"pattern_id": pattern.pattern_id, "pattern_key": pattern.pattern_key, "description": pattern.description}
        | path.as_dict()
        | {"robustness": _robustness(posts, table, candidate, path, float(contrast.iid_standard_error[k]))}
        | ({"doubly_robust": _doubly_robust(posts, table, candidate)} if doubly_robust else {})
        | {"caveat": CAVEAT}
        for k, (pattern, candidate, path) in enumerate(zip(chosen, candidates, paths, strict=True))
    ]


def _robustness(
    posts: Posts, table: ConditionTable, candidate: RuleCandidate, path: Adjustment, error: float
) -> dict[str, Any]:
    """How strong a cause that nobody measured would have to be, and what one as strong as channel or season leaves."""
    membership = table.membership(candidate.members)
    rows = np.flatnonzero(membership.known)
    of_rule = membership.matching[rows].astype(np.float64)
    nothing = np.zeros(len(rows), dtype=np.int64)
    channel = nothing if table.roles(candidate.members) == {CHANNEL} else posts.channel[rows]
    both = strata(channel, posts.period[rows])
    freedom = float(max(len(rows) - both.max(initial=0) - 2, 1))
    value = robustness_value(path.adjusted, error, freedom)
    words = (
        f"a hidden cause would have to explain {value:.0%} of what is left unexplained, both of which posts do this and"
        " of how posts fare, to take the whole lift away"
    )
    beside = {}
    for name, without in (("channel", strata(nothing, posts.period[rows])), ("season", strata(channel, nothing))):
        shares = _explained(of_rule, posts.log_rate[rows], both, without)
        if shares is not None:
            of_treatment, of_outcome = shares
            left = left_beside(path.adjusted, error, freedom, of_treatment=of_treatment, of_outcome=of_outcome)
            beside[name] = None if left is None else per_cent(left)
            left_in_words = "nothing to compare" if left is None else f"{per_cent(left):+.0f} %"
            words += f"; one as strong as {name} would leave {left_in_words}"
    return {"value": value, "lift_pct_beside_one_as_strong_as": beside, "words": words}


def _explained(rule: Floats, log_rate: Floats, both: Codes, without: Codes) -> tuple[float, float] | None:
    """What a cause explains of a rule and of the outcome beside it, as shares of what its absence leaves unexplained.

    None where posts do not differ in it, or where it settles the rule.
    """
    left = []
    for stratum in (both, without):
        columns = deviations(np.column_stack([rule, log_rate]), stratum)
        squares, product = (columns**2).sum(axis=0), float(columns[:, 0] @ columns[:, 1])
        left.append((float(squares[0]), float(squares[1]) - product**2 / max(float(squares[0]), CONSTANT)))
    (rule_left, outcome_left), (rule_before, outcome_before) = left
    if np.array_equal(both, without) or min(rule_left, outcome_left) <= CONSTANT:
        return None
    return max(1.0 - rule_left / rule_before, 0.0), max(1.0 - outcome_left / outcome_before, 0.0)


def _candidate(table: ConditionTable, pattern: Pattern) -> RuleCandidate:
    members = tuple(table.conditions.index(condition) for condition in pattern.rule)
    return RuleCandidate(members, 1.0 if pattern.pattern_type == "winning" else -1.0, pattern.sample_size)


def _doubly_robust(posts: Posts, table: ConditionTable, candidate: RuleCandidate) -> dict[str, Any]:
    """The effect on the posts of which the rule is known, with its overlap diagnostics."""
    membership = table.membership(candidate.members)
    rows = np.flatnonzero(membership.known)
    across = table.roles(candidate.members) == {CHANNEL}
    effect = doubly_robust_effect(
        membership.matching[rows],
        outcome_of(posts, rows, across_channels=across).residual,
        _covariates(posts, table, candidate, rows),
        groups(posts.week[rows]).codes,
    )
    if effect is None:
        return {"status": "insufficient_data", "reason": "fewer than 50 posts on one side, or fewer than 5 weeks"}
    return _effect_as_dict(effect)


def _covariates(
    posts: Posts, table: ConditionTable, candidate: RuleCandidate, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Conditions of all features that are not in the rule, and the season."""
    own = {int(table.owner[i]) for i in candidate.members}
    others = [i for i, owner in enumerate(table.owner) if int(owner) not in own]
    season = groups(posts.period[rows]).codes
    columns = [table.matches[rows][:, others], season[:, None] == np.arange(season.max(initial=0) + 1)]
    return np.hstack(columns).astype(np.float64)


def _effect_as_dict(effect: DoublyRobustEffect) -> dict[str, Any]:
    low, high = effect.interval
    return {
        "status": "ok" if effect.trusted else "poor_overlap",
        "lift_pct": per_cent(effect.estimate),
        "lift_interval_pct": [per_cent(low), per_cent(high)],
        "overlap_share": effect.overlap_share,
        "effective_size": {"matching": effect.effective_size[0], "others": effect.effective_size[1]},
        "propensity_quantiles": {side: list(values) for side, values in effect.propensity_quantiles.items()},
    }
