"""One warehouse: SQLite in WAL mode or PostgreSQL, with Arrow reads and idempotent writes on both."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from contextvars import ContextVar
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Dialect, Engine, Executable, Select, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import NullPool

from tasks.errors import WarehouseCutError, WarehouseUnreachableError
from tasks.private_files import private_folder
from tasks.settings import get_settings
from tasks.warehouse.sqlite_file import BUSY_TIMEOUT_SECONDS

if TYPE_CHECKING:
    import polars as pl

COUNTED = {"preserve_rowcount": True}
READS = "raptorflow_read"
_READING: ContextVar[tuple[str, Connection | None]] = ContextVar("reading", default=("", None))
UNAVAILABLE = (OperationalError, DisconnectionError, NoConnectionError)  # locked or away: the same may go well later


class Warehouse:
    """A handle on one warehouse; cheap to make, safe to share between threads.

    Args:
        url: SQLAlchemy address, `sqlite:///…` or `postgresql+psycopg://…`; None takes the settings'.
        patience: seconds to wait where somebody else writes; what a person waits for asks for fewer.
    """

    def __init__(self, url: str | None = None, patience: float = BUSY_TIMEOUT_SECONDS) -> None:
        self.url = url or get_settings().database_url
        self.patience = patience
        self.engine = _engine(self.url, patience)
        self._held = threading.local()

    @property
    def address(self) -> str:
        """The address as it may be shown: without its password."""
        return make_url(self.url).render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded kind."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One write transaction: all of it or none. On SQLite the write lock is taken at once."""
        with _reachable(self.url), self._lent() as held:
            if held is None:
                with self.engine.begin() as connection:
                    yield connection
            else:
                with held.begin():
                    yield held

    @contextmanager
    def one_connection(self) -> Iterator[None]:
        """Let all that this thread reads and writes meanwhile share one connection, each in its own transaction.

        Opening SQLite's file takes a third of a small transaction, as does seeing that one to PostgreSQL still stands.
        What is asked while another question is still open goes over a connection of its own.
        """
        with _reachable(self.url), self.engine.connect() as connection:
            self._held.connection = connection
            try:
                yield
            finally:
                # Where another thread ends what this one began, it holds nothing of its own.
                if getattr(self._held, "connection", None) is connection:
                    del self._held.connection

    @contextmanager
    def impatient_connection(self) -> Iterator[None]:
        """`one_connection` for an event loop on SQLite: who finds that somebody else writes is told at once.

        Copying the log back, which waits for the disk, is left to `copy_log_back`.
        """
        with self.one_connection():
            for pragma in ("busy_timeout=0", "wal_autocheckpoint=0"):
                self._held.connection.connection.cursor().execute(f"PRAGMA {pragma}")
            yield

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection to read with, within `read_once` its own; takes no write lock."""
        url, reading = _READING.get()
        if reading is not None and url == self.url:
            yield reading
            return
        with _reachable(self.url), self._lent() as held:
            if held is None:
                with self.engine.connect() as connection:
                    yield connection.execution_options(**{READS: True})
                return
            held.execution_options(**{READS: True})
            try:
                yield held
            finally:
                held.rollback()
                held.execution_options(**{READS: False})

    @contextmanager
    def _lent(self) -> Iterator[Connection | None]:
        """This thread's connection of `one_connection`, for one at a time; None where there is none or it is in use."""
        held: Connection | None = getattr(self._held, "connection", None)
        if held is None:
            yield None
            return
        self._held.connection = None
        try:
            yield held
        finally:
            self._held.connection = held

    @contextmanager
    def read_once(self) -> Iterator[None]:
        """All that this thread reads meanwhile comes over one connection: opening SQLite costs what a small query does.

        On SQLite it is also of one moment.
        """
        with self.connect() as connection:
            token = _READING.set((self.url, connection))
            try:
                yield
            finally:
                _READING.reset(token)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Make many small transactions cheap, from whatever thread.

        The last connection to leave a SQLite file copies the write-ahead log back, which waits for the disk. One that
        is idle keeps the log until this ends.
        """
        if not self.is_sqlite:
            yield
            return
        with closing(self.engine.raw_connection()):
            yield

    def copy_log_back(self) -> None:
        """Copy SQLite's write-ahead log into its file as far as nobody needs it; whoever writes goes on meanwhile."""
        if self.is_sqlite:
            with closing(self.engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")

    def rows(self, statement: Executable, within: Connection | None = None) -> list[dict[str, Any]]:
        """Few rows as dictionaries, on a connection of their own or within one; for frames use `read`."""
        with nullcontext(within) if within is not None else self.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def read(self, statement: Select[Any]) -> pl.DataFrame:
        """Many rows as a frame, through Arrow; column types are those of the schema."""
        from tasks.warehouse import arrow  # half a second of imports, for those who read frames

        with _reachable(self.url):
            return arrow.read(self.url, statement)

    def upsert(
        self,
        connection: Connection,
        table: type[DeclarativeBase],
        rows: Sequence[Mapping[str, Any]],
        *,
        keep_existing: bool = False,
    ) -> int:
        """Write rows by primary key: update what is there, or leave it with `keep_existing`; returns rows touched."""
        if not rows:
            return 0
        assert all(row.keys() == rows[0].keys() for row in rows), "rows of one write have the same columns"
        statement = _upsert(self.engine.dialect, table, tuple(rows[0]), keep_existing=keep_existing)
        result = connection.execute(statement, [dict(row) for row in rows], execution_options=COUNTED)
        return result.rowcount


@lru_cache(maxsize=512)
def _upsert(dialect: Dialect, table: type[DeclarativeBase], names: tuple[str, ...], *, keep_existing: bool) -> Any:
    """The compiled statement; SQLAlchemy 2.0 keeps none that has ON CONFLICT, and compiling took most of a write."""
    insert = sqlite.insert if dialect.name == "sqlite" else postgresql.insert
    keys = [column.name for column in table.__table__.primary_key]
    statement = insert(table)
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    if keep_existing or not changed:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    else:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    return statement.compile(dialect=dialect, column_keys=list(names))


@lru_cache(maxsize=32)
def _engine(url: str, patience: float) -> Engine:
    """One engine an address, patience and process: pools are worth sharing."""
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        # Behind a pooler the next transaction may have another session, which knows nothing of prepared statements.
        engine = create_engine(address, pool_pre_ping=True, connect_args={"prepare_threshold": None})
        if patience < BUSY_TIMEOUT_SECONDS:
            event.listen(engine, "begin", partial(_limit_wait, f"SET LOCAL lock_timeout = {int(1000 * patience)}"))
        return engine
    if address.database and address.database != ":memory:":
        private_folder(Path(address.database).parent)
    # No pool: an idle connection would keep the log of a file that is to be copied, restored or removed.
    engine = create_engine(address, poolclass=NullPool, connect_args={"timeout": patience})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _limit_wait(statement: str, connection: Connection) -> None:
    connection.exec_driver_sql(statement)  # of this transaction alone: a pooler hands the session on


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy emits BEGIN itself, see _begin_sqlite
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once with 'database is locked', whatever the timeout.
    reads = connection.get_execution_options().get(READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def _reachable(url: str) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if "connect" not in str(error.orig).lower() and "unable to open" not in str(error.orig).lower():
            raise
        address = make_url(url).render_as_string(hide_password=True)
        kind = WarehouseCutError if error.connection_invalidated else WarehouseUnreachableError
        raise kind(address, str(error.orig).splitlines()[0]) from error
