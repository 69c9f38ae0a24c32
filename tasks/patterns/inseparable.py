"""Factors that always come together in what was published, so that no analysis can tell which of them matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.conditions import Condition, Membership, Rule, in_a_sentence
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
        one = in_a_sentence(self.rule)
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
    for k, (candidate, phi) in enumerate(zip(bound, _correlations(table, bound), strict=True)):
        membership = table.membership(candidate.members)
        partner = _partner(phi)
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


def nearly_the_same(table: ConditionTable, candidates: Sequence[RuleCandidate]) -> list[list[Condition]]:
    """Of each rule, conditions of other kinds that nearly the same posts meet: a pattern could be about them instead.

    None for a rule of two conditions.
    """
    same: list[list[Condition]] = [[] for _ in candidates]
    alone = [k for k, candidate in enumerate(candidates) if len(candidate.members) == 1]
    for k, phi in zip(alone, _correlations(table, [candidates[k] for k in alone]), strict=True):
        order = np.argsort(-phi, kind="stable")
        same[k] = [table.conditions[int(i)] for i in order if phi[i] >= NEARLY_THE_SAME]
    return same


def _partner(phi: Floats) -> int | None:
    best = int(np.argmax(phi))
    return best if phi[best] >= ALWAYS else None


def _correlations(table: ConditionTable, candidates: Sequence[RuleCandidate]) -> list[Floats]:
    """Correlations (S,) of each rule with each condition where both are known; 0 within its own families.

    The products hold numbers of posts, which are exact however many rules share a product.
    """
    if not candidates:
        return []
    memberships = [table.membership(candidate.members) for candidate in candidates]
    columns = [side for one in memberships for side in (one.matching, one.known)]
    sides = np.column_stack(columns).astype(np.float32)
    known, known_as = table.known
    of_known = (known.T.astype(np.float32) @ sides)[known_as].astype(np.float64)
    of_matches = (table.matches.T.astype(np.float32) @ sides).astype(np.float64)
    families = [family(about.name) for about in table.about]
    correlations = []
    for k, candidate in enumerate(candidates):
        one, rows = of_known[:, 2 * k], of_known[:, 2 * k + 1]
        both, other = of_matches[:, 2 * k], of_matches[:, 2 * k + 1]
        spread = one * (rows - one) * other * (rows - other)
        own = {families[i] for i in candidate.members}
        usable = np.array([name not in own for name in families], dtype=bool) & (spread > 0)
        phi: Floats = np.divide(rows * both - one * other, np.sqrt(spread), out=np.zeros(len(both)), where=usable)
        correlations.append(phi)
    return correlations


def _apart(one: Membership, other: Membership) -> int:
    both = one.known & other.known
    return int(np.count_nonzero(both & (one.matching != other.matching)))
