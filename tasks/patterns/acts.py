"""One act is said once: rules that share an act with a stronger one are reported only where they add to it.

A longer text has more words, more characters and a longer body; where long posts do badly, those of middling length do
better than the rest without being better than short ones; and where photos with few words win, so do photos with short
bodies, and photos with short titles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.content.catalogue import family
from tasks.patterns.adjustment import score_contrast_beside
from tasks.patterns.condition_table import ConditionTable
from tasks.patterns.features import EncodedFeature, Floats, Mask
from tasks.patterns.preparation import Posts
from tasks.patterns.search import RuleCandidate, rule_matches
from tasks.statistics.outcome import rank_scores

ADDS = 2.58  # of the z of a rule beside another one about the same act: one in a hundred by chance
RANGES = ("count", "share", "score")  # kinds of features whose parts are more or less of one thing


def one_per_act(
    posts: Posts, table: ConditionTable, rules: Sequence[RuleCandidate], effects: Sequence[float], least: float
) -> dict[int, list[RuleCandidate]]:
    """Which of K rules say something of their own, by position, and under each the weaker ones that it stands for.

    Args:
        posts: all of them.
        table: conditions of the rules.
        rules: strongest first.
        effects: (K) standardized, by which rules point up or down.
        least: standardized effect that a rule must have of its own.
    """
    kept: dict[int, list[RuleCandidate]] = {}
    for k, rule in enumerate(rules):
        same = [other for other in kept if table.acts_of(rules[other].members) & table.acts_of(rule.members)]
        others = [rules[other] for other in same]
        alike = [rules[i] for i in same if _advises_the_same(table, (rules[i], effects[i]), (rule, effects[k]))]
        if not same or adds(posts, table, rule, effects[k], others, _measured(table, rule, others, alike), least):
            kept[k] = []
        else:
            kept[same[0]].append(rule)
    return kept


def adds(
    posts: Posts,
    table: ConditionTable,
    rule: RuleCandidate,
    effect: float,
    others: Sequence[RuleCandidate],
    measured: Sequence[int] = (),
    least: float = 0.0,
) -> bool:
    """Whether a rule does something the same way beside other ones, and at least so much of it.

    Args:
        posts: all of them.
        table: conditions of the rules.
        rule: the one.
        effect: standardized, of the rule alone.
        others: that it must add to.
        measured: features that it must add to in every part of their range.
        least: standardized effect that it must have beside all that.
    """
    columns: list[Mask | Floats] = [rule_matches(table.matches, other.members) for other in others]
    if len(rule.members) > 1:  # a pair must be more than its two conditions side by side
        columns += [table.matches[:, i] for i in rule.members]
    for owner in measured:
        columns += list(table.matches[:, table.owner == owner].T)
        columns += [_rank(posts.features[owner])] if posts.features[owner].kind in RANGES else []
    contrast = score_contrast_beside(posts, table, rule, np.column_stack(columns).astype(np.float64))
    left = float(np.sign(effect) * contrast.estimate[0])
    return left >= max(ADDS * float(contrast.standard_error[0]), least)


def _advises_the_same(
    table: ConditionTable, one: tuple[RuleCandidate, float], other: tuple[RuleCandidate, float]
) -> bool:
    """Whether two single conditions point the same way, or the same way along a range: short wins and long loses."""
    if any(len(rule.members) > 1 for rule, _ in (one, other)):
        return False
    (first, along), (second, too) = (
        (np.sign(effect), _end(table, rule) * np.sign(effect)) for rule, effect in (one, other)
    )
    return bool(first == second or along * too > 0)


def _end(table: ConditionTable, rule: RuleCandidate) -> int:
    """1 for the upper end of a range, −1 for the lower, 0 for its middle."""
    return {">=": 1, "<": -1}.get(table.conditions[rule.members[0]].op, 0)


def _measured(
    table: ConditionTable, rule: RuleCandidate, others: Sequence[RuleCandidate], alike: Sequence[RuleCandidate]
) -> list[int]:
    """Features that a rule must add to in every part of their range, beside the other rules themselves.

    Who publishes shorter texts follows all rules that advise so: characters must add to all that words tell, and titles
    to bodies. A second part of one range adds nothing where it advises the same: where the longest posts lose, shorter
    ones win, and long ones lose too.

    Args:
        table: conditions.
        rule: that is to add something.
        others: rules that share an act with it.
        alike: those of them that advise the same, along the range that they are about.
    """
    shared, own = table.acts_of(rule.members), {int(table.owner[i]) for i in rule.members}
    measured = {
        int(table.owner[i])
        for other in others
        for i in other.members
        if family(table.about[i].name) in shared and table.about[i].kind != "words"
    } - own
    if table.about[rule.members[0]].kind in RANGES:
        measured |= own & {int(table.owner[other.members[0]]) for other in alike}
    return sorted(measured)


def _rank(feature: EncodedFeature) -> Floats:
    """Rank scores (n,) of a feature's values, 0 where unknown."""
    ranks = np.zeros(len(feature.numbers))
    ranks[feature.known] = rank_scores(feature.numbers[feature.known])
    return ranks
