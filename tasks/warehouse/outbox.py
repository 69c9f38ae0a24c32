"""What webhooks are to be told, written in the transaction that makes it true.

So a promotion by hand, over HTTP or by night is told alike, a run that is killed tells all that it did and nothing
else, and a run that is repeated tells nothing twice: a message's id says what it is about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, select, update

from tasks.warehouse.database import Warehouse
from tasks.warehouse.schema import Webhook, WebhookMessage

A_DAY = timedelta(days=1)


class HookEvent(StrEnum):
    """Everything that a webhook can be told."""

    DRIFT_DETECTED = "raptorflow.drift.detected"
    MODEL_PROMOTED = "raptorflow.model.promoted"
    MODEL_ROLLED_BACK = "raptorflow.model.rolled-back"
    EXPERIMENT_DECIDED = "raptorflow.experiment.decided"
    PATTERNS_FOUND = "raptorflow.patterns.found"


def workspaces_told(warehouse: Warehouse, event: HookEvent) -> frozenset[str]:
    """Workspaces of which a hook wants this event."""
    hooks = warehouse.rows(select(Webhook.workspace_id, Webhook.events).where(Webhook.revoked_at.is_(None)))
    return frozenset(row["workspace_id"] for row in hooks if event.value in row["events"])


def tell_hooks(
    warehouse: Warehouse,
    connection: Connection,
    event: HookEvent,
    workspace_id: str,
    about: tuple[str, ...],
    data: Mapping[str, Any],
) -> None:
    """Leave a message for each hook of the workspace that wants this event.

    Args:
        connection: the transaction in which it happens.
        about: the thing, and what tells this event of it from another; the same again is the same message.
        data: what became of it.
    """
    mine = select(Webhook.hook_id, Webhook.events).where(
        Webhook.workspace_id == workspace_id, Webhook.revoked_at.is_(None)
    )
    wanting = [hook_id for hook_id, events in connection.execute(mine) if event.value in events]
    if not wanting:
        return
    now = datetime.now(UTC)
    message = {
        "message_id": sha256(json.dumps([event.value, workspace_id, *about]).encode()).hexdigest()[:32],
        "workspace_id": workspace_id,
        "event": event.value,
        "about": about[0],
        "data": json.loads(json.dumps(data, default=str)),
        "occurred_at": now,
        "attempts": 0,
        "next_at": now,
        "delivered_at": None,
        "problem": None,
    }
    rows = [message | {"hook_id": hook_id} for hook_id in wanting]
    warehouse.upsert(connection, WebhookMessage, rows, keep_existing=True)
    # What was delivered is forgotten in the end, but not while it lasts, or it would be told as new.
    lasting = (WebhookMessage.message_id == message["message_id"]) & (WebhookMessage.delivered_at < now - A_DAY)
    connection.execute(update(WebhookMessage).where(lasting).values(delivered_at=now))
