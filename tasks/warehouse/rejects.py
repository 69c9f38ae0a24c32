"""The file of refused rows, and the counts that say whether too many were refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl

from tasks.plain_text import spreadsheet_cell
from tasks.private_files import private_folder

MOST_REJECTED_SHARE = 0.2

SCHEMA = {"row": pl.Int64, "column": pl.String, "reason": pl.String, "value": pl.String}


class Tally:
    """Counts of refused rows: in all, by reason, by column, and an example for each column."""

    def __init__(self) -> None:
        self.rejected = 0
        self.reasons: Counter[str] = Counter()
        self.columns: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def add(self, rejects: pl.DataFrame) -> None:
        """Count refused rows (columns of `SCHEMA`; a row may stand there for several of its columns)."""
        self.rejected += rejects["row"].n_unique()
        groups = rejects.group_by("column", "reason", maintain_order=True).agg(pl.len(), pl.col("row", "value").first())
        for column, reason, count, row, value in groups.iter_rows():
            self.reasons[f"{column}: {reason}"] += count
            self.columns[column] += count
            self.examples.setdefault(column, f"row {row}: {reason}" + (f", not {value!r}" if value is not None else ""))

    @property
    def worst(self) -> tuple[str, int]:
        """The column with most refused rows."""
        return self.columns.most_common(1)[0]


class RejectsFile:
    """A CSV with the columns file, row, column, reason, value; it exists once the first row was refused.

    People open it in a spreadsheet, so cells that would be computed there begin with an apostrophe; numbers do not.

    `row` counts the rows of the file from 1, the first after a header (JSON Lines: its lines).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tally = Tally()

    @property
    def path_if_any(self) -> Path | None:
        """Where the refused rows are, if there are any."""
        return self.path if self.tally.rejected else None

    def add(self, source: Path, rejects: pl.DataFrame) -> None:
        """Write refused rows down."""
        if rejects.is_empty():
            return
        first = self.tally.rejected == 0
        self.tally.add(rejects)
        private_folder(self.path.parent)
        with self.path.open("wb" if first else "ab") as file:
            rows = rejects.select(pl.lit(str(source)).alias("file"), *SCHEMA.keys())
            cells = pl.selectors.string().map_elements(spreadsheet_cell, return_dtype=pl.String)
            rows.with_columns(cells).write_csv(file, include_header=first)
