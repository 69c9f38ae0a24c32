"""What a rule is about, as slopes and spreads of bias are learned by."""

from __future__ import annotations

from tasks.conditions import OF_WORDS, Condition, Rule
from tasks.content.catalogue import BY_NAME

LABELS = ("tone", "sentiment", "topic")
WORDS, LABEL, CHANNEL, ATTRIBUTE, MIXED = "words", "label", "channel", "attribute", "mixed"


def family_of(rule: Rule) -> str:
    """text, timing, media, words, label, channel or attribute; `mixed` where its conditions are of several."""
    families = {_family(condition) for condition in rule}
    return families.pop() if len(families) == 1 else MIXED


def _family(condition: Condition) -> str:
    if condition.op in OF_WORDS:
        return WORDS
    if condition.feature == CHANNEL:
        return CHANNEL
    if condition.feature in LABELS:
        return LABEL
    described = BY_NAME.get(condition.feature)
    return described.group if described is not None else ATTRIBUTE
