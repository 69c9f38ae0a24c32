"""Whether a file's dates have the day where a mapping's format has the month, which no date before the 13th tells.

`03/12/2026` is a date both ways. A column is the other way round where dates are none as its format reads them, or lie
ahead, and are dates of the past with day and month exchanged, and no date of the file is one only as the format reads
it. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from tasks.warehouse.batches import ROW
from tasks.warehouse.contract import INSTANT, Contract
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.reading.instants import WALL_CLOCK, read_formats


@dataclass(frozen=True, slots=True)
class OrderedDate:
    """A date and the format it was read by, or has.

    Attributes:
        column: the canonical column.
        row: its row, from 1.
        value: as written.
        written: the format.
    """

    column: str
    row: int
    value: str
    written: str


@dataclass(slots=True)
class DayOrder:
    """What the batches of a file have shown of the order of days and months, by column."""

    _as_declared: set[str] = field(default_factory=set)
    _exchanged: dict[str, OrderedDate] = field(default_factory=dict)
    _either: dict[str, OrderedDate] = field(default_factory=dict)

    def see(self, rows: pl.DataFrame, contract: Contract, mapping: Mapping, now: datetime) -> None:
        """Look at a batch of rows as they stand in the file; `now` by a clock of UTC, without a zone."""
        for name, column in contract.columns.items():
            if column.dtype == INSTANT and name not in self._as_declared:
                self._see_column(name, rows, mapping, now)

    def _see_column(self, name: str, rows: pl.DataFrame, mapping: Mapping, now: datetime) -> None:
        origin = mapping.columns.get(name)
        if origin is None or origin.instant_from_id is not None:
            return
        values = rows.select(origin.expression().alias(name))[name]
        if values.dtype != pl.String:
            return
        values = values.str.strip_chars()
        for written in mapping.clock_of(name).formats:
            other = exchanged_format(written)
            if other is None:
                continue
            declared, exchanged = _read(values, written), _read(values, other)
            if (declared.is_not_null() & exchanged.is_null()).any():
                self._as_declared.add(name)
                return
            is_past = (exchanged <= now).fill_null(False)
            is_wrong = (declared.is_null() | (declared > now)) & is_past
            for seen, mask, form in ((self._exchanged, is_wrong, other), (self._either, is_past, written)):
                if name not in seen and (place := mask.arg_max()) is not None and mask[place]:
                    seen[name] = OrderedDate(name, rows[ROW][place], values[place], form)

    @property
    def exchanged(self) -> OrderedDate | None:
        """The first date that is one only the other way round, in a column that no date settles; None for none."""
        return next((one for name, one in self._exchanged.items() if name not in self._as_declared), None)

    @property
    def undecided(self) -> list[OrderedDate]:
        """A date of each column of which all dates could be read both ways."""
        return [one for name, one in self._either.items() if name not in self._as_declared]


def exchanged_format(written: str) -> str | None:
    """`%m/%d/%Y` for `%d/%m/%Y` and the other way round; None for a format without both."""
    if "%d" not in written or "%m" not in written:
        return None
    return written.replace("%d", "%\0").replace("%m", "%d").replace("%\0", "%m")


def _read(values: pl.Series, written: str) -> pl.Series:
    read = read_formats(values, (written,))
    return read.naive.fill_null(read.zoned.dt.replace_time_zone(None).cast(WALL_CLOCK))
