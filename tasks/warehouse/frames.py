"""The rows capabilities read, from the warehouse or from a snapshot of it: same columns, same types, same order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute

from tasks.errors import UnknownNameError
from tasks.warehouse.calendar_range import readable
from tasks.warehouse.database import Warehouse
from tasks.warehouse.schema import Base, Content, Touch, Workspace
from tasks.warehouse.snapshots import Snapshot

Source = Warehouse | Snapshot
TIMES = ((Content.published_at, Content.workspace_id), (Touch.occurred_at, Touch.workspace_id))


def content_frame(
    source: Source,
    workspace_id: str,
    *,
    content_type: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """Content of one workspace by `published_at`, ties by `content_id`; `since` inclusive, `until` exclusive."""
    keep = {"workspace_id": workspace_id} | ({"content_type": content_type} if content_type else {})
    return _frame(source, Content, keep, Content.published_at, Content.content_id, (since, until))


def touch_frame(
    source: Source, workspace_id: str, *, since: datetime | None = None, until: datetime | None = None
) -> pl.DataFrame:
    """Touches of one workspace by `occurred_at`, ties by `touch_id`; `since` inclusive, `until` exclusive."""
    keep = {"workspace_id": workspace_id}
    return _frame(source, Touch, keep, Touch.occurred_at, Touch.touch_id, (since, until))


def find_workspace(warehouse: Warehouse, workspace_id: str) -> dict[str, Any]:
    """The workspace's row.

    Raises:
        UnknownNameError: if there is no such workspace.
    """
    rows = warehouse.rows(select(Workspace.__table__).where(Workspace.workspace_id == workspace_id))
    if not rows:
        raise UnknownNameError.for_workspace(workspace_id)
    return rows[0]


def sharing_siblings(warehouse: Warehouse, workspace_id: str) -> list[str]:
    """The workspaces of an organization that share their insights with each other, by id; none unless this one does.

    Raises:
        UnknownNameError: if there is no such workspace.
    """
    row = find_workspace(warehouse, workspace_id)
    if row["organisation_id"] is None or not row["shares_insights"]:
        return []
    statement = select(Workspace.workspace_id).where(Workspace.organisation_id == row["organisation_id"])
    rows = warehouse.rows(statement.where(Workspace.shares_insights).order_by(Workspace.workspace_id))
    return [row["workspace_id"] for row in rows]


def workspace_frame(warehouse: Warehouse) -> pl.DataFrame:
    """All workspaces, by id."""
    return warehouse.read(select(Workspace.__table__).order_by(Workspace.workspace_id))


def content_type_names(warehouse: Warehouse) -> list[str]:
    """The content types there are, of all workspaces."""
    statement = select(Content.content_type).distinct().order_by(Content.content_type)
    return [row["content_type"] for row in warehouse.rows(statement)]


def require_content_types(warehouse: Warehouse, names: Sequence[str]) -> None:
    """Raise `UnknownNameError` where a content type is named that nobody's content has."""
    known = content_type_names(warehouse) if names else []
    for name in names:
        if name not in known:
            raise UnknownNameError("content type", name, known)


def newest_instant(
    warehouse: Warehouse, workspace_ids: Sequence[str] = (), before: datetime | None = None
) -> datetime | None:
    """When the newest content or touch (before an instant) of the workspaces named, or of all, happened; or None."""
    newest = []
    for column, owner in TIMES:
        statement = select(func.max(column).label("at")).where(readable(column))
        statement = statement.where(owner.in_(workspace_ids)) if workspace_ids else statement
        newest.append(warehouse.rows(statement if before is None else statement.where(column < before))[0]["at"])
    return max((instant for instant in newest if instant is not None), default=None)


def count_rows(warehouse: Warehouse, workspace_ids: Sequence[str], since: datetime, until: datetime) -> tuple[int, int]:
    """How many posts and touches the workspaces have in a window; `since` inclusive, `until` exclusive."""
    posts, touches = (
        warehouse.rows(
            select(func.count().label("n")).where(owner.in_(workspace_ids), column >= since, column < until)
        )[0]["n"]
        for column, owner in TIMES
    )
    return posts, touches


LABELS = [Content.tone, Content.sentiment, Content.topic]
LEARNED_FROM: dict[str, tuple[Any, list[Any]]] = {
    "content": (Content.published_at, [Content.workspace_id, Content.content_type, Content.engagements, *LABELS]),
    "touches": (Touch.occurred_at, [Touch.workspace_id, Touch.converted]),
}


def learning_columns(warehouse: Warehouse, kind: str, workspace_ids: Sequence[str], days: int) -> pl.DataFrame:
    """What content or touches of some workspaces could teach: times and outcomes, `days` back from each's newest."""
    time, columns = LEARNED_FROM[kind]
    owner = columns[0]
    rows = warehouse.read(select(time, *columns).where(owner.in_(workspace_ids), readable(time)))
    newest = pl.col(time.key).max().over(owner.key)
    return rows.filter(pl.col(time.key) > newest - pl.duration(days=days))


def _frame(
    source: Source,
    table: type[Base],
    keep: dict[str, str],
    time: InstrumentedAttribute[datetime],
    key: InstrumentedAttribute[str],
    window: tuple[datetime | None, datetime | None],
) -> pl.DataFrame:
    since, until = window
    if isinstance(source, Warehouse):
        statement: Select[Any] = select(table.__table__).where(readable(time)).order_by(time, key)
        for name, value in keep.items():
            statement = statement.where(table.__table__.c[name] == value)
        statement = statement if since is None else statement.where(time >= since)
        return source.read(statement if until is None else statement.where(time < until))
    rows = source.scan().filter(pl.col(name) == value for name, value in keep.items())
    rows = rows if since is None else rows.filter(pl.col(time.key) >= since)
    rows = rows if until is None else rows.filter(pl.col(time.key) < until)
    return rows.sort(time.key, key.key).collect()
