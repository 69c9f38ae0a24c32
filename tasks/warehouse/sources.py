"""Files as streams of batches: CSV, Parquet and JSON Lines, by suffix, a bounded number of bytes at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa

from tasks.warehouse.batches import ROW, SHOWN, Batch
from tasks.warehouse.csv_rows import first_line_not_utf8, read_csv
from tasks.warehouse.errors import BadFileError
from tasks.warehouse.json_rows import read_json_lines
from tasks.warehouse.parquet_rows import read_parquet


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
    readers = {".csv": read_csv, ".parquet": read_parquet, ".jsonl": read_json_lines, ".ndjson": read_json_lines}
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
        line = first_line_not_utf8(path) if path.suffix.lower() == ".csv" else None
        if line is not None:
            raise BadFileError(path, f"line {line} is not UTF-8; save the file as UTF-8") from error
        raise BadFileError(
            path, f"cannot be read as {path.suffix[1:]}: {str(error).splitlines()[0][:SHOWN]}"
        ) from error
