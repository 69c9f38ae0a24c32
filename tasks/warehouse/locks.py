"""One ingestion writes at a time, so that two at once end as one after the other."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url, text

from tasks.warehouse.database import Warehouse

POSTGRES_LOCK = 0x7261707466  # any number, the same for all


@contextmanager
def ingestion_lock(warehouse: Warehouse) -> Iterator[None]:
    """Wait until no other ingestion writes to this warehouse; a killed process gives its lock back by dying."""
    database = make_url(warehouse.url).database
    if warehouse.is_sqlite and database and database != ":memory:":
        with Path(f"{database}.ingestion-lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    with warehouse.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": POSTGRES_LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": POSTGRES_LOCK})
