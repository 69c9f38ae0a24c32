"""Snapshots that no run has asked for lately: they only repeat the warehouse, and are frozen again when asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any


def prune(folder: Path, older_than_days: int, *, dry_run: bool, now: datetime | None = None) -> list[dict[str, Any]]:
    """Delete, or only list, snapshots last used before so many days.

    Args:
        folder: where snapshots lie.
        older_than_days: days without use; two or more, so that no running chain loses its rows.
        dry_run: only say what would go.
        now: the present; the clock's unless given.

    Returns:
        file, megabytes, day of last use, and whether it is deleted; longest unused first.
    """
    limit = (now or datetime.now(UTC)) - timedelta(days=older_than_days)
    files = [(datetime.fromtimestamp(path.stat().st_atime, UTC), path) for path in folder.glob("*.parquet")]
    gone = []
    for last_used, path in sorted(files):
        if last_used >= limit:
            continue
        megabytes = path.stat().st_size / 1e6
        if not dry_run:
            path.unlink()
        gone.append({"file": path.name, "megabytes": round(megabytes, 3), "last_used": f"{last_used:%Y-%m-%d}"})
        gone[-1] |= {"deleted": not dry_run}
    return gone
