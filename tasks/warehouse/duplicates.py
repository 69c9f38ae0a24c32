"""Rows of one file that are about the same thing, and experiments that cannot be compared.

Of rows with one key the newest `measured_at` stands, and of those the last in the file. Rows measured earlier are
history, not mistakes: they count as unchanged, as they would had they come in an older file. Rows of the same
`measured_at`, or of a kind without one, contradict each other or repeat: they are rejected.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.warehouse.batches import ROW
from tasks.warehouse.contract import Contract
from tasks.warehouse.grain import RESULTS, Falls, falls_in
from tasks.warehouse.rejects import SCHEMA
from tasks.warehouse.spill import Partitions, RowSet

DESIGN = ("direction", "share")
SHARES_TOLERANCE = 0.01
KEY = ("__key_1__", "__key_2__")
EXPERIMENT = ("workspace_id", "experiment_name", "metric_name")


@dataclass(frozen=True)
class Compared:
    """What comparing the rows of a file with each other showed.

    Attributes:
        older: rows that others of their key, measured later, supersede.
        refused: rejects for rows that repeat or contradict others.
        falls: how counts of the same post go from one measurement to the next.
    """

    older: RowSet
    refused: pl.DataFrame
    falls: Falls


class RowComparison(AbstractContextManager["RowComparison"]):
    """Compares the rows of a file that passed, some of them at a time; memory is bounded. A context manager."""

    def __init__(self, contract: Contract, folder: Path) -> None:
        self._contract = contract
        self._partitions = Partitions(folder)
        together = EXPERIMENT if "is_control" in contract.columns else None
        self._together = pl.col(KEY[0]) if together is None else pl.struct(together).hash()

    def __exit__(self, *error: object) -> None:
        self._partitions.__exit__(*error)

    def add(self, passed: pl.DataFrame) -> None:
        """Remember rows."""
        self._partitions.add(index_of(passed, self._contract), self._together)

    def compared(self) -> Compared:
        """All rows with each other."""
        older, falls = RowSet(), Falls()
        refused = [pl.DataFrame(schema=SCHEMA)]
        for index in self._partitions.groups():
            twice = index.filter(pl.col(KEY[0]).is_duplicated())
            falls += falls_in(twice, KEY)
            superseded, repeated = split_repeated(twice)
            older.add(superseded)
            standing = index.filter(~pl.col(ROW).is_in(repeated["row"].implode()))
            controls = several_controls(standing)
            uneven = uneven_arms(standing.filter(~pl.col(ROW).is_in(controls["row"].implode())))
            refused += [repeated, controls, uneven]
        return Compared(older, pl.concat(refused).sort("row", maintain_order=True), falls)


def index_of(passed: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """What has to be remembered of every row of a file: 128 bits of its key, its number, when it was measured."""
    key = pl.struct(contract.keys)
    extra = [name for name in ("measured_at", "is_control", *DESIGN) if name in contract.columns]
    arm = contract.keys if "is_control" in extra else []
    results = [name for name in RESULTS if name in contract.columns]
    result = [pl.coalesce(pl.col(name).cast(pl.Float64) for name in results).alias("result")] if results else []
    return passed.select(ROW, *extra, *arm, *result, *(key.hash(seed).alias(name) for seed, name in enumerate(KEY)))


def split_repeated(index: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """Numbers of the rows that an otherwise equal key measured later supersedes, and rejects for the others."""
    twice = index.filter(pl.struct(KEY).is_duplicated())
    if "measured_at" not in twice.columns:
        twice = twice.with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias("measured_at"))
    ordered = twice.sort(*KEY, "measured_at", ROW, nulls_last=False).with_columns(
        pl.col(ROW).last().over(KEY).alias("stands"), pl.col("measured_at").last().over(KEY).alias("newest")
    )
    losers = ordered.filter(pl.col(ROW) != pl.col("stands"))
    older = pl.col("measured_at").ne_missing(pl.col("newest"))
    rejects = losers.filter(~older).select(
        pl.col(ROW).alias("row"),
        pl.lit("(key)").alias("column"),
        pl.lit("duplicate, a later row has the same key").alias("reason"),
        pl.format("row {} stands", "stands").alias("value"),
    )
    return losers.filter(older)[ROW], rejects.sort("row")


def several_controls(index: pl.DataFrame) -> pl.DataFrame:
    """Rejects for every arm of an experiment's metric that has more than one control."""
    if "is_control" not in index.columns or index.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    controls = pl.col("variant_name").filter("is_control").n_unique().over(EXPERIMENT)
    return index.filter(controls > 1).select(
        pl.col(ROW).alias("row"),
        pl.lit("is_control").alias("column"),
        pl.lit("more than one control arm, expected one").alias("reason"),
        pl.col("variant_name").alias("value"),
    )


def uneven_arms(index: pl.DataFrame) -> pl.DataFrame:
    """Rejects for every arm of an experiment's metric whose arms contradict each other on direction or shares."""
    if "share" not in index.columns or index.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    share, arms = pl.col("share"), pl.len().over(EXPERIMENT) > 1
    known, total = share.count().over(EXPERIMENT), share.sum().over(EXPERIMENT)
    problems = [
        ("direction", pl.col("direction").n_unique().over(EXPERIMENT) > 1, "its arms name both directions"),
        ("share", (known > 0) & (known < pl.len().over(EXPERIMENT)), "given for some arms only"),
        (
            "share",
            (known == pl.len().over(EXPERIMENT)) & ((total - 1).abs() > SHARES_TOLERANCE),
            "shares of the arms do not add up to 1",
        ),
    ]
    rejects = [
        index.filter(arms & broken).select(
            pl.col(ROW).alias("row"),
            pl.lit(column).alias("column"),
            pl.lit(reason).alias("reason"),
            pl.col(column).cast(pl.String).alias("value"),
        )
        for column, broken, reason in problems
    ]
    return pl.concat(rejects).unique("row", keep="first", maintain_order=True).sort("row")
