"""From one row a unit to the sums of arms: exact repeats once, units of two arms left out; memory is bounded.

A unit's rows may lie anywhere in files of any length, so all rows are put aside by the hash of their unit; DuckDB
groups one part after the other into a table on disk. One thread and compensated sums: the same rows give the same arms
to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pyarrow as pa

from tasks.warehouse.batches import ROW
from tasks.warehouse.experiment_design import ARM
from tasks.warehouse.experiment_metrics import METRIC, UNIT, MetricColumns
from tasks.warehouse.spill import Partitions

MEMORY = "64MB"
FILE = "__file__"
EXPERIMENT = ARM[:2]
FILES_OF_ROWS = 1 << 40  # rows of one file; a row's place is file × this + row

IN_TWO_ARMS = "unit in two arms, left out of both"
CONTRADICTS = "unit with several rows that differ, expected one row a unit; sum events before"


class Units(AbstractContextManager["Units"]):
    """The units of some files, grouped. A context manager.

    Args:
        folder: for what does not fit into memory.
        frames: typed rows of each file, to be read as often as wanted.
        metrics: by name.
    """

    def __init__(self, folder: Path, files: Sequence[Any], metrics: Mapping[str, MetricColumns]) -> None:
        self._folder, self._files, self._metrics = folder, files, metrics
        self._open = ExitStack()

    def __enter__(self) -> Units:
        import duckdb

        self._folder.mkdir(parents=True, exist_ok=True)
        folder = self._open.enter_context(TemporaryDirectory(dir=self._folder))
        settings: dict[str, Any] = {"memory_limit": MEMORY, "threads": "1", "temp_directory": folder}
        self._database = self._open.enter_context(duckdb.connect(f"{folder}/units.duckdb", config=settings))
        self._group()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _group(self) -> None:
        columns = self._columns()
        values = ", ".join(f"min({name}) AS {name}" for name in columns)
        differs = " OR ".join(
            f"min({name}) IS DISTINCT FROM max({name}) OR count({name}) NOT IN (0, count(*))" for name in columns
        )
        place = f"min({FILE} * {FILES_OF_ROWS} + {ROW})"
        grouped = (
            f"SELECT {', '.join(EXPERIMENT)}, {UNIT}, min(variant_name) AS variant_name, "
            f"count(*) AS n_rows, min(started_at) AS started_at, {place} AS place, "
            f"max(variant_name) <> min(variant_name) AS in_two, {differs} AS differs, {values} "
            f"FROM rows GROUP BY {', '.join(EXPERIMENT)}, {UNIT}"
        )
        self._database.register("rows", _empty(columns))
        self._database.execute(f"CREATE TABLE units AS {grouped}")
        self._database.unregister("rows")
        with Partitions(self._folder) as parts:
            for batch in self._frames():
                parts.add(batch, pl.struct(*EXPERIMENT, UNIT).hash())
            for rows in parts.groups():
                self._database.register("rows", rows.to_arrow())
                self._database.execute(f"INSERT INTO units {grouped}")
                self._database.unregister("rows")

    def refused(self, at_most: int) -> pl.DataFrame:
        """Rows of units that are left out: file, row, column, reason, value."""
        self._database.register("rows", self._reader())
        refused = self._frame(
            f"SELECT r.{FILE} AS file, r.{ROW} AS row, "
            f"CASE WHEN u.in_two THEN 'variant_name' ELSE '{UNIT}' END AS column, "
            f"CASE WHEN u.in_two THEN '{IN_TWO_ARMS}' ELSE '{CONTRADICTS}' END AS reason, r.{UNIT} AS value "
            f"FROM rows r JOIN units u USING ({', '.join(EXPERIMENT)}, {UNIT}) WHERE u.in_two OR u.differs "
            f"ORDER BY ALL LIMIT {at_most}"
        )
        self._database.unregister("rows")
        return refused

    def counts(self) -> dict[str, int]:
        """How many units, units in two arms, and rows that only repeat others."""
        row = self._rows(
            "SELECT count(*) FILTER (NOT in_two AND NOT differs), count(*) FILTER (in_two), "
            "count(*) FILTER (differs AND NOT in_two), "
            "coalesce(sum(n_rows - 1) FILTER (NOT in_two AND NOT differs), 0) FROM units"
        )[0]
        return dict(zip(("units", "in_two", "differs", "repeats"), map(int, row), strict=True))

    def units_by_file(self) -> pl.DataFrame:
        """How many units each file gave each experiment: file, workspace, experiment, rows."""
        return self._frame(
            f"SELECT place // {FILES_OF_ROWS} AS file, {', '.join(EXPERIMENT)}, count(*) AS rows FROM units "
            f"WHERE NOT in_two AND NOT differs GROUP BY ALL ORDER BY ALL"
        )

    def arms(self) -> pl.DataFrame:
        """One row an arm and metric: its sums, and what tells the metric's kind: values beside 0 and 1, fractions, …"""
        parts = [
            f"SELECT {', '.join(ARM)}, '{_quoted(name)}' AS metric_name, count({column}) AS n, "
            f"coalesce(fsum({column}), 0) AS sum, coalesce(fsum({column} * {column}), 0) AS sum_of_squares, "
            f"count(*) - count({column}) AS missing, count(*) FILTER ({column} NOT IN (0, 1)) AS beyond_binary, "
            f"coalesce(min({column}), 0) AS smallest, count(*) FILTER ({column} <> floor({column})) AS fractions, "
            "min(started_at) AS started_at FROM units WHERE NOT in_two AND NOT differs "
            f"GROUP BY {', '.join(ARM)}"
            for name, column in zip(self._metrics, self._values(), strict=True)
        ]
        return self._frame(" UNION ALL ".join(parts) + " ORDER BY ALL")

    def _columns(self) -> list[str]:
        return [f"m{place}" for place in range(len(self._metrics))]

    def _values(self) -> list[str]:
        """The values of metrics; what is missing may count as zero."""
        zero = [metric.missing == "zero" for metric in self._metrics.values()]
        names = self._columns()
        return [f"coalesce({name}, 0)" if is_zero else name for name, is_zero in zip(names, zero, strict=True)]

    def _frame(self, sql: str) -> pl.DataFrame:
        return pl.DataFrame(pl.from_arrow(self._database.sql(sql).to_arrow_table()))

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._database.execute(sql).fetchall()
        return rows

    def _reader(self) -> Any:
        """All rows as one Arrow stream; DuckDB sees them by, holds none."""
        batches = (batch for frame in self._frames() for batch in frame.to_arrow().to_batches())
        first = next(batches, None)
        schema = first.schema if first is not None else _empty(self._columns()).schema
        return pa.RecordBatchReader.from_batches(
            schema, ([first] if first is not None else []) and _chain(first, batches)
        )

    def _frames(self) -> Iterator[pl.DataFrame]:
        names = dict(zip((METRIC + name for name in self._metrics), self._columns(), strict=True))
        for place, frames in enumerate(self._files):
            for frame in frames():
                rows = frame.select(pl.lit(place, pl.Int64).alias(FILE), ROW, *ARM, UNIT, "started_at", *names)
                yield rows.rename(names)


def _chain(first: Any, others: Iterable[Any]) -> Iterator[Any]:
    yield first
    yield from others


def _empty(names: list[str]) -> Any:
    texts = dict.fromkeys([*ARM, UNIT], pl.String())
    numbers = dict.fromkeys(names, pl.Float64())
    schema = {FILE: pl.Int64(), ROW: pl.Int64(), **texts, "started_at": pl.Datetime("us", "UTC"), **numbers}
    return pl.DataFrame(schema=schema).to_arrow()


def _quoted(name: str) -> str:
    return name.replace("'", "''")
