"""JSON Lines: one object a line, every value as text, nested ones as JSON; another line is no row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any

import polars as pl

from tasks.warehouse import batches
from tasks.warehouse.batches import ROW, Batch, Broken
from tasks.warehouse.reading.containers import Container

TOO_LONG = f"longer than {batches.LONGEST_ROW_BYTES >> 20} MiB"


def read_json_lines(table: Container) -> Iterator[Batch]:
    """The rows of a JSON Lines file, all values as text."""
    with table.text() as file:
        number = 0
        while lines := _lines(file):
            batch = _json_batch(lines, number)
            number += len(lines)
            if batch.broken or not batch.rows.is_empty():
                yield batch


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a file; of one that is longer than any row, its beginning."""

    text: bytes
    is_whole: bool = True


def _lines(file: IO[bytes]) -> list[_Line]:
    """The lines of a batch."""
    lines: list[_Line] = []
    left = batches.BATCH_BYTES
    while left > 0 and (text := file.readline(batches.LONGEST_ROW_BYTES + 1)):
        is_whole = len(text) <= batches.LONGEST_ROW_BYTES
        lines.append(_Line(text if is_whole else text[: batches.SHOWN], is_whole))
        left -= len(text)
        while text and not text.endswith(b"\n"):  # the rest of the line, read and left
            text = file.readline(batches.LONGEST_ROW_BYTES)
    return lines


def first_json_rows(table: Container, count: int) -> pl.DataFrame:
    """The first rows, numbered."""
    with table.text() as file:
        return _json_batch([_Line(line) for line, _ in zip(file, range(count), strict=False)], 0).rows


def _json_batch(lines: list[_Line], before: int) -> Batch:
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    broken: list[Broken] = []
    for number, line in enumerate(lines, before + 1):
        if not line.text.strip():
            continue
        try:
            row = json.loads(line.text) if line.is_whole else None
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and not _half_characters(line.text, row):
            rows.append(row)
            numbers.append(number)
        else:
            reason = "not a JSON object" if line.is_whole else TOO_LONG
            broken.append(Broken(number, reason, line.text[: batches.SHOWN].decode("utf-8", "replace")))
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
