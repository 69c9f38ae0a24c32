"""Rows put aside on disk: between being checked and being written, and to be compared with others of their file.

The files have no names: a killed process leaves nothing behind. Memory is bounded, however long a file of a person's.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
import polars as pl

from tasks.private_files import private_folder
from tasks.warehouse.batches import MOST_ROWS

PART = "__part__"
PARTS = 64
ROWS_AT_A_TIME = 50_000


class Spill:
    """Frames in the order they were added; to be read as often as wanted. A context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: IO[bytes] = TemporaryFile(dir=private_folder(folder))  # noqa: SIM115  it lives as long as this object
        self._sizes: list[int] = []

    def __enter__(self) -> Spill:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, frame: pl.DataFrame) -> None:
        """Put rows aside."""
        self._sizes += [_written(part, self._file) for part in frame.iter_slices(MOST_ROWS)]

    def frames(self) -> Iterator[pl.DataFrame]:
        """The rows as they were added, at most `MOST_ROWS` at a time."""
        self._file.seek(0)
        for size in self._sizes:
            yield pl.read_ipc_stream(BytesIO(self._file.read(size)))


class Partitions:
    """Rows put aside by a key: those with equal keys come back together, some `ROWS_AT_A_TIME` at a time.

    A context manager. Few rows stay in memory.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._held: list[pl.DataFrame] = []
        self._rows_held = 0
        self._places: list[list[tuple[int, int]]] = [[] for _ in range(PARTS)]

    def __enter__(self) -> Partitions:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, frame: pl.DataFrame, key: pl.Expr) -> None:
        """Put rows aside; `key` is an unsigned hash of what belongs together."""
        self._held.append(frame.with_columns((key % PARTS).cast(pl.UInt8).alias(PART)))
        self._rows_held += frame.height
        if self._rows_held >= ROWS_AT_A_TIME:
            self._put_aside()

    def groups(self) -> Iterator[pl.DataFrame]:
        """All rows, those that belong together in one frame; to be read once."""
        if self._file is None:
            if self._held:
                yield _together(self._held)
            return
        self._put_aside()
        waiting: list[pl.DataFrame] = []
        for part in range(PARTS):
            waiting += self._read(part)
            if sum(frame.height for frame in waiting) >= ROWS_AT_A_TIME:
                yield _together(waiting)
                waiting = []
        if waiting:
            yield _together(waiting)

    def _put_aside(self) -> None:
        if self._file is None:
            self._file = TemporaryFile(dir=private_folder(self._folder))  # noqa: SIM115  closed at the end
        held, self._held, self._rows_held = self._held, [], 0
        if not held:
            return
        for (part,), rows in pl.concat(held, how="diagonal_relaxed").partition_by(PART, as_dict=True).items():
            place = self._file.tell()
            self._places[part].append((place, _written(rows, self._file)))

    def _read(self, part: int) -> Iterator[pl.DataFrame]:
        assert self._file is not None, "rows were put aside"
        for place, size in self._places[part]:
            self._file.seek(place)
            yield pl.read_ipc_stream(BytesIO(self._file.read(size)))


class RowSet:
    """Numbers of rows, a bit each."""

    def __init__(self) -> None:
        self._bits = np.zeros(1, dtype=np.uint8)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, rows: pl.Series) -> None:
        """Take rows in."""
        numbers = rows.to_numpy()
        if not len(numbers):
            return
        missing = int(numbers.max()) // 8 + 1 - len(self._bits)
        if missing > 0:
            self._bits = np.concatenate([self._bits, np.zeros(missing + len(self._bits), dtype=np.uint8)])
        np.bitwise_or.at(self._bits, numbers >> 3, (1 << (numbers & 7)).astype(np.uint8))
        self._count = int(np.bitwise_count(self._bits).sum())

    def holds(self, rows: pl.Series) -> pl.Series:
        """Which of these rows are in it."""
        numbers = rows.to_numpy()
        bytes_of = self._bits[np.minimum(numbers >> 3, len(self._bits) - 1)]
        return pl.Series((numbers < 8 * len(self._bits)) & ((bytes_of >> (numbers & 7)) & 1 == 1))


def _together(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames, how="diagonal_relaxed").drop(PART)


def _written(frame: pl.DataFrame, file: IO[bytes]) -> int:
    buffer = BytesIO()
    frame.write_ipc_stream(buffer, compression="lz4")
    return file.write(buffer.getbuffer())
