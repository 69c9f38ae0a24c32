"""From a model's reply to a typed message: everything is checked here, whatever schema the endpoint has accepted.

Nothing is ever made up for a reply that is not usable; it is asked for again, with what was wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tasks.swarm.confidence import normal_confidence
from tasks.swarm.dimensions import DIMENSIONS
from tasks.swarm.fencing import repeats
from tasks.swarm.forms import ABSTAIN, LONGEST_QUESTION, MOST_CITED, NONE, Form
from tasks.swarm.messages import FLAW_KINDS, Closing, Critique, Message, OptionList, Phase, Proposal, Split, Vote


class UnusableReplyError(ValueError):
    """Why a reply cannot be used, in words a model can act on; never leaves this room."""


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


def _read_split(found: Mapping[str, Any], form: Form) -> tuple[Message, tuple[str, ...]]:
    asked = {name: _cut(found[name], form)[:LONGEST_QUESTION].strip() for name in DIMENSIONS}
    kept = {name: question for name, question in asked.items() if question}
    return Split(questions=kept, reasoning=_cut(found["reasoning"], form)), ()


def _option(value: Any, form: Form, *, may_abstain: bool) -> str | None:
    if may_abstain and value == ABSTAIN:
        return None
    if value not in form.options:
        allowed = (*form.options, ABSTAIN) if may_abstain and form.offers_abstention else form.options
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


_READERS: dict[Phase, Callable[[Mapping[str, Any], Form], tuple[Message, tuple[str, ...]]]] = {
    "split": _read_split,
    "options": _read_options,
    "propose": _read_proposal,
    "refine": _read_proposal,
    "critique": _read_critique,
    "vote": _read_vote,
    "synthesis": _read_synthesis,
    "moderate": _read_verdict,
    "moderate_reversed": _read_verdict,
}
