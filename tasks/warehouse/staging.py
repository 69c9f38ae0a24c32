"""First pass over a file: check every row, put the good ones aside, and decide whether the file may be written at all.

Nothing reaches the warehouse before the last row was judged: bad rows that all come late stop a file as early ones do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import polars as pl

from tasks.warehouse import attributes, duplicates
from tasks.warehouse.batches import ROW
from tasks.warehouse.checking import check
from tasks.warehouse.contract import Contract
from tasks.warehouse.errors import ColumnError, TooManyRejectedError
from tasks.warehouse.mapping import Mapping
from tasks.warehouse.records import Progress
from tasks.warehouse.rejects import MOST_REJECTED_SHARE, RejectsFile, Tally
from tasks.warehouse.sources import Source
from tasks.warehouse.spill import Spill


@dataclass
class Staged:
    """A file whose rows were judged: what was read, what was refused, and the rest, ready to be written."""

    source: Source
    spill: Spill
    read: int = 0
    superseded: int = 0
    tally: Tally = field(default_factory=Tally)
    left_out: set[int] = field(default_factory=set)
    readings: attributes.Readings = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        """Rows that will be written or are found unchanged."""
        return self.read - self.tally.rejected - self.superseded

    def batches(self) -> Iterator[pl.DataFrame]:
        """Typed rows with their `attributes`."""
        for frame in self.spill.frames():
            kept = frame.filter(~pl.col(ROW).is_in(self.left_out)) if self.left_out else frame
            if not kept.is_empty():
                yield attributes.with_attributes(kept, self.readings)


@dataclass(frozen=True, slots=True)
class Inspector:
    """Judges files of one kind under one mapping."""

    contract: Contract
    mapping: Mapping
    workspaces: Collection[str] | None

    def require_columns(self, source: Source) -> None:
        """Raise `ColumnError` unless the file has the columns it needs, and no stranger where none is kept."""
        available = {*source.columns, *self.mapping.columns}
        missing = [name for name in self.contract.required if name not in available]
        if missing:
            raise ColumnError.from_missing_and_available(source.path, self.contract.kind, missing, source.columns)
        others = self.mapping.attributes(source.columns, self.contract.columns)
        if others and not self.contract.keeps_attributes:
            raise ColumnError.from_unexpected(source.path, self.contract.kind, others, list(self.contract.columns))

    def stage(self, source: Source, spill: Spill, rejects: RejectsFile, progress: Progress | None) -> Staged:
        """Judge every row of a file.

        Raises:
            TooManyRejectedError: if more than a fifth of the rows were refused.
        """
        staged = Staged(source, spill)
        index: list[pl.DataFrame] = []
        for batch in source.batches:
            checked = check(batch, self.contract, self.mapping, self.workspaces)
            staged.read += batch.rows.height + len(batch.broken)
            staged.tally.add(checked.rejects)
            rejects.add(source.path, checked.rejects)
            spill.add(checked.passed)
            index.append(duplicates.index_of(checked.passed, self.contract))
            staged.readings = attributes.narrowed([staged.readings, attributes.possible_readings(checked.passed)])
            if progress is not None:
                progress(staged.read, source.rows)
        self._compare_rows(staged, pl.concat(index), rejects)
        if staged.tally.rejected > MOST_REJECTED_SHARE * staged.read:
            raise TooManyRejectedError(source.path, staged.tally, staged.read, rejects.path)
        return staged

    def _compare_rows(self, staged: Staged, index: pl.DataFrame, rejects: RejectsFile) -> None:
        older, repeated = duplicates.repeated(index)
        controls = duplicates.several_controls(index.filter(~pl.col(ROW).is_in(repeated["row"].implode())))
        refused = pl.concat([repeated, controls])
        staged.superseded = len(older)
        staged.left_out = {*older, *refused["row"]}
        staged.tally.add(refused)
        rejects.add(staged.source.path, refused)
