"""Rows of one experiment: read in order, and sums added to, as every part of the store needs them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, func, select
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
        statement = _adding(warehouse.engine.dialect, table, tuple(rows[0]), tuple(sums), tuple(peaks))
        connection.execute(statement, list(rows))


@lru_cache(maxsize=128)
def _adding(
    dialect: Dialect, table: type[Base], names: tuple[str, ...], sums: tuple[str, ...], peaks: tuple[str, ...]
) -> Any:
    """The compiled statement; SQLAlchemy 2.0 keeps none that has ON CONFLICT, and compiling took a third of a write."""
    is_sqlite = dialect.name == "sqlite"
    insert, larger = (sqlite if is_sqlite else postgresql).insert(table), func.max if is_sqlite else func.greatest
    added = {name: table.__table__.c[name] + insert.excluded[name] for name in sums}
    added |= {name: larger(table.__table__.c[name], insert.excluded[name]) for name in peaks}
    keys = [column.name for column in table.__table__.primary_key]
    statement = insert.on_conflict_do_update(index_elements=keys, set_=added)
    return statement.compile(dialect=dialect, column_keys=list(names))
