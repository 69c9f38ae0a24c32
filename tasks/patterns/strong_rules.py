"""The few rules that are so strong that every other one is tested in what they leave of the outcome.

Simulated with gaps that are no accident this finds .03 more of what is there, and lifts err a tenth less
(`tests/tasks/patterns/test_other_truth.py` has the bars). Beside them rules alone are tested: a lift stays what posts
that follow a rule have over those that do not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.patterns.adjustment import MIN_SHARE_LEFT, score_contrasts
from tasks.patterns.condition_table import ConditionTable
from tasks.patterns.explained import Explained, explained_by
from tasks.patterns.preparation import Posts
from tasks.patterns.search import RuleCandidate, strongest_first

STRONG = 4.5  # |z| of a rule that is taken out of the outcome of others
MOST = 3
TRIED = 6  # of the strongest by the search, of which some stand for what they are adjusted for


def beside_strong_rules(posts: Posts, table: ConditionTable, candidates: Sequence[RuleCandidate]) -> Explained | None:
    """Kinds of posts and the strongest rules, one an act; None where no rule is strong.

    Args:
        posts: all of them.
        table: their conditions.
        candidates: rules with the search's scores.
    """
    tried: list[RuleCandidate] = []
    taken: set[str] = set()
    for rule in strongest_first([one for one in candidates if abs(one.score) > STRONG]):
        acts = table.acts_of(rule.members)
        if len(tried) < TRIED and not acts & taken:
            tried.append(rule)
            taken |= acts
    if not tried:
        return None
    contrasts = score_contrasts(posts, table, tried)
    z = np.abs(contrasts.told_apart.estimate / contrasts.told_apart.standard_error)
    order = [int(i) for i in np.argsort(-np.round(z, 3), kind="stable")]
    strong = [tried[i] for i in order if z[i] > STRONG and contrasts.share_left[i] >= MIN_SHARE_LEFT][:MOST]
    if not strong:
        return None
    columns = [posts.kinds.columns]
    for rule in strong:
        membership = table.membership(rule.members)
        usual = float(membership.matching[membership.known].mean())
        columns.append(np.where(membership.known, membership.matching, usual)[:, None])
    acts_of_strong = [table.acts_of(rule.members) for rule in strong]
    return explained_by(np.hstack(columns), acts_of_strong, posts.within_channels)
