"""A hash of rows: equal for equal rows in equal order, whatever the database, the batches or the file they came in."""

from __future__ import annotations

import hashlib
from collections import defaultdict

import numpy as np
import polars as pl
import pyarrow as pa


class RowHash:
    """SHA-256 over columns: each column's nulls, lengths (text only) and values are streams of their own.

    Numbers are hashed as little-endian 64 bits, instants as microseconds since 1970, text as UTF-8.
    """

    def __init__(self) -> None:
        self._streams: defaultdict[tuple[str, str], hashlib._Hash] = defaultdict(hashlib.sha256)

    def update(self, rows: pl.DataFrame, same: pa.Table | None = None) -> None:
        """Take in the next rows; their columns must be those of the rows before.

        Where the same rows are there as Arrow too, their texts are hashed as they lie there, and not converted again.
        """
        every = np.ones(rows.height, dtype=np.uint8)
        for column in rows.iter_columns():
            has_nulls = column.null_count() > 0  # most columns have none, and need no copy without them
            known = column.is_not_null().cast(pl.UInt8).to_numpy() if has_nulls else every
            self._streams[column.name, "known"].update(known.data)
            if column.dtype == pl.String:
                text = column.fill_null("") if has_nulls else column
                self._feed(column.name, "length", text.str.len_bytes().cast(pl.UInt32))
                arrays = [text.to_arrow()] if same is None or has_nulls else same[column.name].chunks
                for array in arrays:
                    self._streams[column.name, "value"].update(_bytes(array))
            elif column.dtype.is_float():
                self._feed(column.name, "value", column.fill_null(0.0) + 0.0)  # −0 is 0
            else:
                whole = column.to_physical().cast(pl.Int64)
                self._feed(column.name, "value", whole.fill_null(0) if has_nulls else whole)

    def hexdigest(self) -> str:
        """The hash of all rows so far."""
        whole = hashlib.sha256()
        for (name, part), stream in sorted(self._streams.items()):
            whole.update(f"{name}\0{part}\0{stream.hexdigest()}\n".encode())
        return whole.hexdigest()

    def _feed(self, name: str, part: str, values: pl.Series) -> None:
        self._streams[name, part].update(np.ascontiguousarray(values.to_numpy()).data)


def _bytes(array: pa.LargeStringArray) -> memoryview:
    """The texts one after the other."""
    _, offsets, data = array.buffers()
    if data is None:
        return memoryview(b"")
    ends = memoryview(offsets).cast("q")
    return memoryview(data)[ends[array.offset] : ends[array.offset + len(array)]]
