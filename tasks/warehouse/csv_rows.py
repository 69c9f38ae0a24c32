"""CSV: every value as text, so that one bad value is one rejected row and not a failed file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv

from tasks.warehouse import batches
from tasks.warehouse.batches import ROW, Batch, Broken
from tasks.warehouse.errors import BadFileError


def read_csv(path: Path) -> tuple[int | None, Iterator[Batch]]:
    """The rows of a CSV file, all values as text; their number is not known before they were read."""
    names, delimiter = _header(path)
    return None, _csv_batches(path, names, delimiter)


def _header(path: Path) -> tuple[list[str], str]:
    """Column names as written, and the delimiter that divides them: comma, semicolon or tab."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            line = lines.readline()
            delimiter = max(",;\t", key=line.count)
            lines.seek(0)
            names = next(csv.reader(lines, delimiter=delimiter), [])
    except UnicodeDecodeError as error:
        line_number = first_line_not_utf8(path)
        raise BadFileError(path, f"line {line_number} is not UTF-8; save the file as UTF-8") from error
    stripped = [name.strip() for name in names]
    for name in stripped:
        if stripped.count(name) > 1:
            raise BadFileError(path, f"column '{name}' stands twice in the header")
    return names, delimiter


def _csv_batches(path: Path, names: list[str], delimiter: str) -> Iterator[Batch]:
    ragged: list[Broken] = []

    def skip(row: Any) -> str:
        reason = f"{row.actual_columns} values, expected {row.expected_columns}"
        ragged.append(Broken(row.number - 1, reason, (row.text or "")[: batches.SHOWN]))
        return "skip"

    reader = pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(block_size=batches.BATCH_BYTES, use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    renamed = [name.strip() or f"column_{place}" for place, name in enumerate(names, 1)]
    last = 0
    for batch in reader:
        rows = pl.DataFrame(pl.from_arrow(pa.table(batch).rename_columns(renamed)))
        numbers = _numbers(last, rows.height, [line.row for line in ragged])
        last = int(numbers[-1]) if rows.height else last
        passed = [line for line in ragged if line.row < last]
        ragged[:] = ragged[len(passed) :]
        yield Batch(rows.with_columns(pl.Series(ROW, numbers, dtype=pl.Int64)), passed)
    if ragged:
        nothing = pl.DataFrame(schema=dict.fromkeys(renamed, pl.String) | {ROW: pl.Int64})
        yield Batch(nothing, ragged)


def _numbers(last: int, height: int, skipped: list[int]) -> Any:
    """The `height` row numbers after `last` that were not skipped; the parser may have skipped further ahead."""
    numbers = np.arange(last + 1, last + height + len(skipped) + 1)
    return numbers[~np.isin(numbers, skipped)][:height]


def first_line_not_utf8(path: Path) -> int | None:
    """The first line that is not UTF-8, if there is one."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None
