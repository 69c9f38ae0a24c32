"""Exposure and outcome logs from a file into the experiments that they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flows import console
from flows.home import require_home
from flows.readiness import NEXT
from tasks.experiments.log_service import LogService
from tasks.warehouse.ingestion import ingest
from tasks.warehouse.records import IngestionReport


def take_in(
    kind: str, file: Path, experiment: str | None, workspace: str | None, mapping: Path | None, as_json: bool
) -> None:
    """Ingest one file of logs and say what became of its rows."""
    require_home()
    with console.progress(f"ingesting {kind}") as on_progress:
        report = ingest(
            kind, [file], mapping=mapping, workspace=workspace, experiment=experiment, on_progress=on_progress
        )
    console.ingestion(with_experiments(report), [], NEXT[kind], as_json)


def with_experiments(report: IngestionReport) -> IngestionReport:
    """The report of a log, with what its experiments made of it."""
    return replace(report, notes=[*report.notes, *in_experiments(report.workspaces)])


def in_experiments(workspaces: Sequence[str]) -> list[str]:
    """Take in what the logs of workspaces hold; what became of it, in words."""
    return [line for taken in LogService().take_in(workspaces) for line in taken.in_words()]
