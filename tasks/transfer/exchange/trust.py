"""Whose releases are taken in: a list of fingerprints in the settings, and nobody else's."""

from __future__ import annotations

import re

from tasks.errors import InputError
from tasks.settings import Settings, get_settings

FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def trusted_fingerprints(settings: Settings | None = None) -> list[str]:
    """The fingerprints that settings trust.

    Raises:
        InputError: if one of them is none: a slip must not look like nobody being trusted.
    """
    names = (settings or get_settings()).trusted_fingerprints
    for name in names:
        if not FINGERPRINT.fullmatch(name):
            raise InputError(
                f"RAPTORFLOW_TRUSTED_RELEASES holds {name[:70]!r}, which is no fingerprint: 64 hexadecimal digits, "
                "several separated by commas"
            )
    return names
