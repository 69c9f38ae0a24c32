"""What a model must answer in each phase, as a JSON schema that endpoints enforce and as a check of our own.

Schemas keep to what all endpoints know: flat objects, everything required, enumerations, whole numbers in a range,
bounded texts and lists; free text comes before the choice. Accepting a schema is not enforcing it: every reply is
checked here, and nothing is ever made up for one that is not usable.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.swarm.confidence import normal_confidence
from tasks.swarm.fencing import repeats
from tasks.swarm.records import FLAW_KINDS, Closing, Critique, Message, OptionList, Phase, Proposal, Vote

ABSTAIN, NONE = "abstain", "none"
MOST_CITED = 4


class UnusableReplyError(ValueError):
    """Why a reply cannot be used, in words a model can act on; never leaves this room."""


@dataclass(frozen=True, slots=True)
class Form:
    """What may be answered in one turn.

    Attributes:
        options: ids to choose from; for a synthesis the one that was voted.
        evidence_ids: findings that may be cited.
        targets: anonymous names of proposals that may be criticised.
        secret: text a reply must not repeat.
    """

    phase: Phase
    options: tuple[str, ...]
    evidence_ids: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    text_length: int = 400
    secret: str = ""

    def schema(self) -> dict[str, Any]:
        """The JSON schema of a reply."""
        properties = _PROPERTIES[self.phase](self)
        closed = {"type": "object", "additionalProperties": False, "required": list(properties)}
        return closed | {"properties": properties}


def read(text: str, form: Form) -> tuple[Message, tuple[str, ...]]:
    """The message in a reply, and flags about what had to be left out.

    Raises:
        UnusableReplyError: if there is none.
    """
    found = _json_object(text)
    required = form.schema()["required"]
    missing = [name for name in required if name not in found]
    if missing:
        raise UnusableReplyError(f"these keys are missing: {', '.join(missing)}")
    if form.secret and any(repeats(str(value), form.secret) for value in found.values()):
        raise UnusableReplyError("the reply repeats your instructions; answer the question instead")
    return _READERS[form.phase](found, form)


def _json_object(text: str) -> dict[str, Any]:
    """The first whole JSON object in the text, fenced or not; a prefix of one is never used."""
    if not text.strip():
        raise UnusableReplyError("the reply is empty")
    start = text.find("{")
    if start < 0:
        raise UnusableReplyError("the reply holds no JSON object")
    try:
        found, _ = json.JSONDecoder().raw_decode(text, start)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UnusableReplyError(f"the reply is not valid JSON: {error}") from None
    assert isinstance(found, dict), "what begins with a brace is an object"
    return found


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


def _proposal_properties(form: Form) -> dict[str, Any]:
    return {
        "reasoning": _text(form.text_length),
        "claim": _text(form.text_length),
        "evidence_ids": _cited(form),
        "option": _choice((*form.options, ABSTAIN)),
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
        "option": _choice((*form.options, ABSTAIN)),
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


def _read_proposal(found: Mapping[str, Any], form: Form) -> tuple[Message, tuple[str, ...]]:
    cited, flags = _evidence(found["evidence_ids"], form)
    option = _option(found["option"], form, may_abstain=True)
    message = Proposal(
        option=option,
        claim=_cut(found["claim"], form),
        reasoning=_cut(found["reasoning"], form),
        evidence_ids=cited,
        confidence=_confidence(found["confidence"]),
        abstain_reason=None if option else "the expert would not choose",
    )
    return message, flags


def _read_critique(found: Mapping[str, Any], form: Form) -> tuple[Message, tuple[str, ...]]:
    if found["kind"] not in FLAW_KINDS:
        raise UnusableReplyError(f"kind must be one of {', '.join(FLAW_KINDS)}")
    if found["target"] not in (*form.targets, NONE):
        raise UnusableReplyError(f"target must be one of {', '.join(form.targets)}")
    known = found["evidence_id"] in form.evidence_ids
    message = Critique(
        target=None if found["target"] == NONE else found["target"],
        kind=found["kind"],
        evidence_id=found["evidence_id"] if known else None,
        strength=_cut(found["strength"], form),
        weakness=_cut(found["weakness"], form),
        suggestion=_cut(found["suggestion"], form),
        agreement=_confidence(found["agreement"]) or 0,
    )
    return message, () if known or found["evidence_id"] == NONE else ("unknown_evidence:1",)


def _read_vote(found: Mapping[str, Any], form: Form) -> tuple[Message, tuple[str, ...]]:
    cited, flags = _evidence(found["evidence_ids"], form)
    message = Vote(
        option=_option(found["option"], form, may_abstain=True),
        reason=_cut(found["reason"], form),
        evidence_ids=cited,
        confidence=_confidence(found["confidence"]),
    )
    return message, flags


def _read_synthesis(found: Mapping[str, Any], form: Form) -> tuple[Message, tuple[str, ...]]:
    option = _option(found["decision"], form, may_abstain=False)
    summary = str(found["summary"])[: 2 * form.text_length]
    return Closing(option=option, text=summary, dissent=_cut(found["dissent"], form)), ()


def _read_verdict(found: Mapping[str, Any], form: Form) -> tuple[Message, tuple[str, ...]]:
    return Closing(option=_option(found["option"], form, may_abstain=False), text=_cut(found["reason"], form)), ()


def _read_options(found: Mapping[str, Any], _form: Form) -> tuple[Message, tuple[str, ...]]:
    given = found["options"] if isinstance(found["options"], list) else []
    labels = tuple(dict.fromkeys(str(label).strip()[:120] for label in given if str(label).strip()))[:5]
    if len(labels) < 2:
        raise UnusableReplyError("options must be a list of 2 to 5 different answers")
    return OptionList(labels=labels), ()


def _option(value: Any, form: Form, *, may_abstain: bool) -> str | None:
    if may_abstain and value == ABSTAIN:
        return None
    if value not in form.options:
        allowed = (*form.options, ABSTAIN) if may_abstain else form.options
        raise UnusableReplyError(f"the option must be one of {', '.join(allowed)}")
    return str(value)


def _evidence(value: Any, form: Form) -> tuple[tuple[str, ...], tuple[str, ...]]:
    given = list(dict.fromkeys(str(item) for item in value)) if isinstance(value, list) else []
    known = tuple(item for item in given if item in form.evidence_ids)[:MOST_CITED]
    unknown = sum(item not in form.evidence_ids for item in given)
    return known, (f"unknown_evidence:{unknown}",) if unknown else ()


def _confidence(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value <= 100 else None
    share = normal_confidence(value)
    return None if share is None else round(100 * share)


def _cut(value: Any, form: Form) -> str:
    if not isinstance(value, str):
        raise UnusableReplyError("texts must be strings")
    return value[: form.text_length]


_PROPERTIES: dict[Phase, Callable[[Form], dict[str, Any]]] = {
    "options": _options_properties,
    "propose": _proposal_properties,
    "refine": _proposal_properties,
    "critique": _critique_properties,
    "vote": _vote_properties,
    "synthesis": _synthesis_properties,
    "moderate": _moderate_properties,
    "moderate_reversed": _moderate_properties,
}
_READERS: dict[Phase, Callable[[Mapping[str, Any], Form], tuple[Message, tuple[str, ...]]]] = {
    "options": _read_options,
    "propose": _read_proposal,
    "refine": _read_proposal,
    "critique": _read_critique,
    "vote": _read_vote,
    "synthesis": _read_synthesis,
    "moderate": _read_verdict,
    "moderate_reversed": _read_verdict,
}
