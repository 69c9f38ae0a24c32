"""Every error a person may meet, as one tree.

RaptorflowError                    the work failed                        exit status 1
├── HomeUnusableError              nothing can be written where everything is kept
├── WarehouseError                 the store cannot be used
│   ├── WarehouseUnreachableError  nothing answers at the configured address
│   │   └── WarehouseCutError      a connection that stood was ended
│   ├── SchemaOutdatedError        the schema is older than this code expects
│   └── SchemaNewerError           the schema is newer than this code knows
└── InputError (ValueError)        what was asked or given is wrong       exit status 2
    ├── HomeNameError              the home's path holds ? or #
    ├── UnknownNameError           a name that is not among those known, with the nearest one
    ├── OutOfRangeError            a number outside its bounds
    └── WrongTimeError             right in itself, but not as things stand

Capabilities add their own beneath these, in their `errors.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

FULL = (
    "no room is left on the disk where RAPTORFLOW_HOME or the database lies; make room and run the same again: what "
    "was written before is whole"
)
READ_ONLY = (
    "the disk where RAPTORFLOW_HOME or the database lies cannot be written to any more; look why it is read-only, then "
    "run the same again"
)
# What SQLite, the system, polars and PostgreSQL call these two.
DISK_REASONS = {
    **dict.fromkeys(
        ("database or disk is full", "No space left on device", "os error 28", "Disk quota exceeded", "disk is full"),
        FULL,
    ),
    **dict.fromkeys(("readonly database", "Read-only file system", "os error 30"), READ_ONLY),
}
DEEPEST_CAUSE = 20
MOST_LETTERS = 500  # of a reason in other libraries' words


class RaptorflowError(Exception):
    """Base of all errors that are shown to a person as one line, without a traceback."""

    exit_status: ClassVar[int] = 1


class HomeUnusableError(RaptorflowError):
    """Raised before anything begins, where the home is full, read-only or somebody else's."""

    def __init__(self, home: object, reason: str) -> None:
        super().__init__(
            f"nothing can be written to {home} ({reason}); make room or correct its rights, or set RAPTORFLOW_HOME to "
            "another folder"
        )


class WarehouseError(RaptorflowError):
    """The warehouse cannot be used."""


class WarehouseUnreachableError(WarehouseError):
    """Raised when no database answers at the configured address."""

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        super().__init__(f"no database answers at {address} ({reason}); start it or change RAPTORFLOW_DATABASE_URL")


class WarehouseCutError(WarehouseUnreachableError):
    """Raised when a connection that stood was ended: by a restart, an administrator or the network."""

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        words = f"the connection to {address} was cut ({reason}); run the same again, it goes on where it was"
        WarehouseError.__init__(self, words)


class SchemaOutdatedError(WarehouseError):
    """Raised when the database holds another schema revision than this code expects."""

    def __init__(self, found: str | None, expected: str) -> None:
        self.found, self.expected = found, expected
        super().__init__(
            f"the warehouse has schema revision {found or 'none'}, this version needs {expected}; run `raptorflow init`"
        )


class SchemaNewerError(WarehouseError):
    """Raised when a newer version of this code has upgraded the database; nothing leads back."""

    def __init__(self, found: str, expected: str) -> None:
        self.found, self.expected = found, expected
        super().__init__(
            f"the warehouse was upgraded by a newer version (schema revision {found}, this version knows up to "
            f"{expected}); run that version, or restore a backup from before with `raptorflow restore FILE`"
        )


class InputError(RaptorflowError, ValueError):
    """Raised when an argument, a file or a parameter is wrong; nothing was written."""

    exit_status: ClassVar[int] = 2


class HomeNameError(InputError):
    """Raised where the home's path holds a sign that ends the path in a database's address."""

    def __init__(self, home: object) -> None:
        super().__init__(f"the home {home} cannot be used: no address of a database in it may hold ? or #; rename it")


class UnknownNameError(InputError):
    """Raised when a name is not among the known ones."""

    def __init__(self, what: str, name: object, known: Iterable[str] = (), fix: str = "") -> None:
        self.what, self.name, self.known = what, name, sorted(known)
        near = get_close_matches(str(name), self.known, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        if not near and self.known:
            hint = f"; known: {', '.join(self.known[:8])}{', …' if len(self.known) > 8 else ''}"
        super().__init__(f"unknown {what} '{name}'{hint}{f'; {fix}' if fix else ''}")

    @classmethod
    def for_workspace(cls, workspace_id: object) -> UnknownNameError:
        """Name no other workspace: a tenant's name is not for another tenant's error."""
        return cls("workspace", workspace_id, fix="add it with `raptorflow ingest workspaces FILE`")


class OutOfRangeError(InputError):
    """Raised when a number lies outside its bounds."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        self.name, self.value, self.expected = name, value, expected
        super().__init__(f"{name} must be {expected}, not {value!r}")


class WrongTimeError(InputError):
    """Raised where a request is right in itself, and things are in a state that does not allow it."""


def reason_of(error: BaseException) -> str:
    """Why something failed, in one line, for a person; what a disk said in whatever library's words, in ours."""
    if isinstance(error, RaptorflowError):
        return str(error)
    line = (str(error).strip().splitlines() or ["no message"])[0]
    if len(line) > MOST_LETTERS:  # a server that repeats the request it refused
        line = f"{line[:MOST_LETTERS]} …"
    return _of_the_disk(error) or f"{type(error).__name__}: {line}"


def _of_the_disk(error: BaseException) -> str | None:
    seen: BaseException | None = error
    for _ in range(DEEPEST_CAUSE):
        if seen is None:
            return None
        words = str(seen)
        for phrase, reason in DISK_REASONS.items():
            if phrase in words:
                return reason
        seen = seen.__cause__ or seen.__context__
    return None


def require_whole(name: str, value: object, least: int, most: int) -> None:
    """Raise `OutOfRangeError` unless the value is a whole number with least ≤ value ≤ most: 2.7 is not rounded to 2."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OutOfRangeError(name, value, f"a whole number of at least {least}")
    if value > most:
        raise OutOfRangeError(name, value, f"a whole number of at most {most:,}")


def require_between(name: str, value: float, low: float, high: float) -> None:
    """Raise `OutOfRangeError` unless low ≤ value ≤ high; a NaN is never between."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise OutOfRangeError(name, value, f"between {low} and {high}")
