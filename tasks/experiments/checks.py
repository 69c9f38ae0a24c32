"""Checks of single arguments, each with one clear line."""

from __future__ import annotations

from math import isfinite

from tasks.errors import OutOfRangeError
from tasks.experiments.errors import InvalidDesignError


def require_text(what: str, value: object, longest: int) -> str:
    """The text without surrounding blanks; it must have some, and fit its column."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > longest:
        raise InvalidDesignError(f"{what} must be a text of 1 to {longest} characters, not {value!r}")
    return text


def require_whole(name: str, value: object, least: int) -> None:
    """Raise unless the value is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OutOfRangeError(name, value, f"a whole number of at least {least}")


def require_positive(name: str, value: object) -> None:
    """Raise unless the value is a positive finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value <= 0:
        raise OutOfRangeError(name, value, "a positive number")
