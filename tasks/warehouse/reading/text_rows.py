"""Delimited text: every value as text, so that one bad value is one rejected row and not a failed file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl

from tasks.warehouse import batches
from tasks.warehouse.batches import ROW, Batch, Broken
from tasks.warehouse.errors import BadFileError
from tasks.warehouse.reading.containers import HEAD_BYTES, Container
from tasks.warehouse.reading.header import Header
from tasks.warehouse.reading.quotes import QuoteError, QuoteWatch
from tasks.warehouse.reading.totals import is_total

LONGEST_HEADER = 4 << 20


def head_of(table: Container) -> str:
    """The beginning of the text, without the line that was cut."""
    with table.text() as stream:
        head = _read(stream, HEAD_BYTES)
        if len(head) == HEAD_BYTES and b"\n" not in head and b"\r" not in head:
            head += _read(stream, LONGEST_HEADER)  # one row of very many columns
    if len(head) >= HEAD_BYTES:
        head = head[: head.rfind(b"\n") + 1] or head
    return head.decode("utf-8", "replace")


def _read(stream: IO[bytes], size: int) -> bytes:
    """So many bytes, or all there are; a packed stream gives fewer at a time."""
    parts: list[bytes] = []
    left = size
    while left and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def read_text(table: Container, header: Header, drop_totals: bool) -> Iterator[Batch]:
    """The rows below a header row."""
    import pyarrow as pa
    import pyarrow.csv

    names, delimiter = header.names, header.delimiter
    skipped: list[int] = []  # rows that hold too many or too few values, and sums below the table
    ragged: list[Broken] = []
    totals = 0

    def skip(row: Any) -> str:
        nonlocal totals
        text = (row.text or "")[: batches.SHOWN]
        skipped.append(row.number)
        if drop_totals and is_total(next(csv.reader([row.text or ""], delimiter=delimiter), [])):
            totals += 1
        else:
            reason = f"{row.actual_columns} values, expected {row.expected_columns}"
            ragged.append(Broken(row.number, reason, text))
        return "skip"

    stream = _Watched(table, header)
    columns = [f"c{place}" for place in range(len(names))]
    try:
        reader = pyarrow.csv.open_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=pyarrow.csv.ReadOptions(
                block_size=batches.BATCH_BYTES, use_threads=False, column_names=columns
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return
        raise _clearer(table.path, error) from error
    last = 0
    with stream:
        for batch in _batches(reader, table.path):
            rows = pl.DataFrame(pl.from_arrow(pa.table(batch).rename_columns(names)))
            numbers = _numbers(last, rows.height, skipped)
            last = int(numbers[-1]) if rows.height else last
            passed = [line for line in ragged if line.row < last]
            ragged[:] = ragged[len(passed) :]
            left_out, totals = totals, 0
            yield Batch(rows.with_columns(pl.Series(ROW, numbers, dtype=pl.Int64)), passed, left_out)
    if ragged or totals:
        nothing = pl.DataFrame(schema=dict.fromkeys(names, pl.String) | {ROW: pl.Int64})
        yield Batch(nothing, ragged, totals)


def _batches(reader: Any, path: Path) -> Iterator[Any]:
    import pyarrow as pa

    try:
        yield from reader
    except pa.ArrowInvalid as error:
        raise _clearer(path, error) from error


def _clearer(path: Path, error: Exception) -> Exception:
    """What the parser says of a row longer than a block, in words; anything else as it is."""
    if "straddling" in str(error):
        return BadFileError(path, f"a row is longer than {batches.BATCH_BYTES >> 20} MiB; no post is, look for a quote")
    return error


def _numbers(last: int, height: int, skipped: Sequence[int]) -> Any:
    """The `height` row numbers after `last` that were not skipped; the parser may have skipped further ahead."""
    numbers = np.arange(last + 1, last + height + len(skipped) + 1)
    return numbers[~np.isin(numbers, skipped)][:height]


class _Watched(io.RawIOBase):
    """The text below the header row; quotes are watched as it passes, and a following table ends it."""

    def __init__(self, table: Container, header: Header) -> None:
        self._table, self._header = table, header
        self._stream = table.text()
        for _ in range(header.row.end):
            self._stream.readline()
        self._watch: QuoteWatch | None = QuoteWatch(header.delimiter)
        self._until_comment = any(line.startswith("#") for line in header.preamble)
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = b"" if self._ended else _read(self._stream, size if size >= 0 else 1 << 62)
        if self._until_comment and (place := (b"\n" + block).find(b"\n#")) >= 0:
            block, self._ended = block[:place], True
        if self._watch is not None:
            try:
                self._watch.feed(block)
                if len(block) < size or not block:
                    watch, self._watch = self._watch, None
                    watch.finish()
            except QuoteError as error:
                raise _unpaired(self._table, self._header, error) from None
        return block

    def close(self) -> None:
        self._stream.close()
        super().close()


def _unpaired(table: Container, header: Header, error: QuoteError) -> BadFileError:
    """Where the quote opens, by line of the file and row of the table."""
    with table.text() as stream:
        for _ in range(header.row.end):
            stream.readline()
        above = _read(stream, error.opened)
        between = b"" if error.closed is None else _read(stream, error.closed - error.opened)
    text = above.decode("utf-8", "replace")
    row = sum(1 for _ in csv.reader(io.StringIO(text, newline=""), delimiter=header.delimiter))
    row += 1 if not text or text.endswith(("\n", "\r")) else 0
    line = header.row.end + above.count(b"\n") + 1
    if error.closed is None:
        problem = "a quote opens that nothing closes, and all rows after it are part of one text"
    else:
        problem = (
            f"a quote opens, and where it would close, in line {line + between.count(chr(10).encode())}, text follows"
        )
    return BadFileError(table.path, f"row {row} (line {line}): {problem}; write quotes inside a text twice")
