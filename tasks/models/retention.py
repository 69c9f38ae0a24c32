"""Which versions may go: 90 days old, serving nobody, pinned by nobody, and not among the last five. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

KEEP_DAYS = 90
KEEP_LAST = 5


@dataclass(frozen=True, slots=True)
class Kept:
    """A registered version as retention sees it."""

    registry_version: int
    version_name: str
    trained_at: datetime
    pinned: bool


def removable(versions: Sequence[Kept], protected: Collection[int], now: datetime, days: int = KEEP_DAYS) -> list[Kept]:
    """Versions of one model that may be deleted, oldest first.

    Args:
        versions: all registered versions of the model.
        protected: numbers that champion, challenger and previous point to.
        now: the present.
        days: age from which a version may go.
    """
    by_age = sorted(versions, key=lambda version: (version.trained_at, version.registry_version))
    old = [version for version in by_age[:-KEEP_LAST] if version.trained_at < now - timedelta(days=days)]
    return [version for version in old if not version.pinned and version.registry_version not in protected]
