"""What a caller's options mean: which subjects of the evidence each is about, read from its words.

Options that say of themselves what they are (`attributes`, a text that would be published) need no reading. A bare yes
or no is read as an answer to the question. Findings without conditions, such as arms of experiments, are matched by
TF-IDF over their terms and the options' words; beneath a floor nothing is matched.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tasks.swarm.evidence import GENERIC, TIMING, subject_of
from tasks.swarm.records import EvidenceRef, Option
from tasks.swarm.wording import answer_of, denies, share_meeting, subject_words

LEAST_LIKE = 0.5  # cosine of TF-IDF from which a label and a finding are about the same thing
CLEARER_BY = 0.1  # and how much more alike it must be than another finding's of the same kind

Words = Mapping[str, float]


def understood(problem: str, options: Sequence[Option], evidence: Iterable[EvidenceRef]) -> tuple[Option, ...]:
    """The options with the exposures that their words state."""
    known = [item for item in evidence if item.kind != "part"]
    by_words = _alike(problem, options, [item for item in known if not item.conditions and item.effect != 0.0])
    exposures = {one.id: _said(problem, one, known) | by_words.get(one.id, {}) | one.exposures for one in options}
    return tuple(
        one if one.is_status_quo else one.model_copy(update={"exposures": exposures[one.id]}) for one in options
    )


def _said(problem: str, option: Option, evidence: Iterable[EvidenceRef]) -> dict[str, float]:
    """Exposures to findings with conditions."""
    if option.is_content:  # a title says what the story is about, not when or how it is published
        return {}
    answer = answer_of(option.label)
    exposures: dict[str, float] = {}
    for item in evidence:
        if item.conditions and not all(one.feature in option.attributes for one in item.conditions):
            text = option.label if answer is None else problem
            share = _product([share_meeting(text, one) for one in item.conditions])
            if answer is not None and share == 0.0 and _is_something_else(problem, item):
                continue
            share = _declined(share, problem) if answer is False else share
            if share is not None:
                exposures[subject_of(item)] = share
    return exposures


def _declined(share: float | None, problem: str) -> float | None:
    """How much of the content meets a condition where the answer is no, from how much it would be with a yes.

    Who declines what meets it has none of it. Who declines something else (TikTok, of a finding about LinkedIn) has not
    said what comes instead; who declines to avoid it keeps all.
    """
    if share:
        return 0.0
    return 1.0 if share is not None and denies(problem) else None


def _is_something_else(problem: str, item: EvidenceRef) -> bool:
    """Whether a yes-or-no question is about another value than the finding: being on TikTok stops nothing elsewhere."""
    return not denies(problem) and all(one.feature not in TIMING for one in item.conditions)


def _product(shares: Sequence[float | None]) -> float | None:
    """How much meets all conditions; none does where one is not met, whatever is unknown of the others."""
    stated = [share for share in shares if share is not None]
    return 0.0 if 0.0 in stated else math.prod(stated) if len(stated) == len(shares) else None


def _alike(problem: str, options: Sequence[Option], evidence: Sequence[EvidenceRef]) -> dict[str, dict[str, float]]:
    """Exposures to findings without conditions, by option: to the one that is clearly most alike, if any.

    A control arm, whose effect is none, is left out: a question names what is tried, not what it is tried against.
    """
    answers = {one.id: answer_of(one.label) for one in options}
    texts = {one.id: problem if answers[one.id] else one.label for one in options if not one.is_status_quo}
    labels = {name: Counter(subject_words(text)) for name, text in texts.items() if answers[name] is not False}
    about = {item.id: Counter(subject_words(" ".join(item.terms) or item.statement) - GENERIC) for item in evidence}
    weights = _rarity([*labels.values(), *about.values()])
    exposures: dict[str, dict[str, float]] = {}
    for option_id, label in labels.items():
        ranked = sorted(((_cosine(label, about[item.id], weights), item.id, item) for item in evidence), reverse=True)
        if not ranked or ranked[0][0] < LEAST_LIKE:
            continue
        rivals = [likeness for likeness, _, item in ranked if subject_of(item) != subject_of(ranked[0][2])]
        if ranked[0][0] - max(rivals, default=0.0) >= CLEARER_BY:
            exposures[option_id] = {subject_of(ranked[0][2]): 1.0}
    affirmed = {subject for name, subjects in exposures.items() if answers[name] for subject in subjects}
    return exposures | {name: dict.fromkeys(affirmed, 0.0) for name, answer in answers.items() if answer is False}


def _rarity(documents: Sequence[Words]) -> dict[str, float]:
    counted = Counter(word for document in documents for word in document)
    return {word: math.log((1 + len(documents)) / (1 + count)) + 1.0 for word, count in counted.items()}


def _cosine(one: Words, other: Words, weights: Words) -> float:
    shared = sum(weights[word] ** 2 for word in one.keys() & other.keys())
    lengths = (math.sqrt(sum(weights[word] ** 2 for word in words)) for words in (one, other))
    return shared / product if (product := math.prod(lengths)) else 0.0
