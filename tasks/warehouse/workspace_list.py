"""All workspaces as a list for people: who they are, and when each last published."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from tasks.warehouse.calendar_range import readable
from tasks.warehouse.database import Warehouse
from tasks.warehouse.schema import Content, Workspace


def list_workspaces(warehouse: Warehouse, organisation_id: str | None = None) -> list[dict[str, Any]]:
    """Workspaces by name, of one organization or all, with the instant of each one's newest post as `newest_post`."""
    table = Workspace
    posts = select(func.max(Content.published_at)).where(Content.workspace_id == table.workspace_id)
    newest = posts.where(readable(Content.published_at)).scalar_subquery().label("newest_post")
    columns = (table.workspace_id, table.name, table.industry, table.size, table.timezone, table.organisation_id)
    statement = select(*columns, table.shares_insights, newest).order_by(table.name, table.workspace_id)
    if organisation_id is not None:
        statement = statement.where(table.organisation_id == organisation_id)
    return warehouse.rows(statement)
