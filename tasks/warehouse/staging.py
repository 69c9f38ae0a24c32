"""First pass over a file: check every row, put the good ones aside, and decide whether the file may be written at all.

Nothing reaches the warehouse before the last row was judged: bad rows that all come late stop a file as early ones do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tasks.warehouse import attributes
from tasks.warehouse.batches import ATTRIBUTE, ROW, Batch
from tasks.warehouse.checking import check
from tasks.warehouse.contract import CONTENT, COUNT, LATEST_AHEAD, NUMBER, Contract
from tasks.warehouse.day_order import DayOrder
from tasks.warehouse.duplicates import RowComparison
from tasks.warehouse.errors import (
    BadFileError,
    ColumnError,
    DailyBreakdownError,
    DayOrderError,
    ShortenedIdsError,
    TooManyRejectedError,
)
from tasks.warehouse.grain import summed
from tasks.warehouse.keys import shortened
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.oddities import Oddities
from tasks.warehouse.reading.header import looks_like_values
from tasks.warehouse.reading.number_columns import NumberColumn, NumberColumns
from tasks.warehouse.reading.selection import select_rows
from tasks.warehouse.records import Progress
from tasks.warehouse.rejects import MOST_REJECTED_SHARE, RejectsFile, Tally
from tasks.warehouse.sources import Source
from tasks.warehouse.spill import Partitions, RowSet, Spill


@dataclass
class Staged:
    """A file whose rows were judged: what was read, what was refused, and the rest, ready to be written.

    Attributes:
        source: the file.
        mapping: how its columns became the canonical ones, alternatives decided.
        spill: the rows that passed.
        numbers: how its number columns are written.
        read: rows of data, without those left out.
        left_out: rows that sum up others, drafts and the like, which the mapping leaves out.
        days: rows that were summed to fewer, where the file has one a post and day; else 0.
        superseded: rows measured before another of the same key.
        has_escaped_quotes: whether quotes inside texts were written as `\\"`.
        tally: refused rows.
        unwanted: numbers of rows that are not written.
        readings: types of its attributes.
        day_order: whether its dates have the day where the formats have the month.
    """

    source: Source
    mapping: Mapping
    spill: Spill
    numbers: NumberColumns
    read: int = 0
    left_out: int = 0
    days: int = 0
    superseded: int = 0
    has_escaped_quotes: bool = False
    tally: Tally = field(default_factory=Tally)
    unwanted: RowSet = field(default_factory=RowSet)
    readings: attributes.Readings = field(default_factory=dict)
    day_order: DayOrder = field(default_factory=DayOrder)
    oddities: Oddities = field(default_factory=Oddities)

    @property
    def accepted(self) -> int:
        """Rows that will be written or are found unchanged."""
        return self.read - self.tally.rejected - self.superseded

    @property
    def roles(self) -> dict[str, str]:
        """What its further columns may be used for, where that was said."""
        return self.mapping.roles(name.removeprefix(ATTRIBUTE) for name in self.readings)

    def batches(self) -> Iterator[pl.DataFrame]:
        """Typed rows with their `attributes`."""
        for frame in self.spill.frames():
            kept = frame.filter(~self.unwanted.holds(frame[ROW])) if len(self.unwanted) else frame
            if not kept.is_empty():
                yield attributes.with_attributes(kept, self.readings, self.roles)


@dataclass(frozen=True, slots=True)
class Inspector:
    """Judges files of one kind; `workspaces` are those that rows may belong to, None when any id will do."""

    contract: Contract
    workspaces: Collection[str] | None

    def require_columns(self, source: Source, mapping: Mapping, hint: str = "") -> None:
        """Raise `ColumnError` unless the file has the columns it needs, and no stranger where none is kept."""
        available = {*source.columns, *mapping.columns, *(["content_id"] if mapping.id else [])}
        missing = [name for name in self.contract.required if name not in available]
        if missing == [self.contract.hours_of] and mapping.is_preset:
            raise BadFileError(
                source.path,
                "names a period and not when each post was published; take its posts in first, whose addresses "
                "its pages then have, or give a list of dates with --dates FILE (CSV of content_id and published_at)",
            )
        if self.contract.is_log and missing == ["experiment_name"]:
            raise BadFileError(source.path, "does not name its experiment; say --experiment NAME")
        if missing == ["workspace_id"] and mapping.is_preset:
            raise BadFileError(source.path, "does not say whose rows they are; say --workspace ID")
        if missing:
            raise ColumnError.from_missing_and_available(
                source.path, self.contract.kind, missing, source.columns, hint or _hint(source, missing)
            )
        twice = sorted(source.repeated & (set(self.contract.columns) - set(mapping.columns)))
        if twice:
            raise BadFileError(source.path, f"column '{twice[0]}' stands twice in the header")
        unsaid = [name for name in sorted(source.repeated & mapping.used) if not mapping.names_column(f"{name} (2)")]
        if unsaid:
            raise BadFileError(
                source.path,
                f"column '{unsaid[0]}' stands twice in the header, so either could be meant; remove one, or name "
                f"'{unsaid[0]} (2)' in a mapping file, under `ignore:` where the first is meant",
            )
        others = mapping.attributes(source.columns, self.contract.columns)
        if others and not self.contract.keeps_attributes:
            raise ColumnError.from_unexpected(source.path, self.contract.kind, others, list(self.contract.columns))

    def stage(
        self, source: Source, mapping: Mapping, spill: Spill, rejects: RejectsFile, progress: Progress | None
    ) -> Staged:
        """Judge every row of a file.

        Raises:
            TooManyRejectedError: if more than a fifth of the rows were refused.
            InputError: if a column, the ids or the rows as a whole say that the file cannot be meant.
        """
        numbers = NumberColumns(source.path, number_columns(self.contract, mapping, source.columns))
        staged = Staged(source, mapping, spill, numbers)
        with RowComparison(self.contract, spill.folder) as comparison, Partitions(spill.folder) as days:
            for batch in source.batches:
                passed = self._judge(staged, batch, rejects)
                if mapping.grain is None:
                    spill.add(passed)
                    if not self.contract.is_log:
                        comparison.add(passed)
                else:
                    days.add(passed, pl.struct(self.contract.keys).hash())
                if progress is not None:
                    progress(staged.read, source.rows)
            for rows in days.groups():
                self._sum_days(staged, rows, comparison)
            if not self.contract.is_log:
                self._compare_rows(staged, comparison, rejects)
        _require_meant(staged, rejects)
        return staged

    def _judge(self, staged: Staged, batch: Batch, rejects: RejectsFile) -> pl.DataFrame:
        """The rows of a batch that passed; the others are refused or left out."""
        batch, left_out = select_rows(batch, staged.mapping, staged.source.path)
        rows, rounded = staged.numbers.plain(batch.rows)
        if rounded:
            name = "rounded" if "rounded" not in rows.columns else "rounded by the export"
            rows = rows.with_columns(_names_where(rounded).alias(name))
        checked = check(Batch(rows, batch.broken), self.contract, staged.mapping, self.workspaces)
        self._refuse_shortened_keys(staged, checked.passed)
        ahead = datetime.now(UTC).replace(tzinfo=None) + LATEST_AHEAD
        staged.day_order.see(batch.rows, self.contract, staged.mapping, ahead)
        staged.left_out += left_out
        staged.has_escaped_quotes |= batch.has_escaped_quotes
        staged.read += batch.rows.height + len(batch.broken)
        staged.tally.add(checked.rejects)
        rejects.add(staged.source.path, checked.rejects)
        staged.readings = attributes.narrowed(
            [staged.readings, attributes.possible_readings(checked.passed, staged.readings)]
        )
        if self.contract is CONTENT:
            staged.oddities.see(checked.passed)
        return checked.passed

    def _refuse_shortened_keys(self, staged: Staged, passed: pl.DataFrame) -> None:
        for name in self.contract.keys[1:2] if self.contract.keeps_attributes else []:
            place = shortened(passed[name])
            if place is not None:
                raise ShortenedIdsError(staged.source.path, name, passed[name][place], passed[ROW][place])

    def _sum_days(self, staged: Staged, passed: pl.DataFrame, comparison: RowComparison) -> None:
        rows = summed(passed, self.contract)
        staged.days += passed.height
        staged.read -= passed.height - rows.height
        staged.spill.add(rows)
        comparison.add(rows)

    def _compare_rows(self, staged: Staged, comparison: RowComparison, rejects: RejectsFile) -> None:
        compared = comparison.compared()
        falls = compared.falls
        if falls.are_those_of_days:
            raise DailyBreakdownError(staged.source.path, self._key_in(staged, falls.row), falls.of_the_post)
        staged.superseded = len(compared.older)
        staged.unwanted = compared.older
        staged.unwanted.add(compared.refused["row"])
        staged.tally.add(compared.refused)
        rejects.add(staged.source.path, compared.refused)

    def _key_in(self, staged: Staged, row: int) -> str:
        frames = (frame.filter(pl.col(ROW) == row) for frame in staged.spill.frames())
        return next(str(frame[self.contract.keys[-1]][0]) for frame in frames if frame.height)


def _require_meant(staged: Staged, rejects: RejectsFile) -> None:
    """Raise where the rows as a whole say that the file is not what its mapping takes it for."""
    path, exchanged = staged.source.path, staged.day_order.exchanged
    if exchanged is not None:
        raise DayOrderError(path, exchanged.column, exchanged.value, exchanged.row, exchanged.written)
    if staged.tally.rejected > MOST_REJECTED_SHARE * staged.read:
        raise TooManyRejectedError(path, staged.tally, staged.read, rejects.path)


def number_columns(contract: Contract, mapping: Mapping, available: Collection[str]) -> list[NumberColumn]:
    """The file's columns that canonical numbers and features are made of, and how they are written."""
    columns: list[NumberColumn] = []
    for name, column in contract.columns.items():
        if column.dtype not in (COUNT, NUMBER):
            continue
        origin = mapping.columns.get(name)
        sources = origin.sources if origin is not None else [name] if name in available else []
        whole = column.dtype == COUNT
        columns += [NumberColumn(one, mapping.number_of(name), whole, name) for one in sources]
    features = [name for name in mapping.features if name in available]
    return columns + [NumberColumn(name, mapping.number_of(name), False, name) for name in features]


def _names_where(rounded: dict[str, Any]) -> pl.Expr:
    """The names of the columns that are rounded in each row, comma-separated."""
    parts = [pl.when(pl.lit(mask)).then(pl.lit(name)) for name, mask in rounded.items()]
    known = pl.any_horizontal(pl.lit(mask) for mask in rounded.values())
    return pl.when(known).then(pl.concat_str(parts, separator=", ", ignore_nulls=True))


def _hint(source: Source, missing: Sequence[str]) -> str:
    """What a header that lacks columns looks like: a line of values, a sentence above the table, a name twice."""
    header = source.header
    if header is None:
        return ""
    if looks_like_values(header.names):
        return "; its first line looks like values, so it has no header row: add one"
    place = source.header_below(missing)
    if place is not None:
        return f"; the header stands in line {place + 1}: say `skip_rows: {place}` in a mapping file"
    twice = sorted(header.repeated)
    return f"; column '{twice[0]}' stands twice in the header" if twice else ""
