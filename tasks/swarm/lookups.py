"""What an expert may look up before it answers: findings of the debate's workspace, or what is expected of its draft.

It reads and changes nothing. All that can be found is what the debate began with, which is the scope's own; a draft is
judged as the panel judges a text. What a model asks with is text from outside: it is bounded, matched by words, and
refused in one line where it asks for anything else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from tasks.swarm.fencing import storable
from tasks.swarm.posterior import Standing
from tasks.swarm.question import option_of
from tasks.swarm.records import Brief, Option, Record
from tasks.swarm.wording import subject_words, words_of

NOTHING = "nothing"
FINDINGS = {"patterns": ("pattern", "transfer"), "experiments": ("experiment", "debate")}
PREDICTION = "prediction"
LOOKUPS = (NOTHING, *FINDINGS, PREDICTION)
KIND_KEY, ABOUT_KEY = "look_up", "look_up_words"
LONGEST_ABOUT = 600
MOST_SHOWN = 5
DRAFT = "draft"
Z_90 = 1.6449


class Lookup(Record):
    """What is looked up: one of `LOOKUPS`, and words, or the draft itself."""

    kind: str
    about: str


class LookupAnswer(Record):
    """What was looked up: findings that may now be cited, or what is expected of a draft, as JSON."""

    evidence_ids: tuple[str, ...] = ()
    shown: dict[str, Any] = Field(default_factory=dict)


def lookup_in(reply: Mapping[str, Any]) -> Lookup | None:
    """What a reply asks for; None where it asks for nothing, or in no way that can be read."""
    kind = reply.get(KIND_KEY, NOTHING)
    if not isinstance(kind, str) or kind.strip().lower() in (NOTHING, "none", ""):
        return None
    about = reply.get(ABOUT_KEY)
    return Lookup(kind=storable(kind.strip().lower()[:40]), about=storable(about) if isinstance(about, str) else "")


def refusal(lookup: Lookup) -> str | None:
    """Why it cannot be looked up, in one line; None where it can."""
    if lookup.kind not in LOOKUPS:
        return f"{KIND_KEY} must be one of {', '.join(LOOKUPS)}"
    if not words_of(lookup.about):
        return f"{ABOUT_KEY} is empty: give words to look for, or the text of your draft"
    if len(lookup.about) > LONGEST_ABOUT:
        return f"{ABOUT_KEY} has {len(lookup.about):,} characters; at most {LONGEST_ABOUT} are read"
    return None


def findings_about(brief: Brief, lookup: Lookup) -> LookupAnswer:
    """Findings of the debate that share most words with what is asked, whoever's skills earn them."""
    wanted = subject_words(lookup.about)
    known = [item for item in brief.evidence if item.kind in FINDINGS[lookup.kind]]
    shared = {item.id: len(wanted & subject_words(" ".join((item.statement, *item.terms)))) for item in known}
    ranked = sorted((-many, name) for name, many in shared.items() if many)
    return LookupAnswer(evidence_ids=tuple(name for _, name in ranked[:MOST_SHOWN]))


def beside_draft(brief: Brief, lookup: Lookup) -> tuple[Option, ...]:
    """The texts to choose from, and the draft: a title unless the debate is about bodies."""
    texts = tuple(option for option in brief.options if option.is_content)
    part = "body" if any(option.body for option in texts) else "title"
    return (*texts, option_of({"label": DRAFT, part: lookup.about}, DRAFT))


def prediction(options: Sequence[Option], ranked: Sequence[Standing], right: float | None) -> LookupAnswer:
    """What is expected of a draft beside the options.

    Args:
        right: how often the learned models told right which of two texts did better; None where none decide.
    """
    labels = {option.id: option.label for option in options}
    expected = [
        {"option": one.option, "label": labels[one.option]}
        | ({"best": f"{one.probability_best:.0%}"} if len(options) > 1 else {})  # a draft alone is always the best
        | {"expected": f"{math.expm1(one.mean):+.0%}", "interval_90": _interval(one)}
        for one in sorted(ranked, key=_worth, reverse=True)
    ]
    basis = "findings about its features" if right is None else f"models that told {right:.0%} of earlier pairs right"
    return LookupAnswer(shown={"expected_against_today": expected, "basis": basis})


def _worth(one: Standing) -> tuple[float, str]:
    return one.mean, one.option


def _interval(one: Standing) -> str:
    low, high = (math.expm1(one.mean + side * Z_90 * one.sd) for side in (-1.0, 1.0))
    return f"{low:+.0%} to {high:+.0%}"
