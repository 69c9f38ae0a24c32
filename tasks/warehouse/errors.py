"""What can be wrong with a file that is ingested. Each names the file, the place, what was expected and what to do.

RaptorflowError
└── IngestionStoppedError    somebody pressed Ctrl-C

InputError
├── BadFileError             the file cannot be read as what its name says
├── ColumnError              its columns are not those of the kind
├── MappingError             the mapping file is wrong
├── NumbersError             a column writes numbers in ways that cannot all be meant
├── ShortenedIdsError        a spreadsheet has cut the ids
├── DailyBreakdownError      one row a post and day, where one row a post is expected
├── DayOrderError            days where the format has months
├── QueryError               a database does not answer a query with rows
├── UndeclaredFileError      a form names a file outside the folders that forms may name
└── TooManyRejectedError     more than a fifth of its rows were refused: nothing of it was written
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import InputError, RaptorflowError

if TYPE_CHECKING:
    from tasks.warehouse.addresses import Address
    from tasks.warehouse.reading.numbers import NumberRule
    from tasks.warehouse.rejects import Tally

LONGEST_NAME = 60


class IngestionStoppedError(RaptorflowError):
    """Raised when ingestion was interrupted; what was written stays, and the same command goes on."""

    def __init__(self, written: int, total: int | None) -> None:
        self.written, self.total = written, total
        if total is None:
            stays = "while files were checked, nothing was written"
        else:
            stays = f"{written:,} of {total:,} rows were written and stay"
        super().__init__(f"stopped: {stays}; run the same command again to go on")


APART = "files were put one below the other: give each its own file"


class BadFileError(InputError):
    """Raised when a file cannot be read as the rows its name promises."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"{path}: {problem}")

    @classmethod
    def from_another_header(cls, path: Path, row: int) -> BadFileError:
        """Files with other columns that were put one below the other."""
        return cls(path, f"row {row} is a header with other columns than the first; {APART}")

    @classmethod
    def from_long_row(cls, path: Path, most_bytes: int) -> BadFileError:
        """A row that no post can be."""
        return cls(path, f"a row is longer than {most_bytes >> 20} MiB; no post is, look for a quote")


class InboxError(InputError):
    """Raised when some folders of the inbox could not be taken in; the others were, and are left alone next time."""

    def __init__(self, taken: int, problems: Sequence[Exception]) -> None:
        self.taken, self.problems = taken, [*problems]
        others = "the others were" if taken else "nothing was written"
        super().__init__(
            f"{len(self.problems)} of the inbox's {taken + len(self.problems)} folders were not taken in, {others}: "
            + "; ".join(str(problem) for problem in self.problems)
        )


class ColumnError(InputError):
    """Raised when a file lacks a column, or has one that means nothing."""

    @classmethod
    def from_missing_and_available(
        cls, path: Path, kind: str, missing: Sequence[str], available: Sequence[str], hint: str = ""
    ) -> ColumnError:
        """The columns the kind needs and the file's own, with the likeliest pairs, or a hint at what is wrong."""
        return cls(
            f"{path}: {kind} need the column{'s' if len(missing) > 1 else ''} {_listed(missing)}, "
            f"the file has {_listed(available)}{_meant(missing, available)}"
            f"{hint or '; rename with `--mapping FILE.yaml`'}"
        )

    @classmethod
    def from_unexpected(cls, path: Path, kind: str, unexpected: Sequence[str], known: Sequence[str]) -> ColumnError:
        """Columns of a kind that keeps no attributes."""
        return cls(
            f"{path}: {kind} have no column {_listed(unexpected)}{_meant(unexpected, known)}; known: {_listed(known)}; "
            "leave others out with `ignore:` in a mapping file"
        )


class MappingError(InputError):
    """Raised when a mapping file is no mapping, or names what does not exist."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"mapping {path}: {problem}")


class NumbersError(InputError):
    """Raised when a column writes numbers in more than one way, or in one that can mean two numbers."""

    def __init__(
        self, path: Path, column: str, usual: str | None, strange: str, row: int, count: int, rule: NumberRule
    ) -> None:
        self.path, self.column, self.row, self.rule = path, column, row, rule
        beside = f"'{usual}' and " if usual is not None else ""
        rows = f"row {row}" if count == 1 else f"row {row} and {count - 1:,} more"
        super().__init__(
            f"{path}: column '{column}' writes numbers as {beside}'{strange}' ({rows}), which its rule "
            f"({rule.words}) does not read; {_number_fix(strange)}"
        )


def _number_fix(strange: str) -> str:
    """What would read a number, by what stands beside its digits."""
    if strange[-1:].isalpha() or strange[-1:] == ".":
        return "say `number: {suffixes: true}` in a mapping file, which reads 1.2K as 1200"
    if strange.endswith("%"):
        return "a share is no count: map another column, or say `number: {percent: true}` in a mapping file"
    if any(sign in strange for sign in "$€£¥"):
        return "an amount of money is no count: map another column"
    return "say `number:` with thousands and decimal in a mapping file"


class ShortenedIdsError(InputError):
    """Raised when a spreadsheet has cut the digits of ids: many posts would become one."""

    def __init__(self, path: Path, column: str, value: str, row: int) -> None:
        self.path, self.column, self.row = path, column, row
        super().__init__(
            f"{path}: a spreadsheet has shortened the ids in '{column}' (row {row}: '{value}'), their last digits are "
            "lost; export the file again and do not open it in a spreadsheet before"
        )


class DailyBreakdownError(InputError):
    """Raised when a file holds one row a post and day: the last day would stand for the whole."""

    def __init__(self, path: Path, example: str, rows: int) -> None:
        self.path, self.example = path, example
        super().__init__(
            f"{path}: is a daily breakdown, one row a post and day (post '{example}' has {rows:,} rows); export one "
            "row a post, or say `grain: day` in a mapping file to sum the days"
        )


class DayOrderError(InputError):
    """Raised when a file's dates have the day where the format has the month: other dates would be wrong in silence."""

    def __init__(self, path: Path, column: str, value: str, row: int, written: str) -> None:
        self.path, self.column, self.row = path, column, row
        super().__init__(
            f"{path}: '{value}' in row {row} ({column}) is a date only with day and month the other way round, and no "
            f'date of the file contradicts that; say `format: "{written}"` in a mapping file, which `raptorflow '
            "inspect FILE --write-mapping MAP.yaml` begins"
        )


class QueryError(InputError):
    """Raised when a database does not answer, or not with rows that can be read; nothing was changed there."""

    def __init__(self, query: Path, address: Address, problem: str) -> None:
        self.query, self.problem = query, address.without_secrets(problem)
        super().__init__(f"{query} on {address.shown}: {self.problem}")


class UndeclaredFileError(InputError):
    """Raised when a form names a file outside the inbox and the declared folders; it was not looked at."""

    def __init__(self, path: Path, folders: Sequence[Path]) -> None:
        self.path, self.folders = path, list(folders)
        super().__init__(
            f"{path}: forms take files below {_listed(map(str, folders))} alone; declare more folders with "
            "RAPTORFLOW_INPUT_FOLDERS, or use the command line"
        )


class TooManyRejectedError(InputError):
    """Raised when so many rows were refused that the file, or its mapping, must be wrong as a whole."""

    def __init__(self, path: Path, tally: Tally, read: int, rejects_path: Path) -> None:
        self.path, self.tally, self.read, self.rejects_path = path, tally, read, rejects_path
        column, count = tally.worst
        if column == "(key)":
            meant = "; if it has one row a post and day, export one row a post or say `grain: day` in a mapping file"
        else:
            meant = ""
        super().__init__(
            f"{path}: {tally.rejected:,} of {read:,} rows were rejected, more than a fifth, so nothing was written; "
            f"worst column '{column}' ({count:,} rows), first {tally.examples[column]}{meant}; "
            f"all of them: {rejects_path}"
        )


def _meant(names: Sequence[str], among: Sequence[str]) -> str:
    """The likeliest name for each that was not understood."""
    pairs = ((name, get_close_matches(name, among, n=1, cutoff=0.75)) for name in names)
    near = [f"'{matches[0]}' for '{name}'" for name, matches in pairs if matches]
    return f" (did you mean {' and '.join(near)}?)" if near else ""


def _listed(names: Iterable[str], at_most: int = 20) -> str:
    quoted = [f"'{name[:LONGEST_NAME]}'" for name in names]
    return ", ".join(quoted[:at_most]) + (", …" if len(quoted) > at_most else "")
