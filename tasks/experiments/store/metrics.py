"""Metrics that workspaces define, version by version; only ever added to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from tasks.experiments.store.rows import Row
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import DefinedMetric

ABOUT = ("workspace_id", "version", "created_at")


class Metrics:
    """The `metrics` table of one warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def versions(self, workspace_id: str | None = None) -> list[Row]:
        """All versions of all metrics of a workspace, or of all, oldest version first."""
        table = DefinedMetric
        query = select(table.__table__).order_by(table.workspace_id, table.name, table.version)
        return self.warehouse.rows(query.where(table.workspace_id == workspace_id) if workspace_id else query)

    def define(self, workspace_id: str, wanted: Mapping[str, Any], now: datetime) -> Row:
        """A new version, or the newest where it says the same; returns the row."""
        table = DefinedMetric
        mine = (table.workspace_id == workspace_id) & (table.name == wanted["name"])
        query = select(table.__table__).where(mine).order_by(table.version.desc()).limit(1)
        while True:
            known = self.warehouse.rows(query)
            if known and {name: value for name, value in known[0].items() if name not in ABOUT} == wanted:
                return known[0]
            version = known[0]["version"] + 1 if known else 1
            row = {"workspace_id": workspace_id, **wanted, "version": version, "created_at": now}
            with self.warehouse.begin() as connection:
                self.warehouse.upsert(connection, table, [row], keep_existing=True)
