"""What every reader of files gives: a bounded number of rows at a time, numbered, and the lines that were no rows.

Rows are numbered from 1, the first after a header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

ROW = "__row__"
ATTRIBUTE = "attribute:"  # before the name of a column that is nobody's
# A batch: so many bytes of a file, its rows at most so many. On the way through it stands in memory some 30 times: as
# text, parsed, typed, with features and what they are made of, as Arrow, in the database's own cache.
BATCH_BYTES = 1 << 20
MOST_ROWS = 20_000
LONGEST_ROW_BYTES = 8 << 20
SHOWN = 200  # characters of a value or a message that a person is shown


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that is no row."""

    row: int
    reason: str
    text: str


def rows_of_data(rows: pl.DataFrame, names: Sequence[str], header: Sequence[str]) -> pl.DataFrame:
    """The rows without blank ones, which spreadsheets leave below a table, and without a header that stands again.

    Args:
        names: of the columns of text, in the file's order.
        header: the header row's own cells, which stand again where files were put together.
    """
    if not names:
        return rows
    blank = pl.all_horizontal((pl.col(name).is_null() | (pl.col(name).str.strip_chars() == "")) for name in names)
    if len(names) < 2 or not (rows[names[0]].str.strip_chars() == header[0].strip()).any():
        return rows.filter(~blank)
    cells = zip(names, header, strict=True)
    again = pl.all_horizontal(pl.col(name).str.strip_chars() == cell.strip() for name, cell in cells)
    return rows.filter(~blank & ~again.fill_null(value=False))


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows with their numbers in `ROW`, and what was found between them.

    Attributes:
        rows: the rows.
        broken: lines that were none.
        totals: how many summed up others.
        has_escaped_quotes: whether quotes inside texts were written as `\\"`.
    """

    rows: pl.DataFrame
    broken: list[Broken] = field(default_factory=list)
    totals: int = 0
    has_escaped_quotes: bool = False
