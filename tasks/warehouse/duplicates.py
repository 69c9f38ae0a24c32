"""Rows of one file that are about the same thing, and experiments that cannot be compared. Pure.

Of rows with one key the newest `measured_at` stands, and of those the last in the file. Rows measured earlier are
history, not mistakes: they count as unchanged, as they would had they come in an older file. Rows of the same
`measured_at`, or of a kind without one, contradict each other or repeat: they are rejected.
"""

from __future__ import annotations

import polars as pl

from tasks.warehouse.batches import ROW
from tasks.warehouse.contract import Contract
from tasks.warehouse.grain import RESULTS
from tasks.warehouse.rejects import SCHEMA

DESIGN = ("direction", "share")
SHARES_TOLERANCE = 0.01
KEY = ("__key_1__", "__key_2__")


def index_of(passed: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """What has to be remembered of every row of a file: 128 bits of its key, its number, when it was measured."""
    key = pl.struct(contract.keys)
    extra = [name for name in ("measured_at", "is_control", *DESIGN) if name in contract.columns]
    arm = contract.keys if "is_control" in extra else []
    results = [name for name in RESULTS if name in contract.columns]
    result = [pl.coalesce(pl.col(name).cast(pl.Float64) for name in results).alias("result")] if results else []
    return passed.select(ROW, *extra, *arm, *result, *(key.hash(seed).alias(name) for seed, name in enumerate(KEY)))


def repeated(index: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
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
    comparison = ("workspace_id", "experiment_name", "metric_name")
    controls = pl.col("variant_name").filter("is_control").n_unique().over(comparison)
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
    comparison = ("workspace_id", "experiment_name", "metric_name")
    share, arms = pl.col("share"), pl.len().over(comparison) > 1
    known, total = share.count().over(comparison), share.sum().over(comparison)
    problems = [
        ("direction", pl.col("direction").n_unique().over(comparison) > 1, "its arms name both directions"),
        ("share", (known > 0) & (known < pl.len().over(comparison)), "given for some arms only"),
        (
            "share",
            (known == pl.len().over(comparison)) & ((total - 1).abs() > SHARES_TOLERANCE),
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
