"""One row a post and day: told by counts that fall from day to day, and summed where a mapping says so. Pure."""

from __future__ import annotations

import polars as pl

from tasks.warehouse.batches import ROW
from tasks.warehouse.contract import COUNT, Contract

FEWEST_STEPS = 3
FALLING_SHARE = 0.3  # totals to date hardly ever fall; what a day brought falls about as often as it rises
RESULTS = ("impressions", "engagements", "clicks", "conversions")


def falling_key(index: pl.DataFrame, key: tuple[str, ...]) -> tuple[int, int] | None:
    """Whether counts of the same post fall from one measurement to the next, as those of single days do.

    Args:
        index: one row a row of the file: `ROW`, the key, `measured_at`, `result`.
        key: the columns that say which post it is.

    Returns:
        A row of a post that has several rows, and how many it has; None where nothing falls.
    """
    if "result" not in index.columns:
        return None
    several = index.filter(pl.struct(key).is_duplicated() & pl.col("measured_at").is_not_null())
    ordered = several.sort(*key, "measured_at").with_columns(pl.col("result").shift(1).over(key).alias("before"))
    steps = ordered.filter(pl.col("before").is_not_null() & pl.col("result").is_not_null())
    falling = steps.filter(pl.col("result") < pl.col("before"))
    if steps.height < FEWEST_STEPS or falling.height < FALLING_SHARE * steps.height:
        return None
    first = falling.sort(ROW).head(1)
    return int(first[ROW][0]), several.join(first.select(key), on=list(key)).height


def summed(rows: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """One row a key: counts summed over its days, of everything else the last that is filled."""
    counts = [name for name, column in contract.columns.items() if column.dtype == COUNT or name == "conversions"]
    ordered = rows.sort("measured_at", ROW, nulls_last=False) if "measured_at" in rows.columns else rows
    total = {name: pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in counts}
    total["audience_size"] = pl.col("audience_size").max() if "audience_size" in counts else pl.lit(None)
    others = [name for name in rows.columns if name not in {*contract.keys, *counts, ROW}]
    grouped = ordered.group_by(contract.keys, maintain_order=True).agg(
        pl.col(ROW).min(), *(total[name] for name in counts), *(pl.col(name).drop_nulls().last() for name in others)
    )
    return grouped.select(rows.columns).sort(ROW)
