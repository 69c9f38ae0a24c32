"""PostgreSQL databases for tests: a new one, or one that a test before has left, emptied and under another name."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

POSTGRES_URL = os.environ.get("RAPTORFLOW_TEST_POSTGRES_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/test")
FIRST_OF_OURS = 16384  # object ids below it are the server's own

# All that a test can leave besides rows: tables, constraints, triggers, functions, schemas, settings, migrations.
SCHEMA = text(f"""
    SELECT md5(concat_ws('|',
        (SELECT string_agg(concat_ws(',', oid, relname, relkind, relnamespace, relowner), ';' ORDER BY oid)
            FROM pg_class WHERE oid >= {FIRST_OF_OURS} AND relpersistence = 'p'),
        (SELECT string_agg(concat_ws(',', attrelid, attname, atttypid, attnotnull), ';' ORDER BY attrelid, attnum)
            FROM pg_attribute WHERE attrelid >= {FIRST_OF_OURS}),
        (SELECT string_agg(concat_ws(',', oid, conname), ';' ORDER BY oid)
            FROM pg_constraint WHERE oid >= {FIRST_OF_OURS}),
        (SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_trigger WHERE oid >= {FIRST_OF_OURS}),
        (SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_proc WHERE oid >= {FIRST_OF_OURS}),
        (SELECT string_agg(nspname, ',' ORDER BY oid) FROM pg_namespace
            WHERE oid >= {FIRST_OF_OURS} AND nspname NOT LIKE 'pg\\_%'),
        (SELECT string_agg(array_to_string(setconfig, ','), ';') FROM pg_db_role_setting
            WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())),
        (SELECT string_agg(version_num, ',') FROM alembic_version)
    ))
""")
TABLES = text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
MOVED = text("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL")
OTHERS = text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
KEPT = "alembic_version"


class UsedDatabases:
    """Copies of a migrated, empty database; one that is given back is emptied, or dropped where its schema changed."""

    def __init__(self, template: str) -> None:
        self.template, self.spare = template, list[str]()
        self.schema: dict[str, Any] = {}

    def take(self) -> str:
        """Name of an empty database that no test has seen: what a process remembers of an address stays true."""
        return (self._renamed(self.spare.pop()) if self.spare else None) or self._created()

    def _renamed(self, before: str) -> str | None:
        """Its new name; None where a process of a test before still comes back to it, and it is dropped."""
        name, schema = new_name(), self.schema.pop(before)
        try:
            administer(f"ALTER DATABASE {before} RENAME TO {name}")
        except OperationalError:
            administer(f"DROP DATABASE {before} WITH (FORCE)")
            return None
        self.schema[name] = schema
        return name

    def _created(self) -> str:
        name = create_postgres(self.template)
        with connected(name) as connection:
            self.schema[name] = connection.execute(SCHEMA).scalar_one()
        return name

    def give_back(self, name: str) -> None:
        """Empty a database for the next test."""
        with connected(name) as connection:
            connection.execute(OTHERS)
            is_same = connection.execute(SCHEMA).scalar() == self.schema[name]
            if is_same:
                empty(connection)
        if is_same:
            self.spare.append(name)
        else:
            administer(f"DROP DATABASE {name} WITH (FORCE)")

    def drop(self) -> None:
        """Leave none behind."""
        for name in self.spare:
            administer(f"DROP DATABASE {name} WITH (FORCE)")


def empty(connection: Connection) -> None:
    """Take every row out of every table, and let numbers begin at one again."""
    tables = [name for name in connection.execute(TABLES).scalars() if name != KEPT]
    with_rows = " UNION ALL ".join(f"SELECT '{one}' WHERE EXISTS (SELECT FROM \"{one}\")" for one in tables)
    filled = ", ".join(f'"{one}"' for one in connection.execute(text(with_rows)).scalars())
    if filled:
        connection.execute(text(f"TRUNCATE {filled} CASCADE"))
    for sequence in connection.execute(MOVED).scalars().all():
        connection.execute(text(f'ALTER SEQUENCE "{sequence}" RESTART'))


@contextmanager
def postgres_database(template: str = "template1") -> Iterator[str]:
    """Name of a new database, for tests that need one as it comes from the server."""
    name = create_postgres(template)
    yield name
    administer(f"DROP DATABASE {name} WITH (FORCE)")


def connected(name: str) -> Connection:
    """A connection of its own to a database, each statement its own transaction; closed at the end of `with`."""
    engine = create_engine(postgres_url(name), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    return engine.connect()


def postgres_url(name: str) -> str:
    """Address of a database on the tests' server."""
    return make_url(POSTGRES_URL).set(database=name).render_as_string(hide_password=False)


def new_name() -> str:
    """A name that no other run takes."""
    return f"raptorflow_{uuid.uuid4().hex[:12]}"


def create_postgres(template: str) -> str:
    """Create a database and return its name; skips where no server answers."""
    name = new_name()
    try:
        administer(f"CREATE DATABASE {name} TEMPLATE {template}")
    except OperationalError as error:
        pytest.skip(f"no PostgreSQL at RAPTORFLOW_TEST_POSTGRES_URL ({type(error).__name__})")
    return name


def administer(statement: str) -> None:
    """Run a statement about whole databases."""
    limit = {"connect_timeout": 3}
    engine = create_engine(POSTGRES_URL, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args=limit)
    with engine.connect() as connection:
        connection.execute(text(statement))
