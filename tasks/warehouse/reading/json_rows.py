"""JSON Lines: one object a line, every value as text, nested ones as JSON; another line is no row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

import polars as pl

from tasks.warehouse import batches
from tasks.warehouse.batches import ROW, Batch, Broken
from tasks.warehouse.errors import BadFileError
from tasks.warehouse.reading.containers import Container


def read_json_lines(table: Container) -> Iterator[Batch]:
    """The rows of a JSON Lines file, all values as text."""
    with table.text() as file:
        number = 0
        while lines := _lines(file, table.path):
            batch = _json_batch(lines, number)
            number += len(lines)
            if batch.broken or not batch.rows.is_empty():
                yield batch


def _lines(file: IO[bytes], path: Path) -> list[bytes]:
    """The lines of a batch."""
    lines: list[bytes] = []
    left = batches.BATCH_BYTES
    while left > 0 and (line := file.readline(batches.LONGEST_ROW_BYTES + 1)):
        if len(line) > batches.LONGEST_ROW_BYTES:
            raise BadFileError.from_long_row(path, batches.LONGEST_ROW_BYTES)
        lines.append(line)
        left -= len(line)
    return lines


def first_json_rows(table: Container, count: int) -> pl.DataFrame:
    """The first rows, numbered."""
    with table.text() as file:
        return _json_batch([line for line, _ in zip(file, range(count), strict=False)], 0).rows


def _json_batch(lines: list[bytes], before: int) -> Batch:
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    broken: list[Broken] = []
    for number, line in enumerate(lines, before + 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and not _half_characters(line, row):
            rows.append(row)
            numbers.append(number)
        else:
            broken.append(Broken(number, "not a JSON object", line[: batches.SHOWN].decode("utf-8", "replace")))
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    columns = {name: pl.Series(name, [as_text(row.get(name)) for row in rows], dtype=pl.String) for name in names}
    return Batch(pl.DataFrame({**columns, ROW: pl.Series(numbers, dtype=pl.Int64)}), broken)


def _half_characters(line: bytes, row: Any) -> bool:
    """Whether an escape stands for half a character (`\\ud83d` alone), which no text can hold."""
    if b"\\ud" not in line.lower():
        return False
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def as_text(value: Any) -> str | None:
    """A text as it is, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
