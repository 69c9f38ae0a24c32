"""Factors that always come together in what was published, so that no analysis can tell which of them matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.conditions import Condition, Membership, Rule, rule_in_words
from tasks.content.catalogue import family
from tasks.patterns.adjustment import uncontrolled_log_rate_contrasts
from tasks.patterns.condition_table import ConditionTable
from tasks.patterns.evidence import lift_intervals
from tasks.patterns.preparation import Posts
from tasks.patterns.search import RuleCandidate
from tasks.patterns.wording import format_lift, per_cent

Floats = NDArray[np.float64]

ALWAYS = 0.9  # correlation of two conditions from which on they count as coming together
NEARLY_THE_SAME = 0.95  # the same for a condition that a pattern could be about instead


@dataclass(frozen=True, slots=True)
class Inseparable:
    """Two things that come together and stand out.

    Attributes:
        rule: the one.
        partner: the other; none where it takes several conditions to say.
        lift_pct, lift_interval_pct: of both, adjusted for channel and season alone, with the 90 % interval.
        posts: posts that are the one.
        apart: posts, of those where both are known, that are one without the other.
        publish: how many of either kind without the other would tell.
    """

    rule: Rule
    partner: Condition | None
    lift_pct: float
    lift_interval_pct: tuple[float, float]
    posts: int
    apart: int
    publish: int

    @property
    def words(self) -> str:
        """One sentence for a person, with what to publish."""
        lift = format_lift(abs(self.lift_pct), self.lift_interval_pct)
        does = f"{lift}% {'better' if self.lift_pct >= 0 else 'worse'}"
        one = rule_in_words(self.rule)
        if self.partner is None:
            other, vary = "when it is posted", f"publish at least {self.publish} posts that break the habit"
        else:
            other = f"content that {self.partner.words}"
            vary = (
                f"publish at least {self.publish} posts where it {one} but not: {self.partner.words}, or the other way "
                "round"
            )
        return (
            f"Content that {one} does {does}, but {one} and {other} always come together ({self.apart} posts differ): "
            f"{vary}, to tell which of them matters"
        )

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "rule": [condition.as_dict() for condition in self.rule],
            "partner": None if self.partner is None else self.partner.as_dict(),
            "words": self.words,
            "lift_pct": self.lift_pct,
            "lift_interval_pct": list(self.lift_interval_pct),
            "posts": self.posts,
            "apart": self.apart,
            "publish": self.publish,
        }


def inseparable(
    posts: Posts, table: ConditionTable, bound: list[RuleCandidate], min_sample_size: int
) -> list[Inseparable]:
    """What to say of rules that stand out but always come together with what they would be adjusted for."""
    if not bound:
        return []
    contrast = uncontrolled_log_rate_contrasts(posts, table, bound)
    intervals = lift_intervals(contrast.estimate, contrast)
    together = []
    for k, candidate in enumerate(bound):
        membership = table.membership(candidate.members)
        partner = _partner(table, candidate, membership)
        together.append(
            Inseparable(
                rule=table.rule(candidate.members),
                partner=None if partner is None else table.conditions[partner],
                lift_pct=per_cent(float(contrast.estimate[k])),
                lift_interval_pct=(per_cent(float(intervals[k, 0])), per_cent(float(intervals[k, 1]))),
                posts=candidate.rows,
                apart=0 if partner is None else _apart(membership, table.membership((partner,))),
                publish=min_sample_size,
            )
        )
    return together


def nearly_the_same(table: ConditionTable, candidate: RuleCandidate) -> list[Condition]:
    """Conditions of other kinds that nearly the same posts meet: a pattern on one condition could be about them."""
    if len(candidate.members) > 1:
        return []
    phi = _correlations(table, candidate, table.membership(candidate.members))
    order = np.argsort(-phi, kind="stable")
    return [table.conditions[int(i)] for i in order if phi[i] >= NEARLY_THE_SAME]


def _partner(table: ConditionTable, candidate: RuleCandidate, membership: Membership) -> int | None:
    phi = _correlations(table, candidate, membership)
    best = int(np.argmax(phi))
    return best if phi[best] >= ALWAYS else None


def _correlations(table: ConditionTable, candidate: RuleCandidate, membership: Membership) -> Floats:
    """Correlation (S,) of a rule with each condition where both are known; 0 within its own families."""
    known, known_as = table.known
    sides = np.column_stack([membership.matching, membership.known]).astype(np.float32)
    rows, one = (known.T.astype(np.float32) @ sides)[known_as].astype(np.float64).T[::-1]
    both, other = (table.matches.T.astype(np.float32) @ sides).astype(np.float64).T
    spread = one * (rows - one) * other * (rows - other)
    own = {family(table.about[i].name) for i in candidate.members}
    elsewhere = np.array([family(about.name) not in own for about in table.about], dtype=bool)
    usable = elsewhere & (spread > 0)
    phi: Floats = np.divide(rows * both - one * other, np.sqrt(spread), out=np.zeros(len(both)), where=usable)
    return phi


def _apart(one: Membership, other: Membership) -> int:
    both = one.known & other.known
    return int(np.count_nonzero(both & (one.matching != other.matching)))
