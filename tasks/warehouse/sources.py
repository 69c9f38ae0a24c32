"""Files as streams of batches: a bounded number of bytes at a time, whatever they are packed in."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import polars as pl

from tasks.warehouse import batches
from tasks.warehouse.batches import ROW, SHOWN, Batch, another_header, rows_of_data
from tasks.warehouse.errors import BadFileError
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.reading.containers import Container, chosen, containers, first_line_not_in
from tasks.warehouse.reading.excel_rows import read_sheet
from tasks.warehouse.reading.header import Header, Heads, Row, find_header, our_names, unique_names
from tasks.warehouse.reading.json_rows import read_json_lines
from tasks.warehouse.reading.pages import PAGE_TEXT, has_pages, with_pages
from tasks.warehouse.reading.text_rows import head_of, read_text

SHEET_HEAD_ROWS = 500


@dataclass(frozen=True, slots=True)
class Source:
    """One open file: the columns of its first batch, how many rows it says it has, and its batches, to read once.

    Attributes:
        path: the file.
        columns: their names, as a mapping says them.
        rows: how many it says it has; None where nobody knows before they were read.
        batches: the rows.
        table: which table of the file it is, and its encoding.
        header: its header row; None where the kind of file has none.
        others: tables of the file that were left alone.
    """

    path: Path
    columns: list[str]
    rows: int | None
    batches: Iterator[Batch]
    table: Container | None = None
    header: Header | None = None
    others: tuple[str, ...] = field(default=())

    @property
    def preamble(self) -> str:
        """The text above the table."""
        return "\n".join(self.header.preamble) if self.header is not None else ""

    @property
    def repeated(self) -> frozenset[str]:
        """Column names that stand more than once."""
        return self.header.repeated if self.header is not None else frozenset()

    def header_below(self, wanted: Sequence[str]) -> int | None:
        """The line, from 0, of a later row of the text that holds all these names."""
        if self.table is None or self.table.kind != "text":
            return None
        header = find_header(Heads.of(head_of(self.table)), wanted, {}, skip_rows=0, search=True)
        return header.row.line if header.complete else None


@dataclass(frozen=True, slots=True)
class Located:
    """A table of a file and its header row; a sheet's cells, which have to be read to find it, come along."""

    table: Container
    header: Header | None
    cells: pl.DataFrame | None = None

    @property
    def fits(self) -> bool:
        """Whether it has all columns that were looked for."""
        return self.header is None or self.header.complete


def open_source(path: Path, mapping: Mapping | None = None) -> Source:
    """Open a file by what it is.

    Raises:
        BadFileError: if it is missing, of another kind, holds no rows, or is not what its name says.
    """
    mapping = mapping or Mapping()
    located, others = locate(path, mapping)
    total, rows = read(located, mapping)
    guarded = _guarded(path, rows)
    first = next(guarded, None)
    if first is None:
        raise BadFileError(path, _empty(located))
    if first.rows.width == 1:  # nothing but the row number
        line = first.broken[0]
        array = ", but the beginning of a list; write one object a line" if line.text.startswith("[") else ""
        raise BadFileError(path, f"line {line.row} is {line.reason}{array}")
    columns = [name for name in first.rows.columns if name != ROW]
    if mapping.pages in columns and has_pages(located.table):
        batches_read = with_pages(chain([first], guarded), located.table, mapping.pages)
        return Source(path, [*columns, PAGE_TEXT], total, batches_read, located.table, located.header, others)
    return Source(path, columns, total, chain([first], guarded), located.table, located.header, others)


def locate(path: Path, mapping: Mapping) -> tuple[Located, tuple[str, ...]]:
    """The table that a mapping is about, and the names of the file's other tables.

    Raises:
        BadFileError: if there is none, or several that it could be.
    """
    tables = chosen(path, containers(path, mapping.encoding), mapping.table)
    located = [_located(table, mapping) for table in tables]
    if len(located) == 1:
        return located[0], ()
    fitting = [one for one in located if one.fits] if mapping.wanted else located
    if len(fitting) != 1:
        fitting = [one for one in fitting if one.table.name == Path(one.table.name).name] or fitting
    if len(fitting) != 1:
        names = ", ".join(f"'{one.table.name}'" for one in (fitting or located)[:20])
        what = "none of which has all columns needed" if not fitting else "any of which it could be"
        raise BadFileError(path, f"holds the tables {names}, {what}; say `table:` in a mapping file")
    return fitting[0], tuple(one.table.name for one in located if one is not fitting[0])


def _located(table: Container, mapping: Mapping) -> Located:
    if table.kind == "text":
        return located_in(Head(table, Heads.of(head_of(table))), mapping)
    if table.kind == "excel":
        cells = read_sheet(table.path, table.opener, table.name)
        return located_in(Head(table, sheet_head(cells), cells), mapping)
    return Located(table, None)


@dataclass(frozen=True, slots=True)
class Head:
    """A table and its first rows; a sheet's cells come along."""

    table: Container
    heads: Heads
    cells: pl.DataFrame | None = None


def sheet_head(cells: pl.DataFrame) -> Heads:
    """The first rows of a sheet."""
    rows = enumerate(cells.head(SHEET_HEAD_ROWS).rows())
    return Heads({",": [Row([cell or "" for cell in row], place, place + 1) for place, row in rows]})


def located_in(head: Head, mapping: Mapping) -> Located:
    """The header row of a table that a mapping is about.

    Where the first row lacks columns, a later one that holds them all is it, unless a row above it is as wide: it may
    be a row of a table, or below another one, which is left out only where a mapping says so.
    """
    skip, search = mapping.skip_rows, mapping.skip_until_header
    header = find_header(head.heads, mapping.wanted, mapping.aliases, skip, search)
    if mapping.wanted and not header.complete and not search:
        below = find_header(head.heads, mapping.wanted, mapping.aliases, skip, search=True)
        header = below if below.complete and below.is_widest else header
    return Located(head.table, header, head.cells)


def read(located: Located, mapping: Mapping) -> tuple[int | None, Iterator[Batch]]:
    """How many rows a table says it has, and the rows."""
    table, header = located.table, located.header
    if table.kind == "json":
        return None, with_our_names(read_json_lines(table), mapping)
    if table.kind == "parquet":
        from tasks.warehouse.reading.parquet_rows import read_parquet  # brings pyarrow, which a look can do without

        total, rows = read_parquet(table)
        return total, with_our_names(rows, mapping)
    assert header is not None
    if located.cells is not None:
        return located.cells.height - header.row.end, _sheet_rows(table.path, located.cells, header)
    return None, read_text(table, header, mapping.totals is not None) if header.names else iter(())


def _sheet_rows(path: Path, cells: pl.DataFrame, header: Header) -> Iterator[Batch]:
    below = cells[header.row.end :]
    rows = below.rename(dict(zip(below.columns, header.names, strict=True)))
    rows = rows.with_columns(pl.int_range(1, rows.height + 1, dtype=pl.Int64).alias(ROW))
    rows = rows_of_data(rows, header.names, header.row.cells)
    if (other := another_header(rows, header.names, header.row.cells)) is not None:
        raise BadFileError.from_another_header(path, other)
    for part in rows.iter_slices(batches.MOST_ROWS):
        if part.height:
            yield Batch(part)


def with_our_names(rows: Iterator[Batch], mapping: Mapping) -> Iterator[Batch]:
    """The same batches, columns by the names a mapping uses."""
    for batch in rows:
        names = [name for name in batch.rows.columns if name != ROW]
        ours, _ = unique_names(our_names(names, mapping.aliases))
        changed = {theirs: ours for theirs, ours in zip(names, ours, strict=True) if theirs != ours}
        yield Batch(batch.rows.rename(changed), batch.broken) if changed else batch


def _empty(located: Located) -> str:
    header = located.header
    if header is None or not header.names:
        return "holds no rows"
    only = [name for name in header.names if name]
    if len(only) == 1 and not header.preamble:
        return f"holds no rows; its only line is '{only[0][:SHOWN]}'"
    return "holds no rows"


def _guarded(path: Path, rows: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches; what a reader throws becomes one line about the file."""
    import pyarrow as pa

    try:
        yield from rows
    except UnicodeDecodeError as error:
        raise BadFileError(path, "is not UTF-8; save it as UTF-8") from error
    except (EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise BadFileError(path, "was cut short or is damaged; download it again") from error
    except (pa.ArrowException, OSError) as error:
        line = _line_not_utf8(path) if path.suffix.lower() in (".csv", ".tsv", ".txt") else None
        if line is not None:
            raise BadFileError(path, f"line {line} is not UTF-8; save the file as UTF-8") from error
        problem = str(error).splitlines()[0][:SHOWN] if str(error) else type(error).__name__
        raise BadFileError(path, f"cannot be read as {path.suffix[1:]}: {problem}") from error


def _line_not_utf8(path: Path) -> int | None:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if first_line_not_in(line) is not None:
                return number
    return None
