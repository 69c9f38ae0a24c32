"""Gives the values of a column its canonical type; what cannot have it becomes null and is named.

Pure: a series in, a series and a mask of the values lost out. CSV and JSON Lines arrive as text, Parquet typed.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tasks.warehouse.contract import BOOLEAN, COUNT, INSTANT, NUMBER, Column

WALL_CLOCK = pl.Datetime("us")
ZONED = ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z")
NAIVE = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
TRUE, FALSE = ("true", "1", "yes", "t", "y"), ("false", "0", "no", "f", "n")
LARGEST_EXACT = float(1 << 53)  # above it a float no longer says which whole number it meant


@dataclass(frozen=True, slots=True)
class Clock:
    """How a file writes instants: the zone of those that name none, and a strptime format if it is not ISO 8601."""

    timezone: str | None = None
    datetime_format: str | None = None


def coerce(values: pl.Series, column: Column, clock: Clock) -> tuple[pl.Series, pl.Series, str]:
    """The typed values, a mask of those that could not be, and what was expected of them."""
    if values.dtype == pl.String or values.dtype in (pl.Categorical, pl.Enum):
        values = values.cast(pl.String)
        if column.trimmed or column.dtype != pl.String:
            values = values.str.strip_chars()
            values = values.set(values == "", None)
    if column.dtype == COUNT:
        found, expected = _count(values), "expected a whole number"
    elif column.dtype == NUMBER:
        found, expected = _number(values), "expected a finite number"
    elif column.dtype == BOOLEAN:
        found, expected = _boolean(values), "expected true or false (1 or 0)"
    elif column.dtype == INSTANT:
        found, expected = _instant(values, clock)
    else:
        found, expected = _text(values), "expected text"
    lost = values.is_not_null() & found.is_null()
    return (found if column.default is None else found.fill_null(column.default)), lost, expected


def _text(values: pl.Series) -> pl.Series:
    if values.dtype.is_float():  # an id that a spreadsheet turned into 123.0
        whole = _count(values)
        return whole.cast(pl.String).fill_null(values.cast(pl.String))
    return values.cast(pl.String, strict=False)


def _number(values: pl.Series) -> pl.Series:
    if not (values.dtype == pl.String or values.dtype.is_numeric()):
        return _nothing(values, NUMBER)
    found = values.cast(NUMBER, strict=False)
    return found.set(~found.is_finite(), None)


def _count(values: pl.Series) -> pl.Series:
    readable = values.dtype == pl.String or values.dtype.is_integer()
    found = values.cast(COUNT, strict=False) if readable else _nothing(values, COUNT)
    if found.null_count() == values.null_count() or values.dtype.is_integer():
        return found
    number = _number(values)  # '12.0' and 1e3 are whole numbers too
    whole = number.set((number != number.floor()) | (number.abs() > LARGEST_EXACT), None)
    return found.fill_null(whole.cast(COUNT, strict=False))


def _boolean(values: pl.Series) -> pl.Series:
    if values.dtype == pl.Boolean:
        return values
    text = values.cast(NUMBER).cast(pl.String).str.strip_suffix(".0") if values.dtype.is_numeric() else values
    if text.dtype != pl.String:
        return _nothing(values, BOOLEAN)
    words = dict.fromkeys(TRUE, True) | dict.fromkeys(FALSE, False)
    return text.str.to_lowercase().replace_strict(words, default=None, return_dtype=BOOLEAN)


def _instant(values: pl.Series, clock: Clock) -> tuple[pl.Series, str]:
    """Instants, and what was expected of the rest; wall-clock times need the file's zone."""
    zoned, naive = _nothing(values, INSTANT), _nothing(values, WALL_CLOCK)
    if values.dtype == pl.String:
        zoned, naive = _parsed(values, clock)
    elif isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone:
        zoned = values.cast(INSTANT)
    elif values.dtype in (pl.Date, pl.Datetime):
        naive = values.cast(WALL_CLOCK)
    if naive.null_count() == len(naive):
        return zoned, "expected ISO 8601 with a zone (2026-03-01T12:00:00Z)"
    if clock.timezone is None:
        return zoned, "has no zone, expected 2026-03-01T12:00:00Z or `timezone:` in a mapping file"
    local = naive.dt.replace_time_zone(clock.timezone, ambiguous="earliest", non_existent="null")
    return zoned.fill_null(local.cast(INSTANT)), f"expected a time of {clock.timezone}"


def _parsed(values: pl.Series, clock: Clock) -> tuple[pl.Series, pl.Series]:
    """Instants of the values that name a zone, wall-clock times of those that do not."""
    if clock.datetime_format is not None:
        found = values.str.to_datetime(clock.datetime_format, time_unit="us", strict=False)
        zoned = isinstance(found.dtype, pl.Datetime) and found.dtype.time_zone
        return (found.cast(INSTANT), _nothing(values, WALL_CLOCK)) if zoned else (_nothing(values, INSTANT), found)
    spaced = values.str.replace("T", " ", literal=True)
    instants = _first_that_parses(spaced, ZONED, INSTANT)
    return instants, _first_that_parses(spaced.set(instants.is_not_null(), None), NAIVE, WALL_CLOCK)


def _first_that_parses(values: pl.Series, formats: tuple[str, ...], dtype: pl.DataType) -> pl.Series:
    found = _nothing(values, dtype)
    for written in formats:
        if found.null_count() == values.null_count():
            break
        parsed = values.str.to_datetime(written, time_unit="us", strict=False)
        found = found.fill_null(parsed.cast(dtype))
    return found


def _nothing(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    return pl.Series(values.name, [None], dtype=dtype).new_from_index(0, len(values))
