"""Which response format an endpoint supports: json_schema, else json_object, else the prompt alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

ResponseFormat = Literal["json_schema", "json_object", "prompt"]
RESPONSE_FORMATS: tuple[ResponseFormat, ...] = ("json_schema", "json_object", "prompt")

# What an endpoint may refuse in a request, by a word of its complaint, and what is then done without.
ADAPTATIONS = {
    "max_completion_tokens": "newer token limit",
    "temperature": "no temperature",
    "maxlength": "no text lengths",
}


@dataclass
class ModelSupport:
    """What has been learned about one model of the endpoint: the place of its format, and what it does without."""

    place: int = 0
    adapted: set[str] = field(default_factory=set)


@dataclass
class Call:
    """A request, and how often it has been sent."""

    messages: list[dict[str, str]]
    schema: dict[str, Any]
    model: str
    temperature: float
    max_tokens: int
    tries: int = 0

    def payload(self, response_format: ResponseFormat, adapted: set[str]) -> dict[str, Any]:
        """Arguments of `create`; what is deep goes by `extra_body`, which the SDK does not walk through."""
        limit = "max_completion_tokens" if "max_completion_tokens" in adapted else "max_tokens"
        deep: dict[str, Any] = {"messages": self.messages}
        if response_format == "json_schema":
            schema = _without_lengths(self.schema) if "maxlength" in adapted else self.schema
            named = {"name": "reply", "strict": True, "schema": schema}
            deep["response_format"] = {"type": "json_schema", "json_schema": named}
        elif response_format == "json_object":
            deep["response_format"] = {"type": "json_object"}
        flat = {"model": self.model, "messages": (), limit: self.max_tokens, "extra_body": deep}
        return flat if "temperature" in adapted else flat | {"temperature": self.temperature}


def learn(known: ModelSupport, place: int, adapted: set[str], complaint: str) -> bool:
    """Whether there is something left to do without after this complaint."""
    if known.place > place or known.adapted != adapted:
        return True  # another call has learned it meanwhile
    if "context" in complaint and ("exceed" in complaint or "length" in complaint):
        return False  # the prompt is too long, whatever the format
    for word in ADAPTATIONS:
        if word in complaint and word not in known.adapted:
            known.adapted.add(word)
            return True
    if known.place + 1 < len(RESPONSE_FORMATS):
        known.place += 1
        return True
    return False


def _without_lengths(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_lengths(value) for key, value in schema.items() if key != "maxLength"}
    return [_without_lengths(value) for value in schema] if isinstance(schema, list) else schema
