"""What ingestion reports; light to import, so that a command line can know the kinds without the machinery."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

KINDS = ("workspaces", "content", "touches", "experiments", "exposures", "outcomes")
LOGS = ("exposures", "outcomes")  # kinds whose rows are taken in by experiments

COUNTED = ("read", "written", "unchanged", "rejected", "left_out", "seconds")

Progress = Callable[[int, int | None], None]
"""Called with rows done and rows in all; while rows are checked the second may be None, then they are written."""


@dataclass(frozen=True, slots=True)
class NewWorkspace:
    """What a workspace is that comes to be with its first file: its industry, size and name (None: its id)."""

    industry: str
    size: str = "smb"
    name: str | None = None


@dataclass(frozen=True, slots=True)
class IngestionReport:
    """What became of the rows: `read == written + unchanged + rejected`.

    Attributes:
        kind: one of `KINDS`.
        source: the files, comma-separated.
        read: rows found.
        written: rows that are new or differ from the stored ones.
        unchanged: rows that equal the stored ones, or were measured before them.
        rejected: rows refused; `rejects_path` says why, row by row.
        rejects_path: CSV of the refused rows (file, row, column, reason, value); None when there are none.
        reasons: 'column: reason' → number of rows; a row may have several.
        run_id: the run that rows written now carry.
        seconds: time taken.
        left_out: rows that the mapping leaves out (sums, drafts); they are not among those read.
        notes: what was decided about the files, a line each.
        workspaces: whose rows they are, by id.
    """

    kind: str
    source: str
    read: int
    written: int
    unchanged: int
    rejected: int
    rejects_path: Path | None
    run_id: str
    seconds: float
    reasons: Mapping[str, int] = field(default_factory=dict)
    left_out: int = 0
    notes: Sequence[str] = ()
    workspaces: Sequence[str] = ()


def joined(reports: Sequence[IngestionReport]) -> IngestionReport:
    """Several reports of one run as one."""
    first = reports[0]
    if len(reports) == 1:
        return first
    reasons: dict[str, int] = {}
    for report in reports:
        for reason, count in report.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    return replace(
        first,
        source=", ".join(report.source for report in reports),
        rejects_path=next((report.rejects_path for report in reports if report.rejects_path), None),
        reasons=reasons,
        notes=[note for report in reports for note in report.notes],
        workspaces=sorted({name for report in reports for name in report.workspaces}),
        **{name: sum(getattr(report, name) for report in reports) for name in COUNTED},
    )
