"""Rows as ingestion would have written them; every test says only what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Base, Content, Touch, Workspace

START = datetime(2026, 1, 5, 9, tzinfo=UTC)


def workspace_row(**changes: Any) -> dict[str, Any]:
    """A small software firm that shares its insights."""
    row = {"workspace_id": "acme", "name": "Acme", "industry": "saas", "size": "smb", "timezone": "UTC"}
    return row | {"organisation_id": None, "shares_insights": True, "run_id": "test"} | changes


def content_row(i: float = 0, **changes: Any) -> dict[str, Any]:
    """The i-th post of a workspace that posts every hour."""
    published_at = changes.get("published_at", START + timedelta(hours=i))
    row = {"workspace_id": "acme", "content_id": f"c{i}", "content_type": "social", "channel": "facebook"}
    row |= {"published_at": published_at, "title": None, "body": f"post {i}", "media_type": "photo"}
    row |= {"impressions": 1000, "engagements": 20 + i % 7, "clicks": None, "conversions": None}
    row |= {"audience_size": None, "tone": None, "sentiment": None, "topic": None, "measured_at": None}
    row |= {"attributes": None, "run_id": "test", "title_words": None, "body_words": 2, "word_count": 2}
    row |= {"character_count": 6, "emoji_count": 0, "hashtag_count": 0, "mention_count": 0, "link_count": 0}
    row |= {"exclamation_count": 0, "question_count": 0, "number_count": 1, "capitals_share": 0.0}
    row |= {"has_cta": False, "readability": 100.0, "sentiment_score": 0.0}
    row |= {"local_hour": published_at.hour, "local_weekday": published_at.weekday()}
    return row | {"is_weekend": published_at.weekday() >= 5} | changes


def touch_row(i: int = 0, **changes: Any) -> dict[str, Any]:
    """The i-th contact, by phone; every fifth converts. Attributes are features unless roles are given."""
    row = {"workspace_id": "acme", "touch_id": f"t{i}", "occurred_at": START + timedelta(hours=i)}
    row |= {"channel": "phone", "content_id": None, "converted": i % 5 == 0, "attributes": {}, "run_id": "test"}
    return row | {"attribute_roles": dict.fromkeys(changes.get("attributes", {}), "feature")} | changes


def store(warehouse: Warehouse, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as they are."""
    with warehouse.begin() as connection:
        warehouse.upsert(connection, table, rows)


def store_content(warehouse: Warehouse, rows: Sequence[dict[str, Any]]) -> None:
    """Write content rows and a workspace for each id among them."""
    store(warehouse, Workspace, [workspace_row(workspace_id=name) for name in {row["workspace_id"] for row in rows}])
    store(warehouse, Content, rows)


def store_touches(warehouse: Warehouse, rows: Sequence[dict[str, Any]]) -> None:
    """Write touches and a workspace for each id among them."""
    store(warehouse, Workspace, [workspace_row(workspace_id=name) for name in {row["workspace_id"] for row in rows}])
    store(warehouse, Touch, rows)
