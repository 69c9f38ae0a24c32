"""Instants that no calendar holds: a 64-bit number reaches the year 292,277, Python's datetime ends in 9999. Pure.

Polars panics where such a number is printed or moved to another zone, psycopg and SQLAlchemy raise where one is read.
So readers clamp them to the years 0 and 10,000, which can be printed and which no contract accepts, and every read of
the warehouse leaves out what lies outside 1900–2200: older versions of ingestion let such rows in.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:  # looking at a file needs no database: SQLAlchemy comes with the first query
    from sqlalchemy import ColumnElement, SQLColumnExpression

FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

YEAR_0, YEAR_10000 = -719_528, 2_932_897  # days since 1970
UNITS_A_DAY = {"ms": 86_400_000, "us": 86_400_000_000}  # nanoseconds reach from 1677 to 2262 and need no care
BEFORE, AFTER = "before the year 1", "after the year 9999"


def clamped(values: pl.Series) -> pl.Series:
    """Dates and datetimes with what no calendar holds moved to the first day of the year 0 or 10,000."""
    units = _units_a_day(values.dtype)
    if not units:
        return values
    numbers = values.to_physical()
    low, high = YEAR_0 * units, YEAR_10000 * units
    if numbers.is_between(low, high).all():
        return values
    return numbers.clip(low, high).cast(values.dtype)


def printable(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column of clamped instants as text that says where a value was clamped."""
    number, units = pl.col(name).to_physical(), _units_a_day(dtype)
    text = pl.col(name).cast(pl.String, strict=False)
    if not units:
        return text
    text = pl.when(number == YEAR_10000 * units).then(pl.lit(AFTER)).otherwise(text)
    return pl.when(number == YEAR_0 * units).then(pl.lit(BEFORE)).otherwise(text)


def kept(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column of clamped instants with null for those that were clamped."""
    number, units = pl.col(name).to_physical(), _units_a_day(dtype)
    if not units:
        return pl.col(name)
    return pl.when(number.is_between(YEAR_0 * units, YEAR_10000 * units, closed="none")).then(pl.col(name))


def readable(column: SQLColumnExpression[Any]) -> ColumnElement[bool]:
    """A condition: the stored instant is one that Python can read."""
    return column.between(FIRST, LAST)


def readable_or_null(column: SQLColumnExpression[Any]) -> ColumnElement[datetime | None]:
    """The stored instant, null where Python cannot read it."""
    from sqlalchemy import case

    return case((readable(column), column))


def only_readable(instants: pl.Expr) -> pl.Expr:
    """Stored instants as `Datetime("us")`, null outside 1900–2200; compared as numbers, which never panics."""
    first, last = (int(bound.timestamp()) * 1_000_000 for bound in (FIRST, LAST))
    return pl.when(instants.to_physical().is_between(first, last)).then(instants)


def _units_a_day(dtype: Any) -> int | None:
    if dtype == pl.Date:
        return 1
    return UNITS_A_DAY.get(dtype.time_unit) if isinstance(dtype, pl.Datetime) else None
