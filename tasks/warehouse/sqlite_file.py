"""A SQLite file as this process opens it: through Python's sqlite3, and through nothing else.

File locks belong to a process. Two copies of SQLite in one process, such as Python's and the one that ADBC brings, do
not see each other's, and whichever closes the file drops the other's: rows and files were lost
(https://www.sqlite.org/howtocorrupt.html, section 2.2.1). Programs of others use Python's too, so a notebook may open
the warehouse beside us. What wants ADBC's speed asks another process for it, see `sqlite_process.py`.
"""

from __future__ import annotations

import sqlite3

BUSY_TIMEOUT_SECONDS = 60
MAPPED_BYTES = 1 << 40  # all of the file: rows of one workspace lie scattered, a system call each costs as much


def open_to_read(path: str) -> sqlite3.Connection:
    """A connection that cannot write, with one transaction begun; to be used by one thread at a time."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
    connection.execute("PRAGMA query_only = ON")
    connection.execute("BEGIN")
    return connection
