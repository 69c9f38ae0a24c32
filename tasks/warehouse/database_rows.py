"""The rows of one SELECT on somebody's database: read-only, a batch at a time, types as the database has them.

PostgreSQL through ADBC, SQLite through Python's own (see `sqlite_file.py`), DuckDB through its own library, which also
reads Parquet and CSV files on disk (`SELECT … FROM 'posts/*.parquet'`). SQLite has no column types: every value comes
as text, as from CSV.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import pyarrow as pa

from tasks.warehouse.addresses import Address, address_of
from tasks.warehouse.batches import MOST_ROWS, ROW, SHOWN, Batch
from tasks.warehouse.errors import BadFileError, QueryError
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.sources import Source, with_our_names
from tasks.warehouse.sql_text import READS, first_word, only_line_of, statements
from tasks.warehouse.sqlite_file import BUSY_TIMEOUT_SECONDS
from tasks.warehouse.typed_rows import frame_of

CONNECT_TIMEOUT_SECONDS = 10
IN_LINE = re.compile(r"^LINE (\d+): (.*)$", re.MULTILINE)
NAMED_BY_SQLITE = re.compile(r'near "([^"]+)"|no such \w+: ([\w.]+)')
# Without a cast in the query these would come as bytes, or as another number: PostgreSQL's money as cents.
MONEY = b"money"


def open_query(given: str, query: Path, mapping: Mapping) -> Source:
    """Run the SELECT that a file holds.

    Args:
        given: the database's address.
        query: file with one SELECT.
        mapping: whose names for the columns are used.

    Raises:
        InputError: if the address is none.
        QueryError: if the database does not answer, or not with rows; nothing was changed there.
        BadFileError: if the file cannot be read or does not hold one SELECT.
    """
    address, sql = address_of(given), _one_select(query)
    tables = (table for table in _tables(address, query, sql) if table.num_rows)
    first = next(tables, None)
    if first is None:
        raise QueryError(query, address, "gives no rows")
    rows = with_our_names(_batches(chain([first], tables), query, address), mapping)
    batch = next(rows)
    return Source(query, [name for name in batch.rows.columns if name != ROW], None, chain([batch], rows))


def _one_select(query: Path) -> str:
    """The statement in a file, at its own line."""
    try:
        sql = query.read_text(encoding="utf-8-sig")
    except OSError as error:
        hint = "; --query takes a file that holds the SELECT" if re.match(r"\s*\w+\s", str(query)) else ""
        raise BadFileError(query, f"cannot be read ({error.strerror}){hint}") from error
    except UnicodeDecodeError as error:
        raise BadFileError(query, "is not UTF-8; save the file as UTF-8") from error
    if "\0" in sql:
        raise BadFileError(query, "holds a NUL character, so it is no SQL")
    parts = statements(sql)
    if not parts:
        raise BadFileError(query, "holds no statement, expected one SELECT")
    if len(parts) > 1:
        raise BadFileError(
            query, f"holds {len(parts)} statements, expected one SELECT; the second begins in line {parts[1][0]}"
        )
    line, statement = parts[0]
    if first_word(statement) not in READS:
        raise BadFileError(query, f"line {line}: expected a SELECT, not {first_word(statement).upper() or 'this'}")
    return "\n" * (line - 1) + statement  # so that a line in a database's message is the file's


def _tables(address: Address, query: Path, sql: str) -> Iterator[pa.RecordBatch]:
    """Arrow batches; what a driver throws becomes one line."""
    readers = {"postgresql": _postgres, "sqlite": _sqlite, "duckdb": _duckdb}
    try:
        with ExitStack() as resources:
            reader = readers[address.kind](address, sql, resources)
            _require_usable(reader.schema, query, address)
            yield from reader
    except QueryError:
        raise
    except Exception as error:
        raise QueryError(query, address, _in_one_line(error, sql)) from error


def _postgres(address: Address, sql: str, resources: ExitStack) -> Any:
    import adbc_driver_postgresql.dbapi

    target = address.target
    if "connect_timeout=" not in target:
        target += ("&" if "?" in target else "?") + f"connect_timeout={CONNECT_TIMEOUT_SECONDS}"
    cursor = _cursor(adbc_driver_postgresql.dbapi.connect(target), resources)
    cursor.execute("SET TRANSACTION READ ONLY")
    cursor.execute(sql)
    return cursor.fetch_record_batch()


def _sqlite(address: Address, sql: str, resources: ExitStack) -> Any:
    path = Path(address.target)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro", timeout=BUSY_TIMEOUT_SECONDS, uri=True, check_same_thread=False
    )
    resources.enter_context(closing(connection))
    names = [column[0] for column in connection.execute(sql).description or ()]
    schema = pa.schema([(name, pa.string()) for name in names])
    if len(set(names)) < len(names):
        return pa.RecordBatchReader.from_batches(schema, [])
    quoted = [name.replace('"', '""') for name in names]
    casts = ", ".join(f'CAST("{name}" AS TEXT) AS "{name}"' for name in quoted)
    cursor = connection.execute(f"SELECT {casts} FROM (\n{sql}\n)")
    return pa.RecordBatchReader.from_batches(schema, _record_batches(cursor, schema))


def _record_batches(cursor: sqlite3.Cursor, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    while rows := cursor.fetchmany(MOST_ROWS):
        yield pa.RecordBatch.from_arrays(
            [pa.array(column, pa.string()) for column in zip(*rows, strict=True)], schema=schema
        )


def _duckdb(address: Address, sql: str, resources: ExitStack) -> Any:
    import duckdb

    is_file = bool(address.target) and not address.target.startswith("md:")
    if is_file and not Path(address.target).is_file():
        raise FileNotFoundError(f"no such file: {address.target}")
    connection = resources.enter_context(duckdb.connect(address.target or ":memory:", read_only=is_file))
    connection.execute(f"PREPARE q AS {sql}")  # its errors name the line, those of a relation do not
    return connection.sql(sql).to_arrow_reader(MOST_ROWS)


def _cursor(connection: Any, resources: ExitStack) -> Any:
    return resources.enter_context(resources.enter_context(connection).cursor())


def _require_usable(schema: pa.Schema, query: Path, address: Address) -> None:
    """Every column has a name of its own, and a type whose values can be read."""
    if not schema.names:
        raise QueryError(query, address, "gives no columns; name them in the SELECT")
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        raise QueryError(query, address, f"column '{twice[0]}' stands twice; give one another name with AS")
    for field in schema:
        unreadable = _unreadable(field)
        if unreadable is not None:
            cast = f'CAST("{field.name}" AS {"numeric" if unreadable == "money" else "text"})'
            raise QueryError(query, address, f"column '{field.name}' is of type {unreadable}; write {cast} AS …")


def _unreadable(field: pa.Field) -> str | None:
    """The name of a type whose values would come as bytes, or not at all."""
    dtype = field.type
    if (field.metadata or {}).get(b"POSTGRESQL:type", b"").strip(b"'") == MONEY:
        return "money"
    if isinstance(dtype, pa.OpaqueType):
        return None if pa.types.is_string(dtype.storage_type) else str(dtype.type_name)
    if pa.types.is_union(dtype) or pa.types.is_interval(dtype):
        return "interval" if pa.types.is_interval(dtype) else "union"
    inner = [dtype.field(place) for place in range(dtype.num_fields)] if pa.types.is_nested(dtype) else []
    return next((name for one in inner if (name := _unreadable(one)) is not None), None)


def _batches(tables: Iterator[pa.RecordBatch], query: Path, address: Address) -> Iterator[Batch]:
    done = 0
    for table in tables:
        for part in _frame(table, query, address).iter_slices(MOST_ROWS):
            numbers = pl.int_range(done + 1, done + part.height + 1, dtype=pl.Int64)
            yield Batch(part.with_columns(numbers.alias(ROW)))
            done += part.height


def _frame(table: pa.RecordBatch, query: Path, address: Address) -> pl.DataFrame:
    try:
        return frame_of(table)
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        reason = f"gives values that cannot be read ({_first_line(error)}); cast them to text in the query"
        raise QueryError(query, address, reason) from error


def _in_one_line(error: Exception, sql: str) -> str:
    """What a driver said, without its own names, and where in the query if it says so."""
    message = str(error)
    reason = re.sub(r"^[A-Z_]+: (\[\w+\] )?|Failed to \w+( query)?: |could not begin COPY: ", "", _first_line(error))
    reason = re.sub(r"^(ERROR|FATAL|Execution error \[\w+\]: ERROR|[A-Z][a-z]+ Error):\s+", "", reason)
    place = IN_LINE.search(message)
    if place:
        return f"line {place.group(1)}: {reason}"
    named = NAMED_BY_SQLITE.search(reason)
    line = only_line_of(sql, named.group(1) or named.group(2)) if named else None
    return reason if line is None else f"line {line}: {reason}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:SHOWN]
