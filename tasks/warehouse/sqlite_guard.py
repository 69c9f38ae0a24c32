"""Keeps Python's sqlite3 and the ADBC driver out of one database file at the same time within one process.

Each brings its own copy of SQLite. File locks belong to the process, so the copies do not see each other's: when ADBC
closes, it believes itself alone, deletes the write-ahead log, and what the other copy still writes there is lost
(https://www.sqlite.org/howtocorrupt.html, section 2.2.1). Other processes see honest locks and need no part in this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Condition, local
from typing import Literal

Library = Literal["sqlite3", "adbc"]

BUSY_TIMEOUT_SECONDS = 60


class SqliteGuard:
    """Many users of one library at a time, or many of the other; never both."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._inside: Counter[Library] = Counter()
        self._mine = local()
        self._left_open: dict[Callable[[], None], Library] = {}

    @contextmanager
    def using(self, library: Library) -> Iterator[None]:
        """Wait until the other library has left the file; a thread may nest uses of the same library."""
        other: Library = "adbc" if library == "sqlite3" else "sqlite3"
        mine: Counter[Library] = self._mine.__dict__.setdefault("depth", Counter())
        if mine[other]:
            raise RuntimeError(
                f"close the {other} connection before opening one through {library}: see sqlite_guard.py"
            )
        with self._changed:
            self._changed.wait_for(lambda: not self._inside[other])
            self._close_what_was_left_open_by(other)
            self._inside[library] += 1
        mine[library] += 1
        try:
            yield
        finally:
            mine[library] -= 1
            with self._changed:
                self._inside[library] -= 1
                self._changed.notify_all()

    @contextmanager
    def leaving_open(self, library: Library, opening: Callable[[], Callable[[], None]]) -> Iterator[None]:
        """Leave what `opening` opens open while nobody uses it.

        Args:
            opening: opens something of the library's and returns what closes it; that is called once, at the latest
                when the other library comes.
        """
        with self.using(library):
            close = opening()
            with self._changed:
                self._left_open[close] = library
        try:
            yield
        finally:
            with self.using(library):
                if self._left_open.pop(close, None):
                    close()

    def _close_what_was_left_open_by(self, library: Library) -> None:
        for close in [close for close, whose in self._left_open.items() if whose == library]:
            del self._left_open[close]
            close()


_guards: dict[str, SqliteGuard] = {}


def sqlite_guard(database: str) -> SqliteGuard:
    """The guard of one database file in this process."""
    return _guards.setdefault(_resolved(database), SqliteGuard())


@cache
def _resolved(database: str) -> str:
    """One spelling for one file: a query may read from the warehouse's own."""
    return str(Path(database).resolve())
