"""Keys and the audit log, in one warehouse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select, update

from tasks.warehouse import Warehouse
from tasks.warehouse.schema import ApiKey, AuditEntry, Workspace

Row = dict[str, Any]


class AccessStore:
    """Tables of keys and of what was done with them."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def add(self, row: Row) -> None:
        """Write a new key."""
        with self.warehouse.begin() as connection:
            connection.execute(insert(ApiKey), [row])

    def key(self, key_id: str) -> Row | None:
        """One key's row; None where there is none."""
        rows = self.warehouse.rows(select(ApiKey.__table__).where(ApiKey.key_id == key_id))
        return rows[0] if rows else None

    def all_keys(self, workspace_id: str | None = None) -> list[Row]:
        """All keys, or those of one workspace, the oldest first."""
        query = select(ApiKey.__table__).order_by(ApiKey.created_at, ApiKey.key_id)
        return self.warehouse.rows(query if workspace_id is None else query.where(ApiKey.workspace_id == workspace_id))

    def revoke(self, key_id: str, now: datetime) -> bool:
        """Take a key back; whether it was good until now."""
        statement = update(ApiKey).where(ApiKey.key_id == key_id, ApiKey.revoked_at.is_(None)).values(revoked_at=now)
        with self.warehouse.begin() as connection:
            return connection.execute(statement).rowcount > 0

    def used(self, at: Iterable[tuple[str, datetime]]) -> None:
        """Remember when keys were last used."""
        with self.warehouse.begin() as connection:
            for key_id, instant in sorted(at):
                connection.execute(update(ApiKey).where(ApiKey.key_id == key_id).values(last_used_at=instant))

    def workspaces(self, workspace_id: str | None, organisation_id: str | None) -> list[str]:
        """Ids of the workspaces that a key of a workspace or of an organization opens."""
        column = Workspace.workspace_id if workspace_id is not None else Workspace.organisation_id
        query = select(Workspace.workspace_id).where(column == (workspace_id or organisation_id))
        return [row["workspace_id"] for row in self.warehouse.rows(query.order_by(Workspace.workspace_id))]

    def log(self, rows: Sequence[Row]) -> None:
        """Append to the audit log; nothing ever changes it."""
        with self.warehouse.begin() as connection:
            connection.execute(insert(AuditEntry), list(rows))

    def entries(self, workspace_ids: Sequence[str], before: tuple[datetime, str] | None, limit: int) -> list[Row]:
        """Entries of workspaces, newest first, that come after a place in that order."""
        table = AuditEntry
        query = select(table.__table__).where(table.workspace_id.in_(workspace_ids))
        if before is not None:
            at, entry_id = before
            query = query.where(or_(table.recorded_at < at, (table.recorded_at == at) & (table.entry_id < entry_id)))
        return self.warehouse.rows(query.order_by(table.recorded_at.desc(), table.entry_id.desc()).limit(limit))
