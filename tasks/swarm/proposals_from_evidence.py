"""The panel's own options, where the caller named none: what the strongest findings would have one do, or nothing."""

from __future__ import annotations

import string
from collections.abc import Sequence

from tasks.swarm.evidence import is_named_in, subject_of
from tasks.swarm.posterior import discount
from tasks.swarm.records import Condition, EvidenceRef, Option, Scalar

MOST = 4
STATUS_QUO = "Keep what is done today."


def options_from(evidence: Sequence[EvidenceRef], prior_sd: float, problem: str) -> tuple[Option, ...]:
    """Up to four subjects of the largest expected effect, and changing nothing; empty without evidence.

    Where the problem names what findings are about, only those are drawn upon: it asks for an answer, not for the
    best that could be done elsewhere.
    """
    by_subject: dict[str, list[EvidenceRef]] = {}
    for item in sorted({item.id: item for item in evidence}.values(), key=lambda item: item.id):
        by_subject.setdefault(subject_of(item), []).append(item)
    named = {subject: items for subject, items in by_subject.items() if is_named_in(problem, items[0])}
    ranked = sorted((named or by_subject).items(), key=lambda pair: (-_expected(pair[1], prior_sd), pair[0]))
    if not ranked:
        return ()
    chosen = [
        _option(letter, items[0]) for letter, (_, items) in zip(string.ascii_uppercase, ranked[:MOST], strict=False)
    ]
    return (*chosen, status_quo(string.ascii_uppercase[len(chosen)]))


def status_quo(letter: str) -> Option:
    """Changing nothing, as an option."""
    return Option(id=letter, label=STATUS_QUO, is_status_quo=True)


def _expected(items: Sequence[EvidenceRef], prior_sd: float) -> float:
    weights = [discount(item) / item.se**2 for item in items]
    pull = sum(weight * item.effect for weight, item in zip(weights, items, strict=True))
    return pull / (prior_sd**-2 + sum(weights))


def _option(letter: str, item: EvidenceRef) -> Option:
    attributes = {condition.feature: _meets(condition) for condition in item.conditions}
    return Option(id=letter, label=f"Act on: {item.statement}", attributes=attributes)


def _meets(condition: Condition) -> Scalar:
    """A value that meets the condition."""
    value = condition.value
    if isinstance(value, tuple):
        return value[0]
    if condition.op == "<" and not isinstance(value, str):
        return value - 1
    return value
