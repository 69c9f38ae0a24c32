"""Delimited text: every value as text, so that one bad value is one rejected row and not a failed file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import polars as pl

from tasks.warehouse import batches
from tasks.warehouse.batches import ROW, Batch, Broken, another_header, rows_of_data
from tasks.warehouse.errors import BadFileError
from tasks.warehouse.reading.containers import HEAD_BYTES, Container
from tasks.warehouse.reading.header import DELIMITERS, Header
from tasks.warehouse.reading.quotes import ESCAPED, QuoteError, QuoteWatch, Unescaped, escapes_quotes, unescaped
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
    if ESCAPED in head and escapes_quotes([head], DELIMITERS, whole=False):
        head = unescaped(head)
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
    """The rows below a header row, at most `MOST_ROWS` at a time.

    The text is cut at the ends of rows and each piece is parsed for itself: the parser's own stream reads up to 32
    pieces ahead.
    """
    import numpy as np  # as in `quotes`: a look at a file's head can do without

    before = 0
    text = _Text(table, header)
    for piece in text.pieces():
        parsed = _Piece(table.path, header, drop_totals)
        rows = parsed.rows(piece)
        numbers = np.setdiff1d(np.arange(1, rows.height + len(parsed.skipped) + 1), parsed.skipped) + before
        broken = [replace(line, row=line.row + before) for line in parsed.ragged]
        before += rows.height + len(parsed.skipped)
        rows = rows_of_data(rows.with_columns(pl.Series(ROW, numbers, dtype=pl.Int64)), header.names, header.row.cells)
        if (other := another_header(rows, header.names, header.row.cells)) is not None:
            raise BadFileError.from_another_header(table.path, other)
        for place in range(0, max(rows.height, 1), batches.MOST_ROWS):
            part = rows.slice(place, batches.MOST_ROWS)
            yield Batch(part, broken, parsed.totals, text.has_escaped_quotes)
            broken, parsed.totals = [], 0


class _Piece:
    """One piece of text parsed: its rows; which lines held too many or too few values, or were sums below the table."""

    def __init__(self, path: Path, header: Header, drop_totals: bool) -> None:
        self._path, self._header, self._drop_totals = path, header, drop_totals
        self.skipped: list[int] = []
        self.ragged: list[Broken] = []
        self.totals = 0

    def rows(self, piece: bytes) -> pl.DataFrame:
        """All values as text."""
        import pyarrow as pa
        import pyarrow.csv

        columns = [f"c{place}" for place in range(len(self._header.names))]
        try:
            table = pyarrow.csv.read_csv(
                pa.BufferReader(piece),
                memory_pool=pa.system_memory_pool(),  # gives back what it no longer needs
                read_options=pyarrow.csv.ReadOptions(
                    block_size=len(piece) + 1, use_threads=False, column_names=columns
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=self._header.delimiter, newlines_in_values=True, invalid_row_handler=self._skip
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(columns, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return pl.DataFrame(schema=dict.fromkeys(self._header.names, pl.String))
            raise
        return pl.DataFrame(pl.from_arrow(table.rename_columns(self._header.names)))

    def _skip(self, row: Any) -> str:
        text = (row.text or "")[: batches.SHOWN]
        self.skipped.append(row.number)
        cells = next(csv.reader([row.text or ""], delimiter=self._header.delimiter), [])
        if self._drop_totals and is_total(cells):
            self.totals += 1
        elif any(cell.strip() for cell in cells):
            reason = f"{row.actual_columns} values, expected {row.expected_columns}"
            self.ragged.append(Broken(row.number, reason, text))
        return "skip"


class _Text:
    """The text below the header row, in pieces that end where rows end; quotes are watched as it passes.

    A following table, which begins with a comment, ends it.
    """

    def __init__(self, table: Container, header: Header) -> None:
        self._table, self._header = table, header
        self._watch = QuoteWatch(header.delimiter)
        self._until_comment = any(line.startswith("#") for line in header.preamble)
        self._change = Unescaped(active=False)
        self._was_told = False

    @property
    def has_escaped_quotes(self) -> bool:
        """Whether quotes inside texts are written as `\\"`, as far as was read."""
        return self._change.active

    def pieces(self) -> Iterator[bytes]:
        """Each at most a batch long, unless a row is longer.

        Raises:
            BadFileError: if quotes do not pair, or a row is longer than a batch may be.
        """
        held, passed = b"", 0
        with _below(self._table, self._header) as stream:
            ended = False
            while not ended:
                block = _read(stream, batches.BATCH_BYTES)
                ended = len(block) < batches.BATCH_BYTES
                block, ended = self._watched(block, ended)
                held += block
                end = len(held) if ended else self._watch.row_end - passed
                if end:
                    yield held[:end]
                elif len(held) > batches.LONGEST_ROW_BYTES:
                    raise BadFileError.from_long_row(self._table.path, batches.LONGEST_ROW_BYTES)
                held, passed = held[end:], passed + end

    def _watched(self, block: bytes, ended: bool) -> tuple[bytes, bool]:
        """The block once its quotes were looked at, cut at a following table; and whether the text ends with it."""
        block = self._change.feed(block, ended=ended)
        if ESCAPED in block and not self._was_told:
            self._was_told = True
            with _below(self._table, self._header) as whole:
                blocks = iter(partial(_read, whole, batches.BATCH_BYTES), b"")
                self._change.active = escapes_quotes(blocks, self._header.delimiter, whole=True)
            block = unescaped(block) if self._change.active else block
        try:
            if self._until_comment:
                return self._before_comment(block, ended)
            self._watch.feed(block)
            if ended:
                self._watch.finish()
        except QuoteError as error:
            raise _unpaired(self._table, self._header, error) from None
        return block, ended

    def _before_comment(self, block: bytes, ended: bool) -> tuple[bytes, bool]:
        lines = block.splitlines(keepends=True)
        for place, line in enumerate(lines):
            if line.startswith(b"#") and self._watch.at_row_start:
                return b"".join(lines[:place]), True
            self._watch.feed(line)
        if ended:
            self._watch.finish()
        return block, ended


def _below(table: Container, header: Header) -> IO[bytes]:
    """The text below the header row."""
    stream = table.text()
    for _ in range(header.row.end):
        stream.readline()
    return stream


def _unpaired(table: Container, header: Header, error: QuoteError) -> BadFileError:
    """Where the quote opens, by line of the file and row of the table."""
    with _below(table, header) as stream:
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
