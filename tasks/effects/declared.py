"""Whether what an arm declares to change is a condition that content can meet; only such teach what doing it brings."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

import polars as pl

from tasks.content.catalogue import BY_NAME, Feature
from tasks.content.media import normal_media_type
from tasks.effects.arms import PATTERN, Value
from tasks.effects.families import CHANNEL, LABELS
from tasks.errors import InputError, UnknownNameError
from tasks.plain_text import visible
from tasks.warehouse.coercion import LARGEST_EXACT

MEDIA, CONTENT_TYPE = "media_type", "content_type"
OF_TEXT = (*LABELS, CHANNEL, CONTENT_TYPE)
LAST_HOUR, LAST_WEEKDAY = 23, 6
MOST_LABELS = 12  # that are named beside a new one
KINDS = {
    "boolean": "true or false",
    "count": "a whole number from 0 on",
    "share": "a number from 0 to 1",
    "score": "a number",
    "hour": "a whole number from 0 to 23",
}


def features_in_doubt(names: Collection[str]) -> set[str]:
    """Names that the catalogue does not know: attributes of the workspace's posts, or mistakes."""
    return set(names) - {PATTERN, *OF_TEXT, *BY_NAME}


def require_declarable(name: str, value: Value, attributes: Collection[str], patterns: Collection[str]) -> None:
    """Raise unless a feature can have this value, or a pattern has this key.

    Args:
        name: of a feature or attribute, or `pattern`.
        value: what the arm sets it to.
        attributes: of the workspace's posts.
        patterns: keys of what the workspace found, was told of by others, or debated.

    Raises:
        InputError: with what to write instead.
    """
    if name == PATTERN:
        if value not in patterns:
            raise UnknownNameError("pattern", value, patterns, "`raptorflow backlog --json` lists keys")
        return
    described = BY_NAME.get(name)
    if described is None and name not in (*OF_TEXT, *attributes):
        known = (*BY_NAME, *OF_TEXT, PATTERN, *attributes)
        raise UnknownNameError("feature of content", name, known)
    expected = _expected(name, value, described)
    if expected is not None:
        raise InputError(f"change {name} is {expected}, not {value!r}")


def new_labels(declared: Iterable[tuple[str, Value]], known: Mapping[str, Collection[str]]) -> list[str]:
    """In words, which declared labels no post has: a new one is fine, and a slip of the pen would teach of nothing.

    Args:
        declared: features and what arms set them to.
        known: labels that the workspace's posts have, by feature.
    """
    notes = []
    for name, value in dict.fromkeys(declared):
        if name in known and isinstance(value, str) and value not in known[name]:
            near = get_close_matches(value, known[name], n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            seen = visible(", ".join(sorted(known[name])[:MOST_LABELS])) or "none"
            notes.append(f"{name} = '{value}' is new: no post has it{meant}; known: {seen}")
    return notes


def _expected(name: str, value: Value, described: Feature | None) -> str | None:
    """What a feature's value is, where this is none of its values."""
    if name == MEDIA and isinstance(value, str):
        normal = pl.select(normal_media_type(pl.lit(value))).item()
        return None if normal == value else f"called '{normal or 'video'}' here"
    if name in OF_TEXT or name == MEDIA:
        return None if isinstance(value, str) and value.strip() else "a text"
    if described is None:
        return None
    if name == "local_weekday":
        return None if _is_whole(value, LAST_WEEKDAY) else "a whole number from 0 (Monday) to 6"
    fits = {
        "boolean": isinstance(value, bool),
        "count": _is_whole(value, math.inf),
        "share": _is_number(value) and 0.0 <= float(value) <= 1.0,
        "score": _is_number(value),
        "hour": _is_whole(value, LAST_HOUR),
    }
    return None if fits[described.kind] else KINDS[described.kind]


def _is_number(value: Value) -> bool:
    return not isinstance(value, bool | str) and abs(value) <= LARGEST_EXACT


def _is_whole(value: Value, last: float) -> bool:
    return _is_number(value) and float(value).is_integer() and 0.0 <= float(value) <= last
