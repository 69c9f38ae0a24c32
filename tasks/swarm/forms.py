"""What a model may answer in each phase, as a JSON schema that endpoints enforce.

Schemas keep to what all endpoints know: flat objects, everything required, enumerations, whole numbers in a range,
bounded texts and lists; free text comes before the choice. Accepting a schema is not enforcing it: see `answers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tasks.swarm.dimensions import DIMENSIONS
from tasks.swarm.messages import FLAW_KINDS, Phase

ABSTAIN, NONE = "abstain", "none"
MOST_CITED = 4
LONGEST_QUESTION = 160


@dataclass(frozen=True, slots=True)
class Form:
    """What may be answered in one turn.

    Attributes:
        options: ids to choose from; for a synthesis the one that was voted.
        evidence_ids: findings that may be cited.
        targets: anonymous names of proposals that may be criticised.
        offers_abstention: whether the schema lists abstaining, last. One who abstains unasked is taken at its word.
        secret: text a reply must not repeat.
    """

    phase: Phase
    options: tuple[str, ...]
    evidence_ids: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    offers_abstention: bool = True
    text_length: int = 400
    secret: str = ""

    def schema(self) -> dict[str, Any]:
        """The JSON schema of a reply; made once, so not to be changed."""
        return _schema(self)


@lru_cache(maxsize=64)
def _schema(form: Form) -> dict[str, Any]:
    properties = _PROPERTIES[form.phase](form)
    closed = {"type": "object", "additionalProperties": False, "required": list(properties)}
    return closed | {"properties": properties}


def _text(longest: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest}


def _choice(values: Sequence[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _percent() -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "maximum": 100}


def _cited(form: Form) -> dict[str, Any]:
    if not form.evidence_ids:
        return {"type": "array", "items": _text(1), "maxItems": 0}
    return {"type": "array", "items": _choice(form.evidence_ids), "maxItems": MOST_CITED}


def _ballot(form: Form) -> dict[str, Any]:
    return _choice((*form.options, ABSTAIN) if form.offers_abstention else form.options)


def _proposal_properties(form: Form) -> dict[str, Any]:
    return {
        "reasoning": _text(form.text_length),
        "claim": _text(form.text_length),
        "evidence_ids": _cited(form),
        "option": _ballot(form),
        "confidence": _percent(),
    }


def _critique_properties(form: Form) -> dict[str, Any]:
    return {
        "strength": _text(form.text_length),
        "weakness": _text(form.text_length),
        "suggestion": _text(form.text_length),
        "target": _choice(form.targets or (NONE,)),
        "kind": _choice(FLAW_KINDS),
        "evidence_id": _choice((*form.evidence_ids, NONE)),
        "agreement": _percent(),
    }


def _vote_properties(form: Form) -> dict[str, Any]:
    return {
        "reason": _text(form.text_length),
        "evidence_ids": _cited(form),
        "option": _ballot(form),
        "confidence": _percent(),
    }


def _synthesis_properties(form: Form) -> dict[str, Any]:
    return {
        "summary": _text(2 * form.text_length),
        "dissent": _text(form.text_length),
        "decision": _choice(form.options),
    }


def _moderate_properties(form: Form) -> dict[str, Any]:
    return {"reason": _text(form.text_length), "option": _choice(form.options)}


def _options_properties(_form: Form) -> dict[str, Any]:
    return {"options": {"type": "array", "items": _text(120), "minItems": 2, "maxItems": 5}}


def _split_properties(form: Form) -> dict[str, Any]:
    return {"reasoning": _text(form.text_length)} | dict.fromkeys(DIMENSIONS, _text(LONGEST_QUESTION))


_PROPERTIES: dict[Phase, Callable[[Form], dict[str, Any]]] = {
    "split": _split_properties,
    "options": _options_properties,
    "propose": _proposal_properties,
    "refine": _proposal_properties,
    "critique": _critique_properties,
    "vote": _vote_properties,
    "synthesis": _synthesis_properties,
    "moderate": _moderate_properties,
    "moderate_reversed": _moderate_properties,
}
