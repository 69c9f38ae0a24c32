"""Whether rows changed since they were last read, without reading them again: counts and sums by workspace and run.

Ingestion stamps every row it changes with its run, so a change moves a count from one run to another; first and last
instants and the sums of all numbers tell even if one run wrote twice. Asked of the database as SQL, or derived from
rows that were read anyway: both say the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import Integer, Select, Table, func, select

from tasks.warehouse.calendar_range import readable_or_null
from tasks.warehouse.schema import UtcDateTime

BY = ["workspace_id", "run_id"]
MODULUS = 1_000_000_007  # sums of whole 64-bit numbers overflow, and SQLite then fails the statement


@dataclass(frozen=True)
class Fingerprint:
    """Sums of whole numbers, last instants and row counts of one table."""

    table: Table

    def question(self) -> Select[Any]:
        """The select that answers it; add what rows are meant."""
        columns = self.table.c
        sums = [func.coalesce(func.sum(columns[name] % MODULUS), 0).label(name) for name in self._numbers]
        lasts = [func.max(readable_or_null(columns[name])).label(name) for name in self._instants]
        by = [columns[name] for name in BY]
        return select(*by, func.count().label("rows"), *lasts, *sums).group_by(*by)

    def summary(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The same of rows."""
        return rows.group_by(BY).agg(
            pl.len().cast(pl.Int64).alias("rows"), pl.col(self._instants).max(), (pl.col(self._numbers) % MODULUS).sum()
        )

    def by_workspace(self, summary: pl.DataFrame) -> dict[str, str]:
        """One short text a workspace that has rows; another one as soon as the table has other columns."""
        columns = f"{[f'{column.name} {column.type!r}' for column in self.table.columns]}"
        parts = summary.sort(BY).partition_by("workspace_id", as_dict=True)
        return {
            str(name): hashlib.sha256(f"{columns}{rows.rows()}".encode()).hexdigest() for (name,), rows in parts.items()
        }

    def digest(self, summaries: Iterable[pl.DataFrame]) -> str:
        """One short text for summaries of disjoint rows; another one as soon as the table has other columns."""
        whole = (
            pl.concat(summaries)
            .group_by(BY)
            .agg(pl.col("rows").sum(), pl.col(self._instants).max(), pl.col(self._numbers).sum())
        )
        columns = [f"{column.name} {column.type!r}" for column in self.table.columns]
        return hashlib.sha256(f"{columns}{whole.sort(BY).write_csv()}".encode()).hexdigest()

    @property
    def _numbers(self) -> list[str]:
        return [column.name for column in self.table.c if isinstance(column.type, Integer)]

    @property
    def _instants(self) -> list[str]:
        return [column.name for column in self.table.c if isinstance(column.type, UtcDateTime)]
