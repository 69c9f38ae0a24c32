"""Rows that come with types, from Parquet or a database, as frames of values that text files know too."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa

from tasks.warehouse.arrow import storage
from tasks.warehouse.calendar_range import clamped
from tasks.warehouse.reading.json_rows import as_text

NESTED = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_struct,
    pa.types.is_map,
)


def frame_of(batch: Any) -> pl.DataFrame:
    """A record batch or table; bytes, durations and nested values as text, instants such that each can be printed."""
    table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
    uuids = [field.name for field in table.schema if isinstance(field.type, pa.UuidType)]
    table = storage(table)
    for place, field in enumerate(table.schema):
        written = _with_printed_instants(field.type) if any(is_it(field.type) for is_it in NESTED) else field.type
        if written != field.type:
            table = table.set_column(place, field.name, table.column(place).cast(written))
    frame = pl.DataFrame(pl.from_arrow(table)).with_columns(_uuid(name) for name in uuids)
    return frame.with_columns(_plain(column) for column in frame.iter_columns())


def _uuid(name: str) -> pl.Expr:
    """Sixteen bytes as people write them."""
    digits = pl.col(name).cast(pl.Binary).bin.encode("hex")
    lengths, starts = (8, 4, 4, 4, 12), (0, 8, 12, 16, 20)
    parts = [digits.str.slice(start, length) for start, length in zip(starts, lengths, strict=True)]
    return pl.concat_str(parts, separator="-").alias(name)


def _with_printed_instants(dtype: Any) -> Any:
    """A nested type with text in place of dates and timestamps: Arrow prints even those that no calendar holds."""
    if pa.types.is_timestamp(dtype) or pa.types.is_date(dtype):
        return pa.string()
    if pa.types.is_struct(dtype):
        return pa.struct([field.with_type(_with_printed_instants(field.type)) for field in dtype])
    if pa.types.is_map(dtype):
        return pa.map_(_with_printed_instants(dtype.key_type), _with_printed_instants(dtype.item_type))
    if pa.types.is_fixed_size_list(dtype):
        return pa.list_(_with_printed_instants(dtype.value_type), dtype.list_size)
    if pa.types.is_list(dtype):
        return pa.list_(_with_printed_instants(dtype.value_type))
    return pa.large_list(_with_printed_instants(dtype.value_type)) if pa.types.is_large_list(dtype) else dtype


def _plain(column: pl.Series) -> pl.Series:
    """Values of types that text files do not know, as text: bytes, durations, and lists of such."""
    dtype = column.dtype
    if dtype == pl.Binary:  # many writers leave text unmarked
        try:
            return column.cast(pl.String)
        except pl.exceptions.ComputeError:
            return column.bin.encode("base64")
    if dtype == pl.Duration:
        return column.dt.total_seconds(fractional=True)
    if dtype.is_nested():
        return pl.Series(column.name, [as_text(value) for value in column.to_list()], dtype=pl.String)
    return clamped(column)
