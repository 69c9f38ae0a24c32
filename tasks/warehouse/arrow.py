"""Arrow in and out of the database through ADBC: whole columns, no Python object per cell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote

import polars as pl
import pyarrow as pa
from sqlalchemy import JSON, URL, Boolean, Float, Integer, Select, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from tasks.warehouse.calendar_range import only_readable
from tasks.warehouse.schema import UtcDateTime
from tasks.warehouse.sqlite_guard import BUSY_TIMEOUT_SECONDS, sqlite_guard

# SQLite has no column types: the driver infers them from its first batch, so there must be only one.
SQLITE_BATCH_ROWS = 1 << 30
SQLITE_MAPPED_BYTES = 1 << 40  # all of the file: rows of one workspace lie scattered, a system call each costs as much
SQLITE_INSTANT = "%Y-%m-%d %H:%M:%S%.f"


@contextmanager
def connection(url: str) -> Iterator[Any]:
    """An ADBC connection to the warehouse at a SQLAlchemy address; nothing is committed by itself."""
    address = make_url(url)
    opened: Any
    if address.get_backend_name() == "sqlite":
        import adbc_driver_sqlite.dbapi

        with sqlite_guard(address.database or "").using("adbc"):
            opened = adbc_driver_sqlite.dbapi.connect(f"file:{quote(address.database or '', safe='/:')}")
            with opened:
                with opened.cursor() as cursor:  # another process that closes the file last locks it for a moment
                    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")
                yield opened
        return
    import adbc_driver_postgresql.dbapi

    opened = adbc_driver_postgresql.dbapi.connect(_libpq(address))
    with opened:
        yield opened


class Reader:
    """Reads that all see the rows of one moment: one connection, one transaction. A context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self._open = ExitStack()

    def __enter__(self) -> Reader:
        self._connection = self._open.enter_context(connection(self._url))
        with self._connection.cursor() as cursor:
            if self._is_sqlite:  # whose transactions are of one moment by themselves
                cursor.execute(f"PRAGMA mmap_size = {SQLITE_MAPPED_BYTES}")
            else:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def fetch(self, statement: Select[Any]) -> pl.DataFrame:
        """Run a select and return its rows as the driver gives them; `typed` makes them what they are."""
        sql, parameters = _compile(statement, self._is_sqlite)
        with self._connection.cursor() as cursor:
            if self._is_sqlite:
                cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(SQLITE_BATCH_ROWS)})
            cursor.execute(sql, parameters or None)
            return pl.DataFrame(pl.from_arrow(storage(cursor.fetch_arrow_table())))

    def read(self, statement: Select[Any]) -> pl.DataFrame:
        """Run a select and return its rows with the types its columns declare."""
        return typed(self.fetch(statement), statement)


def typed(fetched: pl.DataFrame, statement: Select[Any]) -> pl.DataFrame:
    """Rows with the types that the columns of the select declare."""
    return fetched.select(
        _typed(name, fetched.schema[name], column.type)
        for name, column in zip(fetched.columns, statement.selected_columns, strict=True)
    )


def read(url: str, statement: Select[Any]) -> pl.DataFrame:
    """Run one select and return its rows with the types its columns declare."""
    with Reader(url) as reader:
        return reader.read(statement)


def storage(table: pa.Table) -> pa.Table:
    """Extension types as what they are stored as: polars casts none, and PostgreSQL's JSON and numeric are text."""
    for index, field in enumerate(table.schema):
        if isinstance(field.type, pa.BaseExtensionType):
            chunks = [chunk.storage for chunk in table.column(index).chunks]
            table = table.set_column(index, field.name, pa.chunked_array(chunks, field.type.storage_type))
    return table


def _compile(statement: Select[Any], is_sqlite: bool) -> tuple[str, tuple[Any, ...]]:
    """The statement's text with positional parameters, as ADBC wants them, and their values."""
    make: Any = sqlite.dialect if is_sqlite else postgresql.dialect
    dialect = make(paramstyle="qmark" if is_sqlite else "numeric_dollar")
    compiled: Any = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    to_driver = compiled._bind_processors
    values = ((name, compiled.params[name]) for name in compiled.positiontup or [])
    return str(compiled), tuple(to_driver[name](value) if name in to_driver else value for name, value in values)


def _typed(name: str, found: pl.DataType, declared: TypeEngine[Any]) -> pl.Expr:
    column = pl.col(name)
    if isinstance(declared, UtcDateTime):
        if found == pl.String:
            column = column.str.to_datetime(SQLITE_INSTANT, time_unit="us", strict=False).dt.replace_time_zone("UTC")
        return only_readable(column.cast(pl.Datetime("us", "UTC")))
    if isinstance(declared, JSON):
        return column.cast(pl.String)
    for kind, dtype in ((Boolean, pl.Boolean), (Integer, pl.Int64), (Float, pl.Float64)):
        if isinstance(declared, kind):
            return column.cast(dtype)
    return column.cast(pl.String) if declared.python_type in (str, datetime) else column


def _libpq(address: URL) -> str:
    return address.set(drivername="postgresql").render_as_string(hide_password=False)
