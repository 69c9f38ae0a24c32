"""Files that take what servers and workers print: bounded in size and number, without a line lost as one is full."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from flows.platform.log_lines import json_line

MOST_BYTES, MOST_FILES = 10 * 2**20, 5
LONGEST_LINE = 2**16  # what prints without an end is cut: it may not fill the memory of who reads it


@dataclass(slots=True)
class ChildLog:
    """The log of one child.

    A process that writes to a file itself cannot be told to begin another one, and a file that is copied and emptied
    under its hands loses what came between. So it writes to a pipe, and a thread here writes the file.

    Attributes:
        path: the newest file; `.1` is the one before, and so on.
        source: name of the child, for lines as JSON.
        is_json: every line is JSON.
        most_bytes: a file that would grow beyond is put aside.
        most_files: how many there are at most, the newest included.
    """

    path: Path
    source: str
    is_json: bool = False
    most_bytes: int = MOST_BYTES
    most_files: int = MOST_FILES
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock, init=False)
    _lost: int = field(default=0, init=False)

    def follow(self, printed: IO[bytes]) -> threading.Thread:
        """Take all that comes through a pipe until its last writer is gone, in a thread of its own."""
        thread = threading.Thread(target=self._read, args=(printed,), name=f"log of {self.source}", daemon=True)
        thread.start()
        return thread

    def _read(self, printed: IO[bytes]) -> None:
        with printed:
            while line := printed.readline(LONGEST_LINE):
                self.write(line)

    def write(self, line: bytes) -> None:
        """Write a line. A disk that takes none stops nobody: how many were lost is said as soon as one can be."""
        with self._one_at_a_time:
            try:
                if self._lost:
                    note = f"{self._lost} lines were lost here: the disk took none"
                    self._append(self._as_written(note.encode()))
                    self._lost = 0
                self._append(self._as_written(line))
            except OSError:
                self._lost += 1

    def _as_written(self, line: bytes) -> bytes:
        text = line.rstrip(b"\r\n")
        if self.is_json:
            text = json_line(text.decode(errors="replace"), datetime.now(UTC), self.source).encode()
        return text + b"\n"

    def _append(self, line: bytes) -> None:
        """Opened for each line: whoever deletes or empties the file meanwhile finds a new one, not a hole."""
        with self.path.open("ab") as file:
            is_full = file.tell() > 0 and file.tell() + len(line) > self.most_bytes
            if not is_full:
                file.write(line)
        if is_full:
            self._put_aside()
            with self.path.open("ab") as file:
                file.write(line)

    def _put_aside(self) -> None:
        for number in range(self.most_files - 1, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path
