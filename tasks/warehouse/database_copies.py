"""Copies of whole databases that are in use: SQLite's own backup, or PostgreSQL's `pg_dump` and `pg_restore`."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tasks.errors import InputError, RaptorflowError

PAGES_AT_A_TIME = 4096  # other writers get their turn between them


class CopyFailedError(RaptorflowError):
    """Raised when a database could not be copied or put back."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}: {reason}")


def is_sqlite(url: str) -> bool:
    """Whether an address names a file."""
    return make_url(url).get_backend_name() == "sqlite"


def sqlite_file(url: str) -> Path:
    """The file of a SQLite address."""
    return Path(make_url(url).database or "")


def copy_database(url: str, target: Path) -> None:
    """Write all of a database, as it is at one moment, to a file that only its owner can read.

    Raises:
        CopyFailedError: if it cannot be read, or `pg_dump` is missing or fails.
    """
    target.touch(mode=0o600)
    if not is_sqlite(url):
        _postgres("pg_dump", url, ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"])
        return
    source = sqlite_file(url)
    if not source.is_file():
        raise CopyFailedError(f"cannot copy {source}", "there is no such file; is RAPTORFLOW_HOME right?")
    try:
        with closing(sqlite3.connect(source)) as opened, closing(sqlite3.connect(target)) as copy:
            opened.backup(copy, pages=PAGES_AT_A_TIME)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    except sqlite3.Error as error:
        raise CopyFailedError(f"cannot copy {source}", str(error)) from error


def require_sound(copy: Path) -> None:
    """Check a SQLite file from somewhere else before anything opens it.

    Raises:
        InputError: if it is damaged, or no database.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(copy))}?mode=ro&immutable=1", uri=True)) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise InputError(f"the backup's {copy.name} is no sound database: {error}") from error
    if verdict != "ok":
        raise InputError(f"the backup's {copy.name} is damaged: {verdict}")


def holds_tables(url: str) -> bool:
    """Whether there is anything at an address already.

    Raises:
        CopyFailedError: if no database answers there.
    """
    if is_sqlite(url):
        return sqlite_file(url).exists()
    try:
        engine = create_engine(url, poolclass=NullPool)
        return bool(inspect(engine).get_table_names())
    except SQLAlchemyError as error:
        address = make_url(url).render_as_string(hide_password=True)
        raise CopyFailedError(f"no database answers at {address}", str(error).splitlines()[0]) from error


def load_dump(url: str, dump: Path) -> None:
    """Fill an empty PostgreSQL database from a dump, all of it or nothing.

    Raises:
        CopyFailedError: if `pg_restore` is missing or fails.
    """
    _postgres(
        "pg_restore", url, ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", str(dump)]
    )


def _postgres(program: str, url: str, arguments: list[str]) -> None:
    """Run one of PostgreSQL's programs; the password goes through the environment, command lines are public."""
    if shutil.which(program) is None:
        raise CopyFailedError(program, "is not installed on this machine; install PostgreSQL's client programs")
    address = make_url(url)
    bare = address.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    secret = {"PGPASSWORD": address.password} if address.password else {}
    ran = subprocess.run(
        [program, f"--dbname={bare}", "--no-password", *arguments],
        env=os.environ | secret,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        lines = ran.stderr.strip().splitlines() or [f"ended with status {ran.returncode}"]
        raise CopyFailedError(program, lines[0])
