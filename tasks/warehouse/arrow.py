"""Many rows out of the database as columns: through ADBC from PostgreSQL, as `sqlite_file.py` says from SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa
from sqlalchemy import JSON, URL, Boolean, Float, Integer, Select, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from tasks.warehouse.calendar_range import only_readable
from tasks.warehouse.schema import UtcDateTime
from tasks.warehouse.sqlite_file import open_to_read
from tasks.warehouse.sqlite_process import SqliteProcess

SQLITE_INSTANT = "%Y-%m-%d %H:%M:%S%.f"
SQLITE_ROWS_AT_A_TIME = 2_000


@contextmanager
def postgresql_connection(url: str) -> Iterator[Any]:
    """An ADBC connection to a PostgreSQL at a SQLAlchemy address; nothing is committed by itself."""
    import adbc_driver_postgresql.dbapi

    opened: Any = adbc_driver_postgresql.dbapi.connect(_libpq(make_url(url)))
    with opened:
        yield opened


class Reader:
    """Reads that all see the rows of one moment: one connection, one transaction. A context manager.

    Args:
        url: SQLAlchemy address.
        many: whether hundred thousands of rows will be asked for: of SQLite they are then read by another process.
    """

    def __init__(self, url: str, *, many: bool = False) -> None:
        self._url, self._many = url, many
        address = make_url(url)
        self._sqlite = (address.database or "") if address.get_backend_name() == "sqlite" else None
        self._open = ExitStack()

    def __enter__(self) -> Reader:
        if self._sqlite is None:
            self._connection = self._open.enter_context(postgresql_connection(self._url))
            with self._connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        elif self._many:
            self._connection = self._open.enter_context(SqliteProcess(self._sqlite))
        else:
            self._connection = self._open.enter_context(closing(open_to_read(self._sqlite)))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def fetch(self, statement: Select[Any]) -> pl.DataFrame:
        """Run a select and return its rows as the driver gives them; `typed` makes them what they are."""
        sql, parameters = _compile(statement, self._sqlite is not None)
        if self._sqlite is None:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, parameters or None)
                table = cursor.fetch_arrow_table()
        elif self._many:
            table = self._connection.fetch(sql, parameters)
        else:
            return _columns_of(self._connection.execute(sql, parameters), statement)
        return pl.DataFrame(pl.from_arrow(storage(table)))

    def read(self, statement: Select[Any]) -> pl.DataFrame:
        """Run a select and return its rows with the types its columns declare."""
        return typed(self.fetch(statement), statement)


def _columns_of(cursor: Any, statement: Select[Any]) -> pl.DataFrame:
    """The rows of a cursor of sqlite3 as columns, some rows at a time."""
    names = [column[0] for column in cursor.description]
    dtypes = [_sqlite_type(column.type) for column in statement.selected_columns]
    schema = dict(zip(names, dtypes, strict=True))
    parts = [pl.DataFrame(schema=schema)]
    while rows := cursor.fetchmany(SQLITE_ROWS_AT_A_TIME):
        columns = zip(schema.items(), zip(*rows, strict=True), strict=True)
        parts.append(pl.DataFrame([_series(name, values, dtype) for (name, dtype), values in columns]))
    return pl.concat(parts, how="vertical_relaxed")


def _series(name: str, values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    """A column; as text where SQLite was given a value of another type, so that `typed` reads it or says what it is."""
    try:
        return pl.Series(name, values, dtype=dtype)
    except TypeError:
        return pl.Series(name, values, dtype=pl.String, strict=False)


def _sqlite_type(declared: TypeEngine[Any]) -> pl.DataType:
    if isinstance(declared, Integer | Boolean):
        return pl.Int64()
    return pl.Float64() if isinstance(declared, Float) else pl.String()


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
