"""One row a post and day: told by counts that fall from day to day, and summed where a mapping says so. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tasks.warehouse.batches import ROW
from tasks.warehouse.contract import COUNT, Contract

FEWEST_STEPS = 3
FALLING_SHARE = 0.3  # totals to date hardly ever fall; what a day brought falls about as often as it rises
RESULTS = ("impressions", "engagements", "clicks", "conversions")


@dataclass(frozen=True, slots=True)
class Falls:
    """How counts of the same post go from one measurement to the next.

    Attributes:
        steps: how many measurements follow another of the same post.
        falling: how many of them are less.
        row: the first row of the file that is; 0 where none is.
        of_the_post: how many rows its post has.
    """

    steps: int = 0
    falling: int = 0
    row: int = 0
    of_the_post: int = 0

    def __add__(self, other: Falls) -> Falls:
        first = min((one for one in (self, other) if one.falling), key=_row, default=self)
        steps, falling = self.steps + other.steps, self.falling + other.falling
        return Falls(steps, falling, first.row, first.of_the_post)

    @property
    def are_those_of_days(self) -> bool:
        """Whether they fall as often as what single days brought does."""
        return self.steps >= FEWEST_STEPS and self.falling >= FALLING_SHARE * self.steps


def _row(falls: Falls) -> int:
    return falls.row


def falls_in(index: pl.DataFrame, key: tuple[str, ...]) -> Falls:
    """How counts of the same post fall from one measurement to the next.

    Args:
        index: one row a row of the file: `ROW`, the key, `measured_at`, `result`; all rows of a key.
        key: the columns that say which post it is.
    """
    if "result" not in index.columns:
        return Falls()
    several = index.filter(pl.struct(key).is_duplicated() & pl.col("measured_at").is_not_null())
    ordered = several.sort(*key, "measured_at").with_columns(pl.col("result").shift(1).over(key).alias("before"))
    steps = ordered.filter(pl.col("before").is_not_null() & pl.col("result").is_not_null())
    falling = steps.filter(pl.col("result") < pl.col("before"))
    if falling.is_empty():
        return Falls(steps.height)
    first = falling.sort(ROW).head(1)
    return Falls(steps.height, falling.height, int(first[ROW][0]), several.join(first.select(key), on=list(key)).height)


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
