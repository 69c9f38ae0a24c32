"""The MLflow store that lies in a file of this machine."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tasks.private_files import private_folder


@contextmanager
def alone_at(address: str) -> Iterator[None]:
    """Alone among processes at an embedded store, which is prepared: two that create its tables at once collide."""
    if not address.startswith("sqlite:///"):
        yield
        return
    store = Path(address.removeprefix("sqlite:///"))
    private_folder(store.parent)
    with store.with_name(f"{store.name}.first-use").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _prepare_file(store)
        yield


def _prepare_file(path: Path) -> None:
    """Let a new store write ahead: one sync a commit instead of four, and readers never stop a writer."""
    if not path.exists():
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
