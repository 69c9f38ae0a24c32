"""Which versions may be deleted: 90 days old, without traffic, not pinned, and not among a model's last five."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.models.records import RegisteredVersion
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.registry.promotion import lineage
from tasks.models.store import ModelStore, all_keys

KEEP_DAYS = 90
KEEP_LAST = 5


def delete_old_versions(store: ModelStore, registry: Registry, days: int, *, dry_run: bool) -> list[dict[str, Any]]:
    """Delete what retention lets go, or only list it; a killed sweep is finished by the next one."""
    gone: list[dict[str, Any]] = []
    for key in all_keys(store.warehouse):
        champions = set(lineage(store.deployments(key))[-2:])  # aliases can be removed by hand, what serves cannot
        registered = store.registered(key)
        protected = {one.registry_version for one in registered if one.version_name in champions}
        protected |= set(registry.aliases(key).values())
        for old in removable(registered, protected, datetime.now(UTC), days):
            if not dry_run:
                registry.delete(key, old.registry_version)
                store.mark_deleted(key, old.version_name)
            gone.append({"model": key.registered_name, "version": old.version_name, "deleted": not dry_run})
    return gone


def removable(
    versions: Sequence[RegisteredVersion], protected: Collection[int], now: datetime, days: int = KEEP_DAYS
) -> list[RegisteredVersion]:
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
