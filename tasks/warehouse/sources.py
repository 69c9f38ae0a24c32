"""Files as streams of batches: CSV, Parquet and JSON Lines, a bounded number of bytes at a time.

CSV and JSON Lines values arrive as text, so that one bad value is one rejected row and not a failed file. Rows are
numbered from 1, the first after a header; a line that is no row at all is reported as broken beside its batch.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from tasks.warehouse.errors import BadFileError

ROW = "__row__"
BATCH_BYTES = 32 << 20  # also the longest CSV row that can be read
MOST_ROWS = 50_000
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that is no row."""

    row: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows with their numbers in `ROW`, and the lines between them that were none."""

    rows: pl.DataFrame
    broken: list[Broken] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    """One open file: the columns of its first batch, how many rows it says it has, and its batches, to read once."""

    path: Path
    columns: list[str]
    rows: int | None
    batches: Iterator[Batch]


def open_source(path: Path) -> Source:
    """Open a file by its suffix.

    Raises:
        BadFileError: if it is missing, of another kind, holds no rows, or is not what its suffix says.
    """
    readers = {".csv": _csv, ".parquet": _parquet, ".jsonl": _json_lines, ".ndjson": _json_lines}
    if not path.exists():
        raise BadFileError(path, "no such file")
    if not path.is_file():
        raise BadFileError(path, "not a file; name the files in it")
    if path.suffix.lower() not in readers:
        raise BadFileError(path, f"unknown suffix '{path.suffix}', expected one of {', '.join(readers)}")
    if path.stat().st_size == 0:
        raise BadFileError(path, "is empty")
    total, batches = readers[path.suffix.lower()](path)
    guarded = _guarded(path, batches)
    first = next(guarded, None)
    if first is None:
        raise BadFileError(path, "holds no rows")
    if first.rows.width == 1:  # nothing but the row number
        raise BadFileError(path, f"line {first.broken[0].row} is {first.broken[0].reason}")
    return Source(path, [name for name in first.rows.columns if name != ROW], total, chain([first], guarded))


def _guarded(path: Path, batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches; what a reader throws becomes one line about the file."""
    try:
        yield from batches
    except UnicodeDecodeError as error:
        raise BadFileError(path, "is not UTF-8; save it as UTF-8") from error
    except (pa.ArrowException, OSError) as error:
        line = _first_line_not_utf8(path) if path.suffix.lower() == ".csv" else None
        if line is not None:
            raise BadFileError(path, f"line {line} is not UTF-8; save the file as UTF-8") from error
        raise BadFileError(
            path, f"cannot be read as {path.suffix[1:]}: {str(error).splitlines()[0][:SHOWN]}"
        ) from error


# ── CSV ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _csv(path: Path) -> tuple[int | None, Iterator[Batch]]:
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
        line_number = _first_line_not_utf8(path)
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
        ragged.append(Broken(row.number - 1, reason, (row.text or "")[:SHOWN]))
        return "skip"

    reader = pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(block_size=BATCH_BYTES, use_threads=False),
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


def _first_line_not_utf8(path: Path) -> int | None:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None


# ── Parquet ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def _parquet(path: Path) -> tuple[int | None, Iterator[Batch]]:
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise BadFileError(path, "is not a Parquet file, or was cut short") from error
    return file.metadata.num_rows, _parquet_batches(file)


def _parquet_batches(file: Any) -> Iterator[Batch]:
    held = file.metadata
    size = sum(held.row_group(i).total_byte_size for i in range(held.num_row_groups))
    rows = max(1, min(MOST_ROWS, BATCH_BYTES * held.num_rows // max(size, 1)))
    done = 0
    for batch in file.iter_batches(batch_size=rows):
        frame = pl.DataFrame(pl.from_arrow(batch))
        frame = frame.with_columns(_plain(column) for column in frame.iter_columns())
        yield Batch(frame.with_columns(pl.int_range(done + 1, done + frame.height + 1, dtype=pl.Int64).alias(ROW)))
        done += frame.height


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
        return pl.Series(column.name, [_text(value) for value in column.to_list()], dtype=pl.String)
    return column


# ── JSON Lines ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _json_lines(path: Path) -> tuple[int | None, Iterator[Batch]]:
    return None, _json_batches(path)


def _json_batches(path: Path) -> Iterator[Batch]:
    with path.open("rb") as file:
        number = 0
        while lines := file.readlines(BATCH_BYTES):
            batch = _json_batch(lines, number)
            number += len(lines)
            if batch.broken or not batch.rows.is_empty():
                yield batch


def _json_batch(lines: list[bytes], before: int) -> Batch:
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    broken: list[Broken] = []
    for number, line in enumerate(lines, before + 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and not _half_characters(line, found):
            rows.append(found)
            numbers.append(number)
        else:
            broken.append(Broken(number, "not a JSON object", line[:SHOWN].decode("utf-8", "replace")))
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    columns = {name: pl.Series(name, [_text(row.get(name)) for row in rows], dtype=pl.String) for name in names}
    return Batch(pl.DataFrame({**columns, ROW: pl.Series(numbers, dtype=pl.Int64)}), broken)


def _half_characters(line: bytes, found: Any) -> bool:
    """Whether an escape stands for half a character (`\\ud83d` alone), which no text can hold."""
    if b"\\ud" not in line.lower():
        return False
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
