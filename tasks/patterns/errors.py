"""Checks of this room's arguments; the errors themselves are those of tasks/errors.py."""

from __future__ import annotations

from tasks.errors import OutOfRangeError


def require_count(name: str, value: object, minimum: int) -> None:
    """Raise `OutOfRangeError` unless the value is a whole number of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise OutOfRangeError(name, value, f"a whole number of at least {minimum}")
