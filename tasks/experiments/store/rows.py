"""Rows of one experiment: read in order, and sums added to, as every part of the store needs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Base

Row = dict[str, Any]


def rows_of(warehouse: Warehouse, table: type[Base], experiment_id: str, *order: Any) -> list[Row]:
    """An experiment's rows of a table, in an order or that of the key, in a connection of their own."""
    with warehouse.connect() as connection:
        return rows_within(connection, table, experiment_id, *order)


def rows_within(connection: Connection, table: type[Base], experiment_id: str, *order: Any) -> list[Row]:
    """The same in a transaction."""
    mine = select(table.__table__).where(table.__table__.c.experiment_id == experiment_id)
    rows = connection.execute(mine.order_by(*(order or table.__table__.primary_key))).mappings()
    return [dict(row) for row in rows]


def insert_into(warehouse: Warehouse, table: type[Base]) -> Any:
    """An INSERT that knows the database's ON CONFLICT."""
    return (sqlite if warehouse.is_sqlite else postgresql).insert(table)


def add_to_sums(
    warehouse: Warehouse,
    connection: Connection,
    table: type[Base],
    rows: Sequence[Row],
    sums: Sequence[str],
    peaks: Sequence[str] = (),
) -> None:
    """Add to sums that are there, or begin them; of peaks the larger one stays."""
    if rows:
        insert, larger = insert_into(warehouse, table), func.max if warehouse.is_sqlite else func.greatest
        added = {name: table.__table__.c[name] + insert.excluded[name] for name in sums}
        added |= {name: larger(table.__table__.c[name], insert.excluded[name]) for name in peaks}
        keys = [column.name for column in table.__table__.primary_key]
        connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=added), list(rows))
