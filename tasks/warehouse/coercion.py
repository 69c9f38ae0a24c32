"""Gives the values of a column its canonical type; what cannot have it becomes null and is named.

Pure: a series in, a series and a mask of the values lost out. CSV and JSON Lines arrive as text, Parquet typed.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tasks.warehouse.calendar_range import clamped
from tasks.warehouse.contract import BOOLEAN, COUNT, INSTANT, NUMBER, Column
from tasks.warehouse.reading.header import UNSEEN_OR_BLANK
from tasks.warehouse.reading.instants import (
    EPOCH,
    ISO,
    WALL_CLOCK,
    WORDS,
    Instants,
    nothing,
    read_formats,
    read_iso,
)

FORMATS_IN_WORDS = {
    EPOCH: "seconds or milliseconds since 1970",
    WORDS: "a date that names its month (Sep 12, 2026)",
    ISO: "ISO 8601",
}
TRUE, FALSE = ("true", "1", "yes", "t", "y"), ("false", "0", "no", "f", "n")
NO_ZONE = "has no zone, expected 2026-03-01T12:00:00Z or `timezone:` in a mapping file, or --timezone Europe/Berlin"
LARGEST_EXACT = float(1 << 53)  # above it a float no longer says which whole number it meant


@dataclass(frozen=True, slots=True)
class Clock:
    """How a column writes instants: the zone of those that name none, formats if not ISO 8601, days without hours."""

    timezone: str | None = None
    formats: tuple[str, ...] = ()
    day_only: bool = False


@dataclass(frozen=True, slots=True)
class Coerced:
    """The typed values, a mask of those that could not be, what was expected of them, and which instants are days."""

    values: pl.Series
    lost: pl.Series
    expected: str
    days: pl.Series | None = None


def coerce(values: pl.Series, column: Column, clock: Clock) -> Coerced:
    """Give a column its canonical type."""
    days = None
    if values.dtype == pl.String or values.dtype in (pl.Categorical, pl.Enum):
        values = values.cast(pl.String)
        if column.trimmed or column.dtype != pl.String:
            values = values.str.strip_chars(UNSEEN_OR_BLANK)
            values = values.set(values == "", None)
    if column.dtype == COUNT:
        typed, expected = _count(values), "expected a whole number"
    elif column.dtype == NUMBER:
        typed, expected = _number(values), "expected a finite number"
    elif column.dtype == BOOLEAN:
        typed, expected = _boolean(values), "expected true or false (1 or 0)"
    elif column.dtype == INSTANT:
        typed, expected, days = _instant(values, clock)
    else:
        typed, expected = _text(values), "expected text"
    lost = values.is_not_null() & typed.is_null()
    return Coerced(typed if column.default is None else typed.fill_null(column.default), lost, expected, days)


def _text(values: pl.Series) -> pl.Series:
    if values.dtype.is_float():  # an id that a spreadsheet turned into 123.0
        whole = _count(values)
        return whole.cast(pl.String).fill_null(values.cast(pl.String))
    return values.cast(pl.String, strict=False)


def _number(values: pl.Series) -> pl.Series:
    if not (values.dtype == pl.String or values.dtype.is_numeric()):
        return nothing(values, NUMBER)
    numbers = values.cast(NUMBER, strict=False)
    return numbers.set(~numbers.is_finite(), None)


def _count(values: pl.Series) -> pl.Series:
    readable = values.dtype == pl.String or values.dtype.is_integer()
    counts = values.cast(COUNT, strict=False) if readable else nothing(values, COUNT)
    if counts.null_count() == values.null_count() or values.dtype.is_integer():
        return counts
    number = _number(values)  # '12.0' and 1e3 are whole numbers too
    whole = number.set((number != number.floor()) | (number.abs() > LARGEST_EXACT), None)
    return counts.fill_null(whole.cast(COUNT, strict=False))


def _boolean(values: pl.Series) -> pl.Series:
    if values.dtype == pl.Boolean:
        return values
    text = values.cast(NUMBER).cast(pl.String).str.strip_suffix(".0") if values.dtype.is_numeric() else values
    if text.dtype != pl.String:
        return nothing(values, BOOLEAN)
    words = dict.fromkeys(TRUE, True) | dict.fromkeys(FALSE, False)
    return text.str.to_lowercase().replace_strict(words, default=None, return_dtype=BOOLEAN)


def _instant(values: pl.Series, clock: Clock) -> tuple[pl.Series, str, pl.Series]:
    """Instants, what was expected of the rest, and which of them are days; wall-clock times need the file's zone."""
    read = _read_instants(values, clock)
    if clock.day_only:
        local = read.naive.dt.truncate("1d").dt.replace_time_zone("UTC")
        days = read.zoned.dt.truncate("1d").fill_null(local.cast(INSTANT))
        return clamped(days), f"expected a day, {_expected(clock)}", days.is_not_null()
    if read.naive.null_count() == len(read.naive):
        return clamped(read.zoned), f"expected {_expected(clock)}", read.days
    if clock.timezone is None:
        return read.zoned, NO_ZONE, read.days
    local = clamped(read.naive).dt.replace_time_zone(clock.timezone, ambiguous="earliest", non_existent="null")
    whole_days = read.naive.dt.truncate("1d").dt.replace_time_zone("UTC").cast(INSTANT)
    local = local.cast(INSTANT).zip_with(~read.days, whole_days)
    return clamped(read.zoned.fill_null(local)), f"expected a time of {clock.timezone}{_in_form(clock)}", read.days


def _read_instants(values: pl.Series, clock: Clock) -> Instants:
    zoned, naive = nothing(values, INSTANT), nothing(values, WALL_CLOCK)
    if values.dtype == pl.String:
        return read_formats(values, clock.formats) if clock.formats else read_iso(values)
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone:
        return Instants(values.cast(INSTANT), naive, zoned.is_not_null())
    if values.dtype == pl.Date:
        moments = values.cast(WALL_CLOCK)
        return Instants(zoned, moments, moments.is_not_null())
    if values.dtype == pl.Datetime:
        naive = values.cast(WALL_CLOCK)
    elif values.dtype.is_integer() and EPOCH in clock.formats:
        return read_formats(values.cast(pl.String), clock.formats)
    return Instants(zoned, naive, zoned.is_not_null())


def _expected(clock: Clock) -> str:
    if not clock.formats:
        return "ISO 8601 with a zone (2026-03-01T12:00:00Z)"
    return " or ".join(FORMATS_IN_WORDS.get(written, f"the format {written}") for written in clock.formats)


def _in_form(clock: Clock) -> str:
    return f", {_expected(clock)}" if clock.formats else ""
