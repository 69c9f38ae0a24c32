"""What every reader of files gives: a bounded number of rows at a time, numbered, and the lines that were no rows.

Rows are numbered from 1, the first after a header.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

ROW = "__row__"
ATTRIBUTE = "attribute:"  # before the name of a column that is nobody's
BATCH_BYTES = 2 << 20
LONGEST_ROW_BYTES = 8 << 20
MOST_ROWS = 20_000  # what is derived from them is several times their size
SHOWN = 200  # characters of a value or a message that a person is shown


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that is no row."""

    row: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows with their numbers in `ROW`, the lines between them that were none, and how many summed up others; and whether
    quotes inside texts were written as `\\"`."""

    rows: pl.DataFrame
    broken: list[Broken] = field(default_factory=list)
    totals: int = 0
    has_escaped_quotes: bool = False
