"""Hooks and their messages, in one warehouse."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, insert, select, update

from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Webhook, WebhookMessage, Workspace

Row = dict[str, Any]
SHOWN = [column for column in Webhook.__table__.columns if column.name != "secret"]


class HookStore:
    """Tables of hooks and of what each is to be told."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def has_workspace(self, workspace_id: str) -> bool:
        """Whether there is such a workspace."""
        return bool(self.warehouse.rows(select(Workspace.workspace_id).where(Workspace.workspace_id == workspace_id)))

    def add(self, row: Row) -> None:
        """Write a new hook."""
        with self.warehouse.begin() as connection:
            connection.execute(insert(Webhook), [row])

    def hook(self, hook_id: str) -> Row | None:
        """One hook without its secret."""
        rows = self.warehouse.rows(select(*SHOWN).where(Webhook.hook_id == hook_id))
        return rows[0] if rows else None

    def hooks(self, workspace_id: str | None) -> list[Row]:
        """Hooks of a workspace or of all, without secrets, the oldest first."""
        query = select(*SHOWN).order_by(Webhook.created_at, Webhook.hook_id)
        return self.warehouse.rows(query if workspace_id is None else query.where(Webhook.workspace_id == workspace_id))

    def revoke(self, hook_id: str, now: datetime) -> None:
        """Tell a hook nothing any more; what waited for it goes with it."""
        mine = Webhook.hook_id == hook_id
        waiting = (WebhookMessage.hook_id == hook_id) & WebhookMessage.next_at.is_not(None)
        with self.warehouse.begin() as connection:
            connection.execute(update(Webhook).where(mine, Webhook.revoked_at.is_(None)).values(revoked_at=now))
            connection.execute(delete(WebhookMessage).where(waiting))

    def failed(self, workspace_id: str | None, limit: int) -> list[Row]:
        """Messages that are not tried again, the newest first."""
        table = WebhookMessage
        columns = (table.hook_id, table.message_id, table.workspace_id, table.event, table.about, table.occurred_at)
        query = select(*columns, table.attempts, table.problem).where(_is_dead())
        query = query if workspace_id is None else query.where(table.workspace_id == workspace_id)
        return self.warehouse.rows(query.order_by(table.occurred_at.desc(), table.message_id).limit(limit))

    def revive(self, hook_id: str, now: datetime) -> int:
        """Let a hook's dead messages be tried again; how many there were."""
        statement = update(WebhookMessage).where(WebhookMessage.hook_id == hook_id, _is_dead())
        with self.warehouse.begin() as connection:
            return connection.execute(statement.values(attempts=0, next_at=now)).rowcount

    def due(self, now: datetime, limit: int) -> list[Row]:
        """Messages whose time has come, up to so many a hook, with its address and secret, the oldest first."""
        waiting = _waiting(now).subquery()
        return self.warehouse.rows(select(waiting).where(waiting.c.place <= limit).order_by(waiting.c.place))

    def take(self, row: Row, until: datetime) -> bool:
        """Take a message, so that no other courier sends it before an instant; False where one has it."""
        mine = _is(row) & (WebhookMessage.next_at == row["next_at"]) & (WebhookMessage.attempts == row["attempts"])
        with self.warehouse.begin() as connection:
            return connection.execute(update(WebhookMessage).where(mine).values(next_at=until)).rowcount == 1

    def ended(self, row: Row, **values: Any) -> None:
        """Keep how telling it went."""
        with self.warehouse.begin() as connection:
            attempts = row["attempts"] + 1
            connection.execute(update(WebhookMessage).where(_is(row)).values(attempts=attempts, **values))

    def forget(self, before: datetime) -> None:
        """Delete what was delivered before an instant."""
        with self.warehouse.begin() as connection:
            connection.execute(delete(WebhookMessage).where(WebhookMessage.delivered_at < before))


def _is(row: Row) -> ColumnElement[bool]:
    return and_(WebhookMessage.hook_id == row["hook_id"], WebhookMessage.message_id == row["message_id"])


def _is_dead() -> ColumnElement[bool]:
    return WebhookMessage.next_at.is_(None) & WebhookMessage.delivered_at.is_(None)


def _waiting(now: datetime) -> Select[Any]:
    # A hook's workspace is held beside the message's: what is another's is not sent, however it came there.
    of_hook = (Webhook.hook_id == WebhookMessage.hook_id) & (Webhook.workspace_id == WebhookMessage.workspace_id)
    order = (WebhookMessage.occurred_at, WebhookMessage.message_id)
    place = func.row_number().over(partition_by=WebhookMessage.hook_id, order_by=order).label("place")
    query = select(WebhookMessage.__table__, Webhook.url, Webhook.secret, place).join(Webhook, of_hook)
    return query.where(WebhookMessage.next_at <= now, Webhook.revoked_at.is_(None))
