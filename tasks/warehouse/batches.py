"""What every reader of files gives: a bounded number of rows at a time, numbered, and the lines that were no rows.

Rows are numbered from 1, the first after a header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from tasks.warehouse.reading.header import UNSEEN_OR_BLANK

ROW = "__row__"
ATTRIBUTE = "attribute:"  # before the name of a column that is nobody's
# A batch: so many bytes of a file, its rows at most so many. On the way through it stands in memory some 30 times: as
# text, parsed, typed, with features and what they are made of, as Arrow, in the database's own cache.
BATCH_BYTES = 1 << 20
MOST_ROWS = 20_000
LONGEST_ROW_BYTES = 8 << 20
FEWEST_NAMES = 3  # of columns, for a row to be a header
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
    blank = pl.all_horizontal(
        (pl.col(name).is_null() | (pl.col(name).str.strip_chars(UNSEEN_OR_BLANK) == "")) for name in names
    )
    if (
        len(names) < 2
        or not (rows[names[0]].str.strip_chars(UNSEEN_OR_BLANK) == header[0].strip(UNSEEN_OR_BLANK)).any()
    ):
        return rows.filter(~blank)
    cells = zip(names, header, strict=True)
    again = pl.all_horizontal(
        pl.col(name).str.strip_chars(UNSEEN_OR_BLANK) == cell.strip(UNSEEN_OR_BLANK) for name, cell in cells
    )
    return rows.filter(~blank & ~again.fill_null(value=False))


def another_header(rows: pl.DataFrame, names: Sequence[str], header: Sequence[str]) -> int | None:
    """The number of a row that names the columns anew in another order, or most of them beside others.

    What follows it was put below this table from another file: its values would be read into the wrong columns.
    """
    ours = [cell.strip(UNSEEN_OR_BLANK) for cell in header]
    known = {cell for cell in ours if cell}
    if len(known) < FEWEST_NAMES:
        return None
    is_name = [
        pl.col(name).str.strip_chars(UNSEEN_OR_BLANK).is_in(list(known)).fill_null(value=False) for name in names
    ]
    count = pl.sum_horizontal(one.cast(pl.Int32) for one in is_name)
    likely = rows.filter(count >= max(FEWEST_NAMES, (len(known) + 1) // 2))
    for row in likely.iter_rows(named=True):
        cells = [(row[name] or "").strip(UNSEEN_OR_BLANK) for name in names]
        if cells != ours and len(known.intersection(cells)) >= FEWEST_NAMES:
            return int(row[ROW])
    return None


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
