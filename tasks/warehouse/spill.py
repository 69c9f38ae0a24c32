"""Rows put aside on disk between being checked and being written.

The file has no name: a killed process leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile

import polars as pl

from tasks.private_files import private_folder
from tasks.warehouse.batches import MOST_ROWS


class Spill:
    """Frames in the order they were added; to be read as often as wanted. A context manager."""

    def __init__(self, folder: Path) -> None:
        self._file = TemporaryFile(dir=private_folder(folder))  # noqa: SIM115  it lives as long as this object
        self._sizes: list[int] = []

    def __enter__(self) -> Spill:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, frame: pl.DataFrame) -> None:
        """Put rows aside."""
        for part in frame.iter_slices(MOST_ROWS):
            buffer = BytesIO()
            part.write_ipc_stream(buffer, compression="lz4")
            self._sizes.append(self._file.write(buffer.getbuffer()))

    def frames(self) -> Iterator[pl.DataFrame]:
        """The rows as they were added, at most `MOST_ROWS` at a time."""
        self._file.seek(0)
        for size in self._sizes:
            yield pl.read_ipc_stream(BytesIO(self._file.read(size)))
