"""Many rows into a table at once: a batch into a temporary table, then one upsert, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Any

import polars as pl
from sqlalchemy import JSON

from tasks.warehouse import arrow
from tasks.warehouse.database import Warehouse
from tasks.warehouse.schema import Base

STAGING = "staging"
CACHE_KIB = 4 * 1024  # the system caches the file; this process need not hold both indexes as well


class BulkUpsert:
    """Writes frames into a table by primary key; only rows that differ from the stored ones are touched.

    Where the table has `measured_at`, a row measured before the stored one changes nothing, and neither does one that
    does not say when it was measured if the stored one does. `run_id` alone is no difference. A context manager.
    """

    def __init__(self, warehouse: Warehouse, table: type[Base], columns: Sequence[str]) -> None:
        self._warehouse = warehouse
        self._columns = list(columns)
        self._upsert = _upsert_statement(warehouse, table, self._columns)
        self._stage = _staging_statement(warehouse, table, self._columns)
        self._open = ExitStack()

    def __enter__(self) -> BulkUpsert:
        if self._warehouse.is_sqlite:
            connection: Any = self._open.enter_context(closing(self._warehouse.engine.raw_connection()))
            self._connection = connection.driver_connection
            self._cursor = self._open.enter_context(closing(self._connection.cursor()))
            self._cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self._cursor.execute("PRAGMA temp_store = MEMORY")
            self._cursor.execute(self._stage)
        else:
            self._connection = self._open.enter_context(arrow.postgresql_connection(self._warehouse.url))
            self._cursor = self._open.enter_context(self._connection.cursor())
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def write(self, rows: pl.DataFrame) -> int:
        """Write a batch, all of it or none; returns the number of rows that were new or different."""
        frame = rows.select(self._columns)
        try:
            written = self._into_sqlite(frame) if self._warehouse.is_sqlite else self._into_postgresql(frame)
            self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise
        return written

    def _into_sqlite(self, frame: pl.DataFrame) -> int:
        stored = frame.select(_as_sqlite_stores(name, dtype) for name, dtype in frame.schema.items())
        self._cursor.execute("BEGIN")  # what is staged locks nothing; the upsert takes the write lock
        places = ", ".join("?" * len(self._columns))
        columns = [column.to_list() for column in stored.iter_columns()]
        self._cursor.executemany(f"INSERT INTO {STAGING} VALUES ({places})", zip(*columns, strict=True))
        self._cursor.execute(self._upsert)
        written = int(self._cursor.rowcount)
        self._cursor.execute(f"DELETE FROM {STAGING}")
        return written

    def _into_postgresql(self, frame: pl.DataFrame) -> int:
        self._cursor.execute(self._stage)
        self._cursor.adbc_ingest(STAGING, frame.to_arrow(), mode="append", temporary=True)
        self._cursor.execute(f"WITH written AS ({self._upsert} RETURNING 1) SELECT count(*) FROM written")
        return int(self._cursor.fetchall()[0][0])


def _staging_statement(warehouse: Warehouse, table: type[Base], columns: list[str]) -> str:
    """A temporary table shaped like the columns written; PostgreSQL's JSON is staged as text, as Arrow carries it.

    PostgreSQL's lasts for one transaction: behind a pooler, the next one may have another session.
    """
    names = ", ".join(_cast(name, table, "TEXT", warehouse) + f' AS "{name}"' for name in columns)
    until = "" if warehouse.is_sqlite else " ON COMMIT DROP"
    return f"CREATE TEMPORARY TABLE {STAGING}{until} AS SELECT {names} FROM {table.__tablename__} LIMIT 0"


def _upsert_statement(warehouse: Warehouse, table: type[Base], columns: list[str]) -> str:
    name = table.__tablename__
    keys = [column.name for column in table.__table__.primary_key]
    values = [column for column in columns if column not in keys]
    compared = [column for column in values if column != "run_id"]
    differs = " OR ".join(
        f"{_cast(column, table, 'TEXT', warehouse, name + '.')} IS DISTINCT FROM "
        f"{_cast(column, table, 'TEXT', warehouse, 'excluded.')}"
        for column in compared
    )
    newer = f"({name}.measured_at IS NULL OR excluded.measured_at >= {name}.measured_at) AND "
    return (
        f"INSERT INTO {name} ({', '.join(_quoted(columns))}) "
        f"SELECT {', '.join(_cast(column, table, 'JSON', warehouse) for column in columns)} FROM {STAGING} WHERE true "
        f"ON CONFLICT ({', '.join(_quoted(keys))}) DO UPDATE SET "
        f"{', '.join(f'{column} = excluded.{column}' for column in _quoted(values))} "
        f"WHERE {newer if 'measured_at' in columns else ''}({differs})"
    )


def _cast(column: str, table: type[Base], to: str, warehouse: Warehouse, owner: str = "") -> str:
    """The column, cast if it is PostgreSQL's JSON, which has no equality."""
    is_json = isinstance(table.__table__.c[column].type, JSON) and not warehouse.is_sqlite
    return f'CAST({owner}"{column}" AS {to})' if is_json else f'{owner}"{column}"'


def _quoted(names: list[str]) -> list[str]:
    return [f'"{name}"' for name in names]


def _as_sqlite_stores(name: str, dtype: pl.DataType) -> pl.Expr:
    """SQLAlchemy's conventions for SQLite, so that both write the same rows: instants as text, booleans as 0 and 1."""
    if isinstance(dtype, pl.Datetime):
        return pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
    return pl.col(name).cast(pl.Int64) if dtype == pl.Boolean else pl.col(name)
