"""Names of zones; light to import."""

from __future__ import annotations

from zoneinfo import available_timezones

from tasks.errors import InputError

WORKSPACE = "workspace"


def require_zone(zone: str | None) -> None:
    """Raise `InputError` unless a zone that a person named beside a file is one."""
    if zone is not None and zone not in available_timezones():
        raise InputError(f"--timezone: unknown timezone '{zone}', expected an IANA name (Europe/Berlin)")


def known_zone(zone: str | None) -> str | None:
    """The zone, or `workspace` for the clock on the workspace's wall.

    Raises:
        ValueError: if there is no such zone.
    """
    if zone is not None and zone != WORKSPACE and zone not in available_timezones():
        raise ValueError(f"unknown timezone '{zone}', expected an IANA name (Europe/Berlin)")
    return zone
