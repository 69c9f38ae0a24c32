"""What an endpoint's body says, whatever its shape; pure, and it raises nothing else than what is said here.

A body is bytes from outside: not JSON, not UTF-8, a stream of events where one object was asked for, an error with
status 200, parts where a text was meant, a wrong type on every level. What can be read is read, and what cannot be
counts as not there. Texts are made storable here, once: neither database keeps NUL or half of a surrogate pair.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.swarm.fencing import storable
from tasks.swarm.reasoning import whole_number, without_reasoning

LONGEST_REPLY = 65_536  # characters; the end of what is longer, since the answer stands last
LONGEST_COMPLAINT = 300
MOST_TOKENS = 10**9  # of one call; more is no count of tokens
LONGEST_COUNT = 18
NO_COMPLETION = "what came back is no chat completion"
BESIDE_A_CALL = "Arguments of a function:"  # no words that an answer is called by
TEXT_PARTS = (None, "text", "output_text")
CUT_OFF = ("length", "max_tokens", "max_output_tokens", "model_length")
FILTERED = ("content_filter", "safety", "prohibited_content")
ERROR_STATUSES = range(400, 600)
# A stream of events may begin with a comment, any field, empty lines and a mark of byte order; JSON with none of these.
_FIRST_LINE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:data|event|id|retry)?:")


class NoCompletionError(Exception):
    """Why a body is no completion; never leaves the modules that speak with endpoints.

    Attributes:
        status: what the body itself says in place of an HTTP status; None where it names none.
        is_error: whether the body says of itself that it is an error.
    """

    def __init__(self, says: str, status: int | None = None, *, is_error: bool = False) -> None:
        self.says, self.status, self.is_error = says, status, is_error
        super().__init__(says)


@dataclass(frozen=True, slots=True)
class Completion:
    """What a body holds.

    Attributes:
        text: the answer without its reasoning, storable; empty where there is none.
        finish_reason: `length` by whatever name the endpoint calls it, else as it came; None where it is no text.
        prompt_tokens, completion_tokens: None where the endpoint gives no count that can be one.
        reasoned: whether the model has thought before it answered, which takes room of its own.
    """

    text: str = ""
    finish_reason: str | None = None
    refusal: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoned: bool = False


def read_completion(body: bytes) -> Completion:
    """The completion in the body of a reply.

    Raises:
        NoCompletionError: if there is none.
    """
    is_stream = _is_stream(body)
    body_value = _joined(_events(body)) if is_stream else parsed(body)
    if not isinstance(body_value, dict):
        raise NoCompletionError(NO_COMPLETION)
    choices = body_value.get("choices")
    if body_value.get("error") and (is_stream or not choices):  # a stream's comes after what is not whole
        raise NoCompletionError(complaint_in(body_value), _status_in(body_value), is_error=True)
    if "choices" not in body_value:
        complaint = next((body_value[key] for key in ("message", "detail") if isinstance(body_value.get(key), str)), "")
        says = f"{NO_COMPLETION}: {complaint_in(complaint)}" if complaint else NO_COMPLETION
        raise NoCompletionError(says, is_error=body_value.get("object") == "error")
    known = [one for one in _list(choices) if isinstance(one, dict)]
    choice = next((one for one in known if one.get("index") == 0), known[0] if known else {})
    if choice.get("error"):
        raise NoCompletionError(complaint_in(choice), _status_in(choice), is_error=True)
    message = choice.get("message")
    if not isinstance(message, dict):  # some send the text itself, where it stood before there were messages
        message = {"content": next((one for one in (message, choice.get("text")) if isinstance(one, str)), None)}
    return _completion(choice, message, body_value.get("usage"))


def parsed(body: bytes) -> Any:
    """The JSON value of a body in whatever Unicode it is written; None where it is none."""
    try:
        return json.loads(_decoded(body), parse_int=whole_number)
    except (ValueError, RecursionError):
        return None


def complaint_in(found: Any) -> str:
    """What an error says, on one line, from any of the shapes in which endpoints say it."""
    if isinstance(found, dict):
        for key in ("error", "message", "detail", "msg", "errors", "code", "type"):
            if found.get(key):
                return complaint_in(found[key])
    if isinstance(found, list) and found:
        return complaint_in(found[0])
    return storable(" ".join(str(found)[: 4 * LONGEST_COMPLAINT].split()))[:LONGEST_COMPLAINT]


def complaint_of(body: bytes) -> str:
    """What the body of an error says, JSON or not."""
    value = parsed(body)
    return complaint_in(_decoded(body[: 8 * LONGEST_COMPLAINT]) if value is None else value)


def _completion(choice: dict[str, Any], message: dict[str, Any], usage: Any) -> Completion:
    usage = usage if isinstance(usage, dict) else {}
    whole = _with_call(text_of(message.get("content")), _text_of_call(message))
    text = without_reasoning(whole)
    finish = choice.get("finish_reason")
    finish = storable(finish.strip().lower()[:40]) if isinstance(finish, str) and finish.strip() else None
    refusal = _words(message.get("refusal")) or _words([p for p in _list(message.get("content")) if _is_refusal(p)])
    if not refusal and finish in FILTERED and not text.strip():
        refusal = "the endpoint's content filter held the reply back"
    prompt = _tokens(usage, "prompt_tokens", "input_tokens") or None  # no prompt has none: 0 is not measured
    details = usage.get("completion_tokens_details")
    thought = _tokens(details, "reasoning_tokens") if isinstance(details, dict) else None
    fields = ("reasoning_content", "reasoning", "reasoning_details", "thinking")
    return Completion(
        text=storable(text[-LONGEST_REPLY:]),
        finish_reason="length" if finish in CUT_OFF else finish,
        refusal=storable(refusal)[:LONGEST_COMPLAINT] or None,
        prompt_tokens=prompt,
        completion_tokens=_tokens(usage, "completion_tokens", "output_tokens") if prompt else None,
        reasoned=bool(thought) or text != whole or any(message.get(name) for name in fields),
    )


def text_of(content: Any) -> str:
    """The text of a message: a text, parts of one, or the reply's object itself where it came as an object."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(one if isinstance(one, str) else _text_of_part(one) for one in content)
    if isinstance(content, dict):
        return _text_of_part(content) or _dumped(content)
    return ""


def _with_call(text: str, call: str) -> str:
    """What a message says, or calls a function with; both where they are two answers, so that it is asked which."""
    if not call or ("{" in text and parsed(text.encode("utf-8", "replace")) == parsed(call.encode("utf-8", "replace"))):
        return text
    return f"{text}\n\n{BESIDE_A_CALL}\n{call}" if "{" in text else text or call


def _text_of_call(message: dict[str, Any]) -> str:
    """The arguments of the only call of a function, which some models make in place of a text; of several, none."""
    calls = [one.get("function") for one in _list(message.get("tool_calls")) if isinstance(one, dict)]
    calls += [message["function_call"]] if message.get("function_call") else []
    only = calls[0] if len(calls) == 1 and isinstance(calls[0], dict) else {}
    arguments = only.get("arguments")
    return arguments if isinstance(arguments, str) else _dumped(arguments) if isinstance(arguments, dict) else ""


def _text_of_part(part: Any) -> str:
    """A part's text; none for what is no text, such as thinking, pictures and refusals."""
    if not isinstance(part, dict) or part.get("type") not in TEXT_PARTS:
        return ""
    text = part.get("text")
    text = text.get("value") if isinstance(text, dict) else text
    return text if isinstance(text, str) else ""


def _dumped(value: Any) -> str:
    try:
        return json.dumps(value)
    except (ValueError, RecursionError):
        return ""


def _is_refusal(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "refusal"


def _words(value: Any) -> str:
    """The words of a refusal, bare, in an object or in a list of either; empty where it says nothing."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        return next((v.strip() for k in ("refusal", "message", "text") if isinstance(v := value.get(k), str)), "")
    if isinstance(value, list):
        return " ".join(filter(None, (_words(one) for one in value if isinstance(one, str | dict))))
    return ""


def _tokens(usage: dict[str, Any], *names: str) -> int | None:
    """A count of tokens, rounded up; None for what cannot be one, such as a negative number, a NaN or a list."""
    value = next((usage[name] for name in names if usage.get(name) is not None), None)
    if isinstance(value, str) and len(value) <= LONGEST_COUNT and value.strip().isascii():
        value = float(value) if value.strip().replace(".", "", 1).isdigit() else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return math.ceil(value) if math.isfinite(value) and 0 <= value <= MOST_TOKENS else None


def _status_in(found: dict[str, Any]) -> int | None:
    """The status that an error with status 200 names in its body."""
    error = found.get("error")
    named = error if isinstance(error, dict) else found
    for value in (named.get("code"), named.get("status"), named.get("status_code"), found.get("code")):
        number = (
            int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3 else value
        )
        if isinstance(number, int) and not isinstance(number, bool) and number in ERROR_STATUSES:
            return number
    return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _decoded(body: bytes) -> str:
    """The text of a body; what is no Unicode is replaced, and a mark of byte order is no text."""
    return body.decode(json.detect_encoding(body), "replace").removeprefix("\ufeff")


# -- streams -----------------------------------------------------------------------------------------------------------


def _is_stream(body: bytes) -> bool:
    return _FIRST_LINE.match(body) is not None


def _events(body: bytes) -> Iterator[Any]:
    """JSON values of server-sent events; what is none is passed over, as `[DONE]` is.

    An event's data may be cut into lines, and endpoints send events without the empty line that should end them.
    """
    lines = body.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for event in lines.split(b"\n\n"):
        data = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
        whole = parsed(b"\n".join(data)) if len(data) > 1 else None
        yield from (one for one in ([whole] if whole is not None else map(parsed, data)) if one is not None)


def _joined(events: Iterable[Any]) -> dict[str, Any]:
    """The completion that a stream's pieces make up."""
    text, refusal, reasoned = [], [], False
    completion: dict[str, Any] = {}
    choice: dict[str, Any] = {}
    calls: dict[Any, list[str]] = {}
    for event in events:
        if not isinstance(event, dict):
            continue
        completion |= {key: event[key] for key in ("usage", "error", "object") if event.get(key)}
        for one in _list(event.get("choices")):
            if not isinstance(one, dict) or one.get("index") not in (None, 0):
                continue
            completion["choices"] = [choice]
            choice |= {key: one[key] for key in ("finish_reason", "error") if one.get(key)}
            piece = one.get("delta") or one.get("message")
            piece = piece if isinstance(piece, dict) else {"content": one.get("text")}
            text.append(text_of(piece.get("content")))
            refusal.append(_words(piece.get("refusal")))
            reasoned = reasoned or any(piece.get(name) for name in ("reasoning_content", "reasoning", "thinking"))
            _add_calls(calls, piece)
    message: dict[str, Any] = {"content": "".join(text), "refusal": " ".join(filter(None, refusal))}
    called = [{"function": {"arguments": "".join(pieces)}} for pieces in calls.values()]
    choice["message"] = message | {"reasoning": reasoned, "tool_calls": called}
    return completion


def _add_calls(calls: dict[Any, list[str]], piece: Mapping[str, Any]) -> None:
    """Put a piece of a call's arguments to those before it, by the call's place."""
    functions = [
        (str(one.get("index")), one.get("function")) for one in _list(piece.get("tool_calls")) if isinstance(one, dict)
    ]
    for place, function in (*functions, ("only", piece.get("function_call"))):
        if isinstance(function, dict):
            arguments = function.get("arguments")
            calls.setdefault(place, []).append(arguments if isinstance(arguments, str) else "")
