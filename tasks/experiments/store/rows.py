"""What every part of the store builds on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Base

Row = dict[str, Any]


class Rows:
    """Rows of experiments in one warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self._insert: Any = sqlite.insert if warehouse.is_sqlite else postgresql.insert

    def _rows(self, table: type[Base], experiment_id: str, *order: Any) -> list[Row]:
        with self.warehouse.connect() as connection:
            return self._of(connection, table, experiment_id, *order)

    def _of(self, connection: Connection, table: type[Base], experiment_id: str, *order: Any) -> list[Row]:
        mine = select(table.__table__).where(table.__table__.c.experiment_id == experiment_id)
        rows = connection.execute(mine.order_by(*(order or table.__table__.primary_key))).mappings()
        return [dict(row) for row in rows]

    def _add(self, connection: Connection, table: type[Base], rows: Sequence[Row], sums: Sequence[str]) -> None:
        """Add to sums that are there, or begin them."""
        if rows:
            insert = self._insert(table)
            added = {name: table.__table__.c[name] + insert.excluded[name] for name in sums}
            keys = [column.name for column in table.__table__.primary_key]
            connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=added), list(rows))
