"""Data stays data: what people, warehouse and agents wrote reaches a model quoted, and never as an instruction."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from tasks.swarm.records import Expert

WINDOW = 60

# Signs by which chats with models and our own fences are taken apart, and which no reader is shown. Words are no sign:
# patterns of them that found 44 of 44 attacks they were written for found .15 ± .08 of others, and flagged .15 of
# harmless texts. What protects a debate is the fence, and that replies are counted, never believed.
_MARKUP = re.compile(
    r"<\|[a-z_]{2,24}\|>|\[/?inst\]|<</?sys>>|</?(?:data(?:-\w{1,16})?|system|assistant|instructions?)>", re.IGNORECASE
)


def fence(value: Any, salt: str) -> str:
    """JSON between two lines that no text inside can write: `<`, `>` and `&` are escaped, and the name is a hash."""
    name = "DATA-" + hashlib.sha256(salt.encode()).hexdigest()[:12]
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))  # blanks are tokens, and tokens are paid
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f"<{name}>\n{text}\n</{name}>"


def storable(text: str) -> str:
    """The text with what neither UTF-8 nor PostgreSQL keeps replaced: halves of surrogate pairs, and NUL."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "\ufffd")


def storable_value(value: Any) -> Any:
    """A value with every text in it storable; what is no text, list or dictionary is left for others to judge."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable_value(key): storable_value(inner) for key, inner in value.items()}
    return [storable_value(inner) for inner in value] if isinstance(value, list | tuple) else value


def looks_like_injection(texts: Iterable[str]) -> bool:
    """Whether a text holds the markup of chats, which is for a model and no reader; a warning, it changes no vote.

    Time is linear in the texts. Orders in plain words are not found.
    """
    return any(_MARKUP.search(text) for text in texts)


def texts_in(value: Any) -> list[str]:
    """Every text within a JSON value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts_in(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in texts_in(part)]
    return []


def anonymous(text: str, experts: Sequence[Expert]) -> str:
    """The text without any expert's id, name or role."""
    names = {name for one in experts for name in (one.agent_id, one.name, one.role, one.role.replace("_", " "))}
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True) if name)
    return re.sub(pattern, "an expert", text, flags=re.IGNORECASE) if pattern else text


def repeats(text: str, secret: str) -> bool:
    """Whether the text holds sixty characters in a row of the secret, whatever its case and blanks."""
    plain, hidden = _plain(text), _hidden(secret)
    if len(hidden) < WINDOW:
        return bool(hidden) and len(hidden) > WINDOW // 2 and hidden in plain
    if len(plain) < WINDOW:
        return False
    return any(hidden[i : i + WINDOW] in plain for i in range(0, len(hidden) - WINDOW + 1, 5))


@lru_cache(maxsize=64)
def _hidden(secret: str) -> str:
    return _plain(secret)


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()
