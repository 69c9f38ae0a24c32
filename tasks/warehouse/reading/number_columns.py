"""The number columns of one file: settles how each writes its numbers and brings them to plain digits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from tasks.warehouse.batches import ROW
from tasks.warehouse.errors import NumbersError
from tasks.warehouse.reading.numbers import NumberRule, ambiguous, read_numbers, settle

PLAIN_DIGITS = r"^\s*[+\-]?(\d+|\d+\.\d{1,2}|\d+\.\d{4,})\s*$"


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """One column of a file that holds numbers: how they are written, whether whole ones, and what they become."""

    name: str
    rule: NumberRule
    whole: bool
    canonical: str


class NumberColumns:
    """Brings the number columns of a file's batches to plain digits; what was settled in one batch binds the next."""

    def __init__(self, path: Path, columns: Iterable[NumberColumn]) -> None:
        self._path = path
        self._columns = {column.name: column for column in columns}
        self._plain: dict[str, str] = {}
        self.rounded: dict[str, int] = {}

    @property
    def decided(self) -> Mapping[str, NumberRule]:
        """Columns whose values settled how they are written."""
        return {
            name: column.rule
            for name, column in self._columns.items()
            if not column.rule.settled and column.rule.thousands
        }

    def plain(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, pl.Series]]:
        """The rows with plain numbers, and for each column in which some were rounded (12.3K) which those are.

        Raises:
            NumbersError: if a column writes numbers in more than one way, or in one that nobody has said how to read.
        """
        schema = rows.schema
        there = [name for name in self._columns if schema.get(name) == pl.String]
        unusual = [name for name in there if not rows[name].str.contains(PLAIN_DIGITS).fill_null(True).all()]
        self._settle(rows, unusual)
        rounded: dict[str, pl.Series] = {}
        changed: list[pl.Series] = []
        for name in unusual:
            column, values = self._columns[name], rows[name]
            read = read_numbers(values, column.rule)
            in_doubt = ambiguous(values, column.rule) if column.whole else read.other_ways
            if read.other_ways.any() or in_doubt.any():
                raise self._mixed(column, rows, read.other_ways | in_doubt)
            if read.rounded.any():
                rounded[column.canonical] = read.rounded
                self.rounded[column.canonical] = self.rounded.get(column.canonical, 0) + int(read.rounded.sum())
            changed.append(values.zip_with(read.numbers.is_null(), read.numbers.cast(pl.String)))
        for name in there:
            self._remember(name, rows[name])
        return rows.with_columns(changed), rounded

    def _settle(self, rows: pl.DataFrame, unusual: list[str]) -> None:
        """One file writes all its numbers one way: the columns that are open settle it together."""
        unsettled = [name for name in unusual if not self._columns[name].rule.settled]
        open_ones = [
            name for name in unsettled if self._columns[name].rule.thousands is None and self._columns[name].whole
        ]
        if not open_ones:
            return
        pool = pl.concat([rows[name].alias("pool") for name in open_ones])
        rule = settle(pool, self._columns[open_ones[0]].rule)
        for name, column in self._columns.items():
            if rule.thousands and not column.rule.settled:
                settled = replace(column.rule, thousands=rule.thousands, decimal=rule.decimal)
                self._columns[name] = replace(column, rule=settled)

    def _remember(self, name: str, values: pl.Series) -> None:
        if name not in self._plain and (first := values.drop_nulls().head(1).to_list()):
            self._plain[name] = first[0]

    def _mixed(self, column: NumberColumn, rows: pl.DataFrame, strange: pl.Series) -> NumbersError:
        values = rows[column.name]
        place = strange.arg_true()[0]
        usual = self._plain.get(column.name)
        if usual is None:
            others = values.filter(~strange).drop_nulls()
            usual = others[0] if len(others) else None
        count = int(strange.sum())
        return NumbersError(
            self._path, column.name, usual, str(values[place]), int(rows[ROW][place]), count, column.rule
        )
