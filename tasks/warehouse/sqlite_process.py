"""Many rows of a SQLite file as Arrow, three times as fast as through Python's sqlite3: ADBC in a process of its own.

It has the file's locks for itself, see `sqlite_file.py`. It starts in a tenth of a second and waits for the next who
asks, with no file open; its standard input ends with this process, and so does it.
"""

from __future__ import annotations

import atexit
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

import pyarrow as pa

from tasks.warehouse.sqlite_file import BUSY_TIMEOUT_SECONDS

PROGRAM = "tasks.warehouse.sqlite_process_main"  # run as a file: as a module it would import what stands above it

_waiting: list[subprocess.Popen[bytes]] = []  # at most one; its methods take and give it in one step, from any thread


class SqliteProcess:
    """Selects that all see the rows of one moment. A context manager, for one thread at a time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._in_step = False

    def __enter__(self) -> SqliteProcess:
        self._process = _one_that_waits() or _started()
        try:
            self._ask({"open": self._path, "busy_timeout": BUSY_TIMEOUT_SECONDS * 1000})
        except BaseException:
            _ended(self._process)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        keeps = self._in_step and not _waiting
        try:
            if keeps:
                self._ask({"close": self._path})
        finally:
            if keeps and self._in_step:
                _waiting.append(self._process)
            else:
                _ended(self._process)

    def fetch(self, sql: str, parameters: Sequence[Any]) -> pa.Table:
        """The rows of a select with positional parameters, column types as the driver infers them.

        Raises:
            sqlite3.OperationalError: if SQLite refuses, or the process ended.
        """
        self._ask({"sql": sql, "parameters": [*parameters]})
        self._in_step = False
        with pa.ipc.open_stream(pa.PythonFile(self._process.stdout, mode="r")) as rows:
            table = rows.read_all()
        self._in_step = True
        return table

    def _ask(self, question: dict[str, Any]) -> None:
        """Send a question and wait for the word that it was done; whoever is interrupted meanwhile is out of step."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in_step = False
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        problem = json.loads(answer)["error"] if answer else "the process that reads for this one has ended"
        if problem is not None:
            self._in_step = bool(answer)
            raise sqlite3.OperationalError(problem)
        self._in_step = True


def _started() -> subprocess.Popen[bytes]:
    program = find_spec(PROGRAM)
    assert program is not None
    assert program.origin is not None
    return subprocess.Popen([sys.executable, "-P", program.origin], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _one_that_waits() -> subprocess.Popen[bytes] | None:
    while _waiting:
        try:
            process = _waiting.pop()
        except IndexError:  # another thread was faster
            return None
        if process.poll() is None:
            return process
    return None


def _ended(process: subprocess.Popen[bytes]) -> None:
    """End it: it only reads, so nothing is lost."""
    process.kill()
    process.wait()
    _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with suppress(BrokenPipeError):  # a question that nobody was there to take
            pipe.close()


def _leave_to_parent() -> None:
    """After a fork: the process that waits belongs to the parent, and has to end with it."""
    while _waiting:
        _close(_waiting.pop())


def _end_waiting() -> None:
    while _waiting:
        _ended(_waiting.pop())


atexit.register(_end_waiting)
os.register_at_fork(after_in_child=_leave_to_parent)
