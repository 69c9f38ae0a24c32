"""What people type of an experiment, on the command line and in forms, as the service takes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tasks.errors import InputError


def given(**options: Any) -> dict[str, Any]:
    """Options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def settled(pairs: Sequence[str] | None, option: str = "--set") -> dict[str, Any]:
    """Fields of a design from `key=value`; each value is JSON where it parses as such, else text."""
    design: dict[str, Any] = {}
    for pair in pairs or ():
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise InputError(f"{option} takes key=value, not '{pair}'")
        try:
            design[key] = json.loads(text)
        except (ValueError, RecursionError):  # no JSON, or more digits or depth than Python reads
            design[key] = text
    return design


def labels(pairs: Sequence[str] | None) -> str | dict[str, str] | None:
    """One label, or several from NAME=VALUE."""
    if not pairs:
        return None
    if len(pairs) == 1 and "=" not in pairs[0]:
        return pairs[0]
    named = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(named) < len(pairs):
        raise InputError(f"several segments are NAME=VALUE, each name once, not {', '.join(pairs)}")
    return named


def context(pairs: Sequence[str] | None) -> dict[str, Any] | None:
    """What is known of a unit from NAME=VALUE; a value that is a number or true or false counts as one."""
    known = settled(pairs, "--context")
    for name, value in known.items():
        if isinstance(value, list | dict):
            raise InputError(f"--context takes a text or a number, not {name}={json.dumps(value)}")
    return known or None


def numbers(option: str, text: str) -> list[float]:
    """Numbers from `0.9,0.1`."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} takes numbers, comma-separated (0.9,0.1), not '{text}'") from None


def variant(text: str) -> dict[str, Any]:
    """An arm from NAME or NAME:WEIGHT."""
    name, colon, weight = text.rpartition(":")
    try:
        return {"name": name, "weight": float(weight)} if colon else {"name": text}
    except ValueError:
        return {"name": text}


def with_changes(arms: Sequence[dict[str, Any]], declared: Sequence[str] | None) -> list[dict[str, Any]]:
    """Arms with what they declare to change, from `NAME: feature=value; feature=value`."""
    changes: dict[str, dict[str, Any]] = {}
    names = [one["name"] for one in arms]
    for text in declared or ():
        name, colon, rest = (part.strip() for part in text.partition(":"))
        if not colon or name not in names:
            known = ", ".join(names)
            raise InputError(f"--changes takes NAME: feature=value; feature=value, NAME one of {known}, not '{text}'")
        parts = [part.strip() for part in rest.split(";") if part.strip()]
        changes.setdefault(name, {}).update(settled(parts, f"--changes of {name}"))
    return [one | ({"changes": changes[one["name"]]} if one["name"] in changes else {}) for one in arms]


def other_metric(option: str, text: str, most: int) -> dict[str, Any]:
    """A metric from NAME, NAME:DIRECTION or, of a guardrail, NAME:DIRECTION:MARGIN."""
    name, *rest = text.split(":")
    if len(rest) > most:
        raise InputError(f"{option} takes NAME, NAME:decrease{':0.05' if most > 1 else ''} at most, not '{text}'")
    described: dict[str, Any] = {"name": name}
    if rest:
        described["direction"] = rest[0]
    if len(rest) == 2:
        described["margin"] = numbers(f"the margin of {option}", rest[1])[0]
    return described
