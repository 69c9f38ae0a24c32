"""Locks that end with a transaction or a process, so that nobody who was killed holds one, nor a pooled connection.

A lock of a PostgreSQL session would outlive its holder behind a pooler that hands connections on after each
transaction (pgbouncer), and the next ingestion would wait for ever.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from sqlalchemy import Connection, make_url, text

from tasks.warehouse.database import Warehouse

INGESTION, SCHEMA, TELLING = "ingestion", "schema", "telling"


@contextmanager
def ingestion_lock(warehouse: Warehouse) -> Iterator[None]:
    """Wait until no other ingestion writes to this warehouse; two at once end as one after the other.

    On PostgreSQL it is held by an idle transaction beside those that write: it has no snapshot, and so holds up no
    vacuum. Behind a pooler, two of its connections are needed.
    """
    with _alone(warehouse, INGESTION):
        yield


@contextmanager
def telling_lock(warehouse: Warehouse) -> Iterator[None]:
    """Wait until no other run tells operators anything: what two runs at once find untold is told by one of them.

    A run that is killed between telling and noting it gives the lock back, and the next tells again.
    """
    with _alone(warehouse, TELLING):
        yield


@contextmanager
def _alone(warehouse: Warehouse, what: str) -> Iterator[None]:
    if warehouse.is_sqlite:
        with _alone_beside(warehouse, what):
            yield
        return
    with locked_meanwhile(warehouse, what):
        yield


@contextmanager
def locked_meanwhile(warehouse: Warehouse, what: str) -> Iterator[None]:
    """Hold the lock of that name in a transaction that does nothing else; for PostgreSQL.

    Raises:
        WarehouseUnreachableError: if no database answers there.
    """
    with warehouse.connect() as connection, connection.begin():
        lock_until_commit(warehouse, connection, what)
        yield


@contextmanager
def schema_transaction(warehouse: Warehouse) -> Iterator[Connection]:
    """A transaction in which nobody else creates or changes tables."""
    with _alone_beside(warehouse, SCHEMA), warehouse.begin() as connection:
        lock_until_commit(warehouse, connection, SCHEMA)
        yield connection


def lock_until_commit(warehouse: Warehouse, connection: Connection, what: str) -> None:
    """Wait until no other transaction holds the lock of that name; SQLite's writers are alone as it is."""
    if not warehouse.is_sqlite:
        key = int.from_bytes(blake2b(what.encode(), digest_size=8).digest(), "big", signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


@contextmanager
def _alone_beside(warehouse: Warehouse, what: str) -> Iterator[None]:
    """Hold a lock file beside SQLite's; a process that is killed gives it back by dying."""
    database = make_url(warehouse.url).database
    if not warehouse.is_sqlite or not database or database == ":memory:":
        yield
        return
    with Path(f"{database}.{what}-lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
