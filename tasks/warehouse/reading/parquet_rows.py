"""Parquet: typed values, see `typed_rows`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from tasks.warehouse import batches
from tasks.warehouse.batches import ROW, Batch
from tasks.warehouse.errors import BadFileError
from tasks.warehouse.reading.containers import Container
from tasks.warehouse.typed_rows import frame_of

PAGE_BYTES = 1 << 16  # read ahead in each column; without it all of a row group is in memory


def read_parquet(table: Container) -> tuple[int | None, Iterator[Batch]]:
    """The number of rows of a Parquet file, and the rows."""
    import pyarrow as pa
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(table.opener() if table.packing else table.path, buffer_size=PAGE_BYTES)
    except (pa.ArrowException, OSError) as error:
        raise BadFileError(table.path, "is not a Parquet file, or was cut short") from error
    return file.metadata.num_rows, _parquet_batches(file)


def _parquet_batches(file: Any) -> Iterator[Batch]:
    held = file.metadata
    size = sum(held.row_group(i).total_byte_size for i in range(held.num_row_groups))
    rows = max(1, min(batches.MOST_ROWS, batches.BATCH_BYTES * held.num_rows // max(size, 1)))
    done = 0
    for batch in file.iter_batches(batch_size=rows):
        frame = frame_of(batch)
        yield Batch(frame.with_columns(pl.int_range(done + 1, done + frame.height + 1, dtype=pl.Int64).alias(ROW)))
        done += frame.height
