"""What a model may reply, from one pydantic model a phase: the schema endpoints enforce, and the check of what came.

Each field of such a model (`tasks.swarm.messages`) carries a `ReplyField`, which knows its JSON schema and reads its
value. Schemas keep to what all endpoints know: flat objects, everything required, enumerations, whole numbers in a
range, bounded texts and lists; free text comes before the choice. Accepting a schema is not enforcing it, so every
value is checked. Nothing is ever made up for an unusable reply; it is asked for again, with what was wrong.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from tasks.swarm.evidence import DIMENSIONS
from tasks.swarm.fencing import repeats, storable
from tasks.swarm.lookups import ABOUT_KEY, KIND_KEY, LONGEST_ABOUT, LOOKUPS
from tasks.swarm.named_options import names_others, the_one_named
from tasks.swarm.reasoning import whole_number, without_reasoning
from tasks.swarm.records import Record
from tasks.swarm.said_around import is_called_otherwise, is_draft, is_last_word, is_taken_back, may_be_taken_back

ABSTAIN, NONE = "abstain", "none"
MOST_CITED = 4
LONGEST_LABEL, LONGEST_QUESTION = 120, 160
FEWEST_ANSWERS, MOST_ANSWERS = 2, 5
LONGEST_ANSWER = 65_536
MOST_EFFORT = 2_000_000  # characters that are read twice, of braces that begin no object
EFFORT_OF_AN_ERROR = 1_000  # it counts lines up to where it stands

WRITTEN_OUT_UNDER = {"arguments", "parameters", "input", "reply", "answer", "response", "content", "output", "vote"}
MAY_BE_MISSING = {KIND_KEY, ABOUT_KEY, "merge", "merged_label"}  # which then stand for nothing

Schema = dict[str, Any]
ReplyValues = Mapping[str, Any]
Flags = tuple[str, ...]


class UnusableReplyError(ValueError):
    """Why a reply cannot be used, in words a model can act on; never leaves this room."""


class UnsureReplyError(UnusableReplyError):
    """A reply with one answer that may be none, by what is said around it; never leaves this room.

    Attributes:
        answer: what it would be.
        after: what is said after it.
        is_none: whether its own words say that it is none, so that it counts however often it is sent.
    """

    def __init__(self, says: str, answer: dict[str, Any], after: str, *, is_none: bool) -> None:
        self.answer, self.after, self.is_none = answer, after, is_none
        super().__init__(says)

    def is_meant(self, earlier: UnsureReplyError | None, form: ReplyForm) -> bool:
        """Whether an expert who was told that this may be no answer has sent the same choice again, as an answer."""
        chosen = [name for name, part in form.schema()["properties"].items() if "enum" in part]
        is_same = earlier is not None and all(self.answer.get(one) == earlier.answer.get(one) for one in chosen)
        if not is_same or self.is_none:
            return False
        labels = form.option_labels or form.options
        return not names_others(self.after, str(self.answer.get("option")), form.options, labels)


@runtime_checkable
class ReplyField(Protocol):
    """What one field of a phase's model is in a reply."""

    def schemas(self, name: str, form: ReplyForm, /) -> dict[str, Schema]:
        """JSON schemas of the keys that make up the field, by key."""

    def read(self, name: str, reply: ReplyValues, form: ReplyForm, /) -> tuple[Any, Flags]:
        """The field's value in a reply, and flags about what had to be left out."""


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """What may be replied in one turn.

    Attributes:
        model: the phase's message; its fields make the schema.
        options: ids to choose from; for a synthesis the one that was voted.
        option_labels: what each of them says, by which a reply may name it.
        evidence_ids: findings that may be cited.
        targets: anonymous names of proposals that may be criticized.
        offers_abstention: whether the schema lists abstaining, last. Abstaining where it is not listed counts as well.
        secret: text a reply must not repeat.
        mergeable: options that may be put together.
        offers_lookups: whether the schema asks what to look up first; a reply that does not say looks up nothing.
    """

    model: type[Record]
    options: tuple[str, ...]
    evidence_ids: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    offers_abstention: bool = True
    text_length: int = 400
    secret: str = ""
    mergeable: tuple[str, ...] = ()
    offers_lookups: bool = False
    option_labels: tuple[str, ...] = ()

    def schema(self) -> Schema:
        """The JSON schema of a reply; made once, so not to be changed."""
        return _schema(self)


def read_reply(text: str, form: ReplyForm) -> tuple[Record, Flags]:
    """The message in a reply, and flags about what had to be left out.

    Raises:
        UnusableReplyError: if there is none.
    """
    return read_answer(answer_in(text, form), form)


def read_answer(reply: ReplyValues, form: ReplyForm) -> tuple[Record, Flags]:
    """The message in a reply's object, and flags about what had to be left out.

    Raises:
        UnusableReplyError: if there is none.
    """
    try:
        return _read(reply, form)
    except RecursionError:  # a value that is written out as text: the parser's depth is within its own limit
        raise UnusableReplyError("the reply is nested too deep") from None


def answer_in(text: str, form: ReplyForm) -> dict[str, Any]:
    """The last object of a reply that has all its keys, unread.

    Raises:
        UnusableReplyError: if there is none.
    """
    return _answer_in(text, [key for key in form.schema()["required"] if key not in MAY_BE_MISSING])


def meant_in(text: str, form: ReplyForm) -> dict[str, Any]:
    """The answer of a reply that was read already, sure or sent twice."""
    try:
        return answer_in(text, form)
    except UnsureReplyError as unsure:
        return unsure.answer


def _read(reply: ReplyValues, form: ReplyForm) -> tuple[Record, Flags]:
    if form.secret and any(repeats(str(value), form.secret) for value in reply.values()):
        raise UnusableReplyError("the reply repeats your instructions; answer the question instead")
    values: dict[str, Any] = {}
    flags: Flags = ()
    for name, field in _fields(form.model).items():
        values[name], of_field = field.read(name, reply, form)
        flags += of_field
    return form.model(**values), flags


@dataclass(frozen=True, slots=True)
class Text:
    """Free text, cut where it is too long.

    Attributes:
        key: its name in the reply, where that is another one.
        times: how many of the turn's text lengths it may have.
        takes_anything: whether another value than a text counts as its text.
    """

    key: str | None = None
    times: int = 1
    takes_anything: bool = False

    def schemas(self, name: str, form: ReplyForm) -> dict[str, Schema]:
        """A bounded string."""
        return {self.key or name: _string(self.times * form.text_length)}

    def read(self, name: str, reply: ReplyValues, form: ReplyForm) -> tuple[str, Flags]:
        """The text."""
        value = reply[self.key or name]
        return _cut(str(value) if self.takes_anything else value, self.times * form.text_length), ()


@dataclass(frozen=True, slots=True)
class Choice:
    """The id of one of the options; `may_abstain` where an expert may decline to choose."""

    key: str | None = None
    may_abstain: bool = False

    def schemas(self, name: str, form: ReplyForm) -> dict[str, Schema]:
        """The options, and abstaining last where it is offered."""
        return {self.key or name: _one_of(self._allowed(form))}

    def read(self, name: str, reply: ReplyValues, form: ReplyForm) -> tuple[str | None, Flags]:
        """The option's id; None for an abstention."""
        value = reply[self.key or name]
        may_abstain = (ABSTAIN,) if self.may_abstain and value not in form.options else ()
        labels = form.option_labels or form.options
        meant = the_one_named(value, (*form.options, *may_abstain), (*labels, *may_abstain))
        if meant is None:
            raise UnusableReplyError(f"the option must be one of {', '.join(self._allowed(form))}")
        return (None if may_abstain and meant == ABSTAIN else meant), ()

    def _allowed(self, form: ReplyForm) -> tuple[str, ...]:
        return (*form.options, ABSTAIN) if self.may_abstain and form.offers_abstention else form.options


@dataclass(frozen=True, slots=True)
class WhyAbstained:
    """Nothing a model is asked for: it follows from the option."""

    def schemas(self, _name: str, _form: ReplyForm) -> dict[str, Schema]:
        """No key."""
        return {}

    def read(self, _name: str, reply: ReplyValues, _form: ReplyForm) -> tuple[str | None, Flags]:
        """The reason, where the expert has abstained."""
        return ("the expert would not choose" if reply["option"] == ABSTAIN else None), ()


@dataclass(frozen=True, slots=True)
class Percent:
    """A whole number from 0 to 100; `otherwise` for a value that cannot be one."""

    otherwise: int | None = None

    def schemas(self, name: str, _form: ReplyForm) -> dict[str, Schema]:
        """A bounded whole number."""
        return {name: {"type": "integer", "minimum": 0, "maximum": 100}}

    def read(self, name: str, reply: ReplyValues, _form: ReplyForm) -> tuple[int | None, Flags]:
        """The number, also from a share or a text such as '95%'."""
        value = reply[name]
        if isinstance(value, int) and not isinstance(value, bool):
            return (value if 0 <= value <= 100 else self.otherwise), ()
        share = normal_confidence(value)
        return (self.otherwise if share is None else round(100 * share)), ()


@dataclass(frozen=True, slots=True)
class Citations:
    """Ids of findings, at most four; unknown ones are left out and flagged."""

    def schemas(self, name: str, form: ReplyForm) -> dict[str, Schema]:
        """A bounded list."""
        if not form.evidence_ids:
            return {name: {"type": "array", "items": _string(1), "maxItems": 0}}
        return {name: {"type": "array", "items": _one_of(form.evidence_ids), "maxItems": MOST_CITED}}

    def read(self, name: str, reply: ReplyValues, form: ReplyForm) -> tuple[tuple[str, ...], Flags]:
        """The ids that are known."""
        given = list(dict.fromkeys(str(item) for item in reply[name])) if isinstance(reply[name], list) else []
        known = tuple(item for item in given if item in form.evidence_ids)[:MOST_CITED]
        unknown = sum(item not in form.evidence_ids for item in given)
        return known, (f"unknown_evidence:{unknown}",) if unknown else ()


@dataclass(frozen=True, slots=True)
class Citation:
    """The id of one finding, or none; an unknown one is left out and flagged."""

    def schemas(self, name: str, form: ReplyForm) -> dict[str, Schema]:
        """The findings, and none."""
        return {name: _one_of((*form.evidence_ids, NONE))}

    def read(self, name: str, reply: ReplyValues, form: ReplyForm) -> tuple[str | None, Flags]:
        """The id, if it is known."""
        value = reply[name]
        if value in form.evidence_ids:
            return str(value), ()
        return None, () if value == NONE else ("unknown_evidence:1",)


@dataclass(frozen=True, slots=True)
class Target:
    """The anonymous name of another expert's proposal, or none."""

    def schemas(self, name: str, form: ReplyForm) -> dict[str, Schema]:
        """The names."""
        return {name: _one_of(form.targets or (NONE,))}

    def read(self, name: str, reply: ReplyValues, form: ReplyForm) -> tuple[str | None, Flags]:
        """The name; None where there is none."""
        meant = the_one_named(reply[name], tuple(dict.fromkeys((*form.targets, NONE))))
        if meant is None:
            raise UnusableReplyError(f"{name} must be one of {', '.join(form.targets)}")
        return (None if meant == NONE else meant), ()


@dataclass(frozen=True, slots=True)
class WordOf:
    """One of a fixed list of words."""

    words: tuple[str, ...]

    def schemas(self, name: str, _form: ReplyForm) -> dict[str, Schema]:
        """The words."""
        return {name: _one_of(self.words)}

    def read(self, name: str, reply: ReplyValues, _form: ReplyForm) -> tuple[str, Flags]:
        """The word."""
        meant = the_one_named(reply[name], self.words)
        if meant is None:
            raise UnusableReplyError(f"{name} must be one of {', '.join(self.words)}")
        return meant, ()


@dataclass(frozen=True, slots=True)
class Answers:
    """Two to five different answers to the problem, under the key `options`."""

    def schemas(self, _name: str, _form: ReplyForm) -> dict[str, Schema]:
        """A bounded list."""
        return {
            "options": {
                "type": "array",
                "items": _string(LONGEST_LABEL),
                "minItems": FEWEST_ANSWERS,
                "maxItems": MOST_ANSWERS,
            }
        }

    def read(self, _name: str, reply: ReplyValues, _form: ReplyForm) -> tuple[tuple[str, ...], Flags]:
        """The answers, without repetitions."""
        given = reply["options"] if isinstance(reply["options"], list) else []
        labels = dict.fromkeys(storable(str(label).strip()[:LONGEST_LABEL]) for label in given if str(label).strip())
        if len(labels) < FEWEST_ANSWERS:
            raise UnusableReplyError(f"options must be a list of {FEWEST_ANSWERS} to {MOST_ANSWERS} different answers")
        return tuple(labels)[:MOST_ANSWERS], ()


@dataclass(frozen=True, slots=True)
class OptionIds:
    """Ids of several options, or of none; unknown ones are left out and flagged."""

    key: str

    def schemas(self, _name: str, form: ReplyForm) -> dict[str, Schema]:
        """A bounded list."""
        return {self.key: {"type": "array", "items": _one_of(form.mergeable), "maxItems": len(form.mergeable)}}

    def read(self, _name: str, reply: ReplyValues, form: ReplyForm) -> tuple[tuple[str, ...], Flags]:
        """The ids that are known, in the order of the options."""
        value = reply.get(self.key)
        given = {str(item) for item in value} if isinstance(value, list) else set()
        unknown = len(given - set(form.mergeable))
        return tuple(one for one in form.mergeable if one in given), (f"unknown_option:{unknown}",) if unknown else ()


@dataclass(frozen=True, slots=True)
class Name:
    """A short name, which may be empty."""

    key: str

    def schemas(self, _name: str, _form: ReplyForm) -> dict[str, Schema]:
        """A bounded string."""
        return {self.key: _string(LONGEST_LABEL)}

    def read(self, _name: str, reply: ReplyValues, _form: ReplyForm) -> tuple[str, Flags]:
        """The name, on one line."""
        return " ".join(_cut(reply.get(self.key, ""), LONGEST_LABEL).split()), ()


@dataclass(frozen=True, slots=True)
class QuestionsByDimension:
    """One question for each side of the problem, a key each; an empty one where the side does not matter."""

    def schemas(self, _name: str, _form: ReplyForm) -> dict[str, Schema]:
        """A bounded text a side."""
        return dict.fromkeys(DIMENSIONS, _string(LONGEST_QUESTION))

    def read(self, _name: str, reply: ReplyValues, form: ReplyForm) -> tuple[dict[str, str], Flags]:
        """The questions that are not empty, by side."""
        questions = {side: _cut(reply[side], min(form.text_length, LONGEST_QUESTION)).strip() for side in DIMENSIONS}
        return {side: question for side, question in questions.items() if question}, ()


def normal_confidence(raw: Any) -> float | None:
    """A stated confidence as a share: 0.95, '95%' and 95 are .95; None for what cannot be one, such as 1.7 or NaN.

    A bare number between 1 and 2 is refused: 1.7 out of 1 and 1.7 per cent look the same.
    """
    if isinstance(raw, bool) or raw is None:
        return None
    per_cent = isinstance(raw, str) and raw.strip().endswith("%")
    try:
        value = float(str(raw).strip().rstrip("%"))
    except ValueError:
        return None
    if not math.isfinite(value) or value < 0.0 or value > 100.0:
        return None
    if per_cent or value >= 2.0:
        return value / 100.0
    return value if value <= 1.0 else None


@lru_cache(maxsize=64)
def _schema(form: ReplyForm) -> Schema:
    properties: dict[str, Schema] = {}
    for name, field in _fields(form.model).items():
        properties |= field.schemas(name, form)
    if form.offers_lookups:
        properties |= {KIND_KEY: _one_of(LOOKUPS), ABOUT_KEY: _string(LONGEST_ABOUT)}
    closed = {"type": "object", "additionalProperties": False, "required": list(properties)}
    return closed | {"properties": properties}


@lru_cache(maxsize=16)
def _fields(model: type[Record]) -> dict[str, ReplyField]:
    """The fields of a reply by name, in the order they are asked for."""
    return {
        name: item
        for name, info in model.model_fields.items()
        for item in info.metadata
        if isinstance(item, ReplyField)
    }


def _string(longest: int) -> Schema:
    return {"type": "string", "maxLength": longest}


def _one_of(values: Sequence[str]) -> Schema:
    return {"type": "string", "enum": list(values)}


def _cut(value: Any, longest: int) -> str:
    if not isinstance(value, str):
        raise UnusableReplyError("texts must be strings")
    return storable(value[:longest])


@dataclass(frozen=True, slots=True)
class _WholeObject:
    """A JSON object in a text, from its first character to the one after its last."""

    value: dict[str, Any]
    start: int
    end: int

    def answers(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """The object itself where it has the keys of a reply, else those it wraps that have them."""
        return [self.value] if _has(self.value, keys) else list(self.wraps(keys).values())

    def wraps(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Objects in it that have the keys of a reply, by name, also where they are written out as texts.

        An object that has any of the keys itself is an answer that lacks the others, whatever it quotes in them.
        """
        if any(key in self.value for key in keys):
            return {}
        inner = {name: _as_object(name, value) for name, value in self.value.items()}
        return {name: value for name, value in inner.items() if _has(value, keys)}


def _answer_in(text: str, keys: Sequence[str]) -> dict[str, Any]:
    """The last object of the text that has the keys of a reply, fenced or not; a prefix of one is never used.

    What a model thought aloud is not looked at, and what it wrote first is a draft of what it wrote last. So an object
    with all the keys and a wrong value is the reply, and asked for again, as is one that something unreadable follows:
    a draft before it is no vote. Nor is an example after it: of several answers the last is the reply only where it is
    called so, or nothing at all stands between them.
    """
    answer = without_reasoning(text)
    if not answer.strip():
        raise UnusableReplyError(
            "the reply holds nothing after its reasoning" if text.strip() else "the reply is empty"
        )
    if "{" not in answer:
        raise UnusableReplyError("the reply holds no JSON object")
    answer = _unquoted(answer[-LONGEST_ANSWER:])
    objects, problem = _objects_in(answer)
    places = [place for place, one in enumerate(objects) if one.answers(keys)]
    if not places:
        if not objects:
            raise UnusableReplyError(f"the reply is not valid JSON: {problem}")
        raise UnusableReplyError(f"these keys are missing: {', '.join(k for k in keys if k not in objects[-1].value)}")
    last, later = objects[places[-1]], objects[places[-1] + 1 :]
    rest = _outside(answer, later, last.end, len(answer))
    if any(key in one.value for one in later for key in keys) or _names_any(keys, rest):
        raise UnusableReplyError(f"what follows the last whole object is no valid JSON with all keys: {problem}")
    return _decided_on(answer, objects, places, keys, rest)


def _decided_on(
    answer: str,
    objects: Sequence[_WholeObject],
    places: Sequence[int],
    keys: Sequence[str],
    rest: str,
) -> dict[str, Any]:
    """What the last of the objects at these places answers, unless that is an example, a draft or one of several."""
    last = objects[places[-1]]
    given = [one for place in places for one in objects[place].answers(keys)]
    if any(one != given[-1] for one in given):
        before = objects[places[-2] : places[-1]] if len(places) > 1 else []
        between = _outside(answer, before, before[0].start, last.start) if before else ""
        if len(last.answers(keys)) > 1 or not is_last_word(between, rest):
            raise UnusableReplyError("the reply holds several answers; send the one you decided on, alone")
        return given[-1]
    text_before = _outside(answer, objects[: places[-1]], 0, last.start)
    names = [] if _has(last.value, keys) else list(last.wraps(keys))
    is_none = is_draft(text_before, names) or is_taken_back(rest)
    if is_called_otherwise(text_before, names):
        says = "the reply may hold no answer but an example or a draft; send the one you decided on, alone"
        raise UnsureReplyError(says, given[-1], rest, is_none=is_none)
    if may_be_taken_back(rest):
        says = "what follows the answer may take it back; send the one you decided on, alone"
        raise UnsureReplyError(says, given[-1], rest, is_none=is_none)
    return given[-1]


def _has(value: Mapping[str, Any], keys: Sequence[str]) -> bool:
    return all(key in value for key in keys)


def _outside(text: str, objects: Sequence[_WholeObject], start: int, end: int) -> str:
    """What stands between two places and in none of the objects there."""
    starts, ends = [one.start for one in objects], [one.end for one in objects]
    return " ".join(text[a:b] for a, b in zip([start, *ends], [*starts, end], strict=True))


def _names_any(keys: Sequence[str], text: str) -> bool:
    """Whether a text gives any of the keys a value, as JSON that nobody reads, YAML and the like do."""
    names = "|".join(map(re.escape, keys))
    return re.search(rf"\b(?:{names})\b\W{{0,3}}[:=]", text) is not None


def _as_object(name: str, value: Any) -> dict[str, Any]:
    """An object of a reply, under names of answers also where it is written out as a text; else an empty one."""
    if isinstance(value, str) and name.lower() in WRITTEN_OUT_UNDER:
        try:
            value = _DECODER.decode(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _unquoted(answer: str) -> str:
    """What a reply says that is one text of JSON as a whole."""
    if answer.lstrip().startswith('"'):
        try:
            value = _DECODER.decode(answer)
        except (ValueError, RecursionError):
            return answer
        return value if isinstance(value, str) else answer
    return answer


def _without_contradictions(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object by its pairs; a key with two values has none, or a draft's would be taken for the answer's."""
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = {key for key, given in pairs if given != value[key]}
        return {key: given for key, given in value.items() if key not in twice}
    return value


_DECODER = json.JSONDecoder(  # line ends in texts are common
    parse_int=whole_number, strict=False, object_pairs_hook=_without_contradictions
)


def _objects_in(text: str) -> tuple[list[_WholeObject], str]:
    """Whole objects in the order of the text, and what was wrong with the last brace that began none.

    An object is looked for at each brace outside those found. Braces that begin none cost what the parser reads of
    them, which is bounded, so that no text takes long.
    """
    objects: list[_WholeObject] = []
    problem, start, effort = "", text.find("{"), 0
    while start >= 0 and effort < MOST_EFFORT:
        try:
            value, end = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            problem, effort = str(error), effort + error.pos - start + EFFORT_OF_AN_ERROR
            start = text.find("{", start + 1)
        except (RecursionError, ValueError):
            raise UnusableReplyError("the reply is nested too deep") from None
        else:
            objects.append(_WholeObject(value, start, end))
            start = text.find("{", end)
    return objects, problem
