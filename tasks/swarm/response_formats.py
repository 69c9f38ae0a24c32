"""What an endpoint supports, learned from its complaints: response formats, parameters, roles, streams.

A format it does not know is stepped down from: json_schema, then json_object, then the prompt alone. Anything else it
names in a complaint is done without, and the request is sent again at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

ResponseFormat = Literal["json_schema", "json_object", "prompt"]
RESPONSE_FORMATS: tuple[ResponseFormat, ...] = ("json_schema", "json_object", "prompt")

# Keywords of schemas that not every endpoint knows; replies are checked here in any case.
SCHEMA_KEYWORDS = ("maxLength", "maxItems", "minItems", "minimum", "maximum")
# Complaints that no other request would answer: the prompt is too long, or what it says is not wanted.
FINAL = ("content_filter", "content management policy", "content policy", "insufficient_quota", "billing")
# A model that thinks before it answers needs room for both, and the limit is on the sum.
ROOM_TO_REASON = 8

Adaptation = Literal["newer limit", "no temperature", "plain schema", "developer", "no system", "stream", "no usage"]
Snapshot = tuple[int, int, frozenset[Adaptation]]


@dataclass
class ModelSupport:
    """What has been learned about one model of the endpoint.

    Attributes:
        place: of its response format.
        address: of the one that answered, among those where it may answer.
        reasons: whether it was seen to think before it answers.
    """

    place: int = 0
    address: int = 0
    adapted: set[Adaptation] = field(default_factory=set)
    reasons: bool = False

    def room(self, max_tokens: int) -> int:
        """Tokens that a reply may have, so that the answer still fits where the model thinks first."""
        return max_tokens * (ROOM_TO_REASON if self.reasons or "newer limit" in self.adapted else 1)

    def snapshot(self) -> Snapshot:
        """What is known now, to tell later whether another call has learned since."""
        return self.place, self.address, frozenset(self.adapted)


@dataclass
class Call:
    """A request, how often it was sent, and how long it has been under way, waits left out."""

    messages: list[dict[str, str]]
    schema: dict[str, Any]
    model: str
    temperature: float
    max_tokens: int
    tries: int = 0
    active_seconds: float = 0.0

    def payload(self, known: ModelSupport) -> dict[str, Any]:
        """The body of the request, with what the endpoint is known to take."""
        adapted = known.adapted
        limit = "max_completion_tokens" if "newer limit" in adapted else "max_tokens"
        body: dict[str, Any] = {"model": self.model, "messages": _messages(self.messages, adapted)}
        body[limit] = self.max_tokens
        if "no temperature" not in adapted:
            body["temperature"] = self.temperature
        response_format = RESPONSE_FORMATS[known.place]
        if response_format == "json_schema":
            schema = _without(self.schema, SCHEMA_KEYWORDS) if "plain schema" in adapted else self.schema
            named = {"name": "reply", "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        elif response_format == "json_object":
            body["response_format"] = {"type": "json_object"}
        if "stream" in adapted:
            body |= {"stream": True} | ({} if "no usage" in adapted else {"stream_options": {"include_usage": True}})
        return body


def learn(known: ModelSupport, complaint: str, addresses: int = 1, *, is_missing: bool = False) -> bool:
    """Whether there is something left to do without, or another address, after this complaint.

    Args:
        complaint: in lower case.
        addresses: how many there are to ask.
        is_missing: whether there is nothing at the address that was asked.
    """
    if is_missing:
        known.address += 1
        return known.address < addresses
    if _is_final(complaint):
        return False
    adaptation = next((one for one in _named_in(complaint, known) if one not in known.adapted), None)
    if adaptation is not None:
        known.adapted.add(adaptation)
        return True
    if known.place + 1 < len(RESPONSE_FORMATS):
        known.place += 1
        return True
    return False


def _is_final(complaint: str) -> bool:
    is_too_long = "context" in complaint and any(word in complaint for word in ("exceed", "length", "too long"))
    return is_too_long or any(word in complaint for word in FINAL)


def _named_in(complaint: str, known: ModelSupport) -> Iterable[Adaptation]:
    """What a complaint names, the surest first."""
    if "max_completion_tokens" in complaint or "max_tokens" in complaint:
        yield "newer limit"
    if "temperature" in complaint:
        yield "no temperature"
    if known.place == 0 and any(word.lower() in complaint for word in SCHEMA_KEYWORDS):
        yield "plain schema"
    if "stream_options" in complaint or "include_usage" in complaint:
        yield "no usage"
    elif "stream" in complaint:
        yield "stream"
    if "role" in complaint or "system" in complaint or "developer" in complaint:
        if "developer" in complaint and "developer" not in known.adapted and "no system" not in known.adapted:
            yield "developer"
        yield "no system"


def _messages(messages: list[dict[str, str]], adapted: set[Adaptation]) -> list[dict[str, str]]:
    """The messages, with the system's under another role where it is refused."""
    first, *rest = messages
    if first["role"] != "system" or not {"developer", "no system"} & adapted:
        return messages
    if "no system" not in adapted:
        return [first | {"role": "developer"}, *rest]
    after, *others = rest
    return [after | {"content": f"{first['content']}\n\n{after['content']}"}, *others]


def _without(schema: Any, keywords: tuple[str, ...]) -> Any:
    if isinstance(schema, dict):
        return {key: _without(value, keywords) for key, value in schema.items() if key not in keywords}
    return [_without(value, keywords) for value in schema] if isinstance(schema, list) else schema
