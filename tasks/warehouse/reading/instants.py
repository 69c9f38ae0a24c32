"""Instants as files write them: ISO 8601, formats, dates in words, epochs, ids that hold the moment of posting. Pure.

A text that names a day and no time stays a day: its instant is midnight UTC of the day as written, and `days` says
that the hour is nobody's knowledge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from tasks.warehouse.reading.dates_in_words import read_dates

INSTANT, WALL_CLOCK = pl.Datetime("us", "UTC"), pl.Datetime("us")
ZONED = ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z")
NAIVE = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
WORDS, EPOCH, ISO = "words", "epoch", "iso"
HOURS = ("%H", "%I", "%k", "%l", "%T", "%R", "%s", "%c", "%X", "%r", "%+")
EPOCH_UNITS = ((10**11, 1_000_000), (10**14, 1_000), (10**17, 1))  # below so much: microseconds in one of it
DAY = 86_400_000_000
IdRule = Literal["x", "tiktok", "linkedin"]
# (bits to drop, microseconds in one of what is left, its zero in microseconds since 1970)
ID_RULES: dict[IdRule, tuple[int, int, int]] = {
    "x": (22, 1_000, 1_288_834_974_657_000),
    "linkedin": (22, 1_000, 0),
    "tiktok": (32, 1_000_000, 0),
}
EARLIEST_ID, LATEST_ID = 1_136_073_600_000_000, 4_102_444_800_000_000  # 2006, before which there were none, and 2100


@dataclass(frozen=True)
class Instants:
    """Instants that named a zone, wall-clock times of the others, and which of those named a day only."""

    zoned: pl.Series
    naive: pl.Series
    days: pl.Series


def read_iso(values: pl.Series) -> Instants:
    """ISO 8601, with a space or a T between date and time."""
    spaced = values.str.replace("T", " ", literal=True)
    zoned = _first_that_parses(spaced, ZONED, INSTANT)
    left = spaced.set(zoned.is_not_null(), None)
    naive = _first_that_parses(left, NAIVE, WALL_CLOCK)
    return Instants(zoned, naive, naive.is_not_null() & (left.str.len_chars() == len("2026-03-01")))


def read_formats(values: pl.Series, formats: Sequence[str]) -> Instants:
    """Each value by the first format that it has."""
    zoned, naive = nothing(values, INSTANT), nothing(values, WALL_CLOCK)
    days = naive.is_not_null()
    for written in formats:
        left = values.set(zoned.is_not_null() | naive.is_not_null(), None)
        if left.null_count() == len(left):
            break
        read = _read_one(left, written)
        zoned, naive = zoned.fill_null(read.zoned), naive.fill_null(read.naive)
        days = days | read.days
    return Instants(zoned, naive, days)


def _read_one(values: pl.Series, written: str) -> Instants:
    zoned, naive = nothing(values, INSTANT), nothing(values, WALL_CLOCK)
    if written == ISO:
        return read_iso(values)
    if written == EPOCH:
        return Instants(_read_epoch(values), naive, naive.is_not_null())
    if written == WORDS:
        return Instants(*read_dates(values))
    parsed = values.str.to_datetime(written, time_unit="us", strict=False)
    if isinstance(parsed.dtype, pl.Datetime) and parsed.dtype.time_zone:
        return Instants(parsed.cast(INSTANT), naive, naive.is_not_null())
    if "%Y" in written:  # the parser takes 26 for the year 26
        parsed = parsed.set((parsed.dt.year() < 100).fill_null(value=False), None)
    has_hour = any(code in written for code in HOURS)
    return Instants(zoned, parsed, nothing(values, pl.Boolean()).fill_null(False) if has_hour else parsed.is_not_null())


def _read_epoch(values: pl.Series) -> pl.Series:
    """Seconds, milliseconds or microseconds since 1970, told apart by their size."""
    number = values.str.extract(r"^(\d{9,17})(?:\.\d*)?$", 1).cast(pl.Int64, strict=False)
    micros = nothing(values, pl.Int64())
    for below, factor in EPOCH_UNITS:
        micros = micros.fill_null(number.set(number >= below, None) * factor)
    return micros.cast(INSTANT)


def from_ids(values: pl.Series, rule: IdRule) -> pl.Series:
    """The moment that each id holds; null where it holds none that can be true."""
    bits, factor, zero = ID_RULES[rule]
    number = values.cast(pl.String).str.strip_chars().str.extract(r"^(\d{10,19})$", 1).cast(pl.Int64, strict=False)
    micros = (number // (1 << bits)) * factor + zero
    return micros.set((micros < EARLIEST_ID) | (micros > LATEST_ID), None).cast(INSTANT)


def agreeing(moments: pl.Series, dates: pl.Series) -> pl.Series:
    """The moments, where a date is given only those within a day of it, wherever on earth that day was."""
    apart = moments.cast(pl.Int64) - dates.cast(pl.Int64)
    far = ((apart < -DAY) | (apart > 2 * DAY)).fill_null(False)
    return moments.set(far, None)


def _first_that_parses(values: pl.Series, formats: tuple[str, ...], dtype: pl.DataType) -> pl.Series:
    instants = nothing(values, dtype)
    for written in formats:
        if instants.null_count() == values.null_count():
            break
        parsed = values.str.to_datetime(written, time_unit="us", strict=False)
        instants = instants.fill_null(parsed.cast(dtype))
    return instants


def nothing(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """As many nulls as there are values."""
    return pl.Series(values.name, [None], dtype=dtype).new_from_index(0, len(values))
