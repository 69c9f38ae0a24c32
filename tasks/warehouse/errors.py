"""What can be wrong with a file that is ingested. Each names the file, the place, what was expected and what to do.

InputError
├── BadFileError             the file cannot be read as what its name says
├── ColumnError              its columns are not those of the kind
├── MappingError             the mapping file is wrong
├── UndeclaredFileError      a form names a file outside the folders that forms may name
└── TooManyRejectedError     more than a fifth of its rows were refused: nothing of it was written
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import InputError

if TYPE_CHECKING:
    from tasks.warehouse.rejects import Tally


class BadFileError(InputError):
    """Raised when a file cannot be read as the rows its name promises."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"{path}: {problem}")


class ColumnError(InputError):
    """Raised when a file lacks a column, or has one that means nothing."""

    @classmethod
    def from_missing_and_available(
        cls, path: Path, kind: str, missing: Sequence[str], available: Sequence[str]
    ) -> ColumnError:
        """The columns the kind needs and the file's own, with the likeliest pairs."""
        return cls(
            f"{path}: {kind} need the column{'s' if len(missing) > 1 else ''} {_listed(missing)}, "
            f"the file has {_listed(available)}{_meant(missing, available)}; rename with `--mapping FILE.yaml`"
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


class UndeclaredFileError(InputError):
    """Raised when a form names a file outside the inbox and the declared folders; it was not looked at."""

    def __init__(self, path: Path, folders: Sequence[Path]) -> None:
        self.path, self.folders = path, list(folders)
        super().__init__(
            f"{path}: forms take files below {_listed(map(str, folders))} alone; declare more folders with "
            "RAPTORFLOW_INPUT_FOLDERS, or use `raptorflow ingest`"
        )


class TooManyRejectedError(InputError):
    """Raised when so many rows were refused that the file, or its mapping, must be wrong as a whole."""

    def __init__(self, path: Path, tally: Tally, read: int, rejects_path: Path) -> None:
        self.path, self.tally, self.read, self.rejects_path = path, tally, read, rejects_path
        column, count = tally.worst
        super().__init__(
            f"{path}: {tally.rejected:,} of {read:,} rows were rejected, more than a fifth, so nothing was written; "
            f"worst column '{column}' ({count:,} rows), first {tally.examples[column]}; all of them: {rejects_path}"
        )


def _meant(names: Sequence[str], among: Sequence[str]) -> str:
    """The likeliest name for each that was not understood."""
    near = [f"'{found[0]}' for '{name}'" for name in names if (found := get_close_matches(name, among, n=1))]
    return f" (did you mean {' and '.join(near)}?)" if near else ""


def _listed(names: Iterable[str], at_most: int = 20) -> str:
    found = [f"'{name}'" for name in names]
    return ", ".join(found[:at_most]) + (", …" if len(found) > at_most else "")
