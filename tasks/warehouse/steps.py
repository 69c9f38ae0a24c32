"""Prefect tasks of the warehouse: take files in, freeze rows, tell how a run ended."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.errors import InputError
from tasks.settings import get_settings
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.errors import InboxError
from tasks.warehouse.extraction import Window, freeze, row_fingerprints, workspace_chunks
from tasks.warehouse.frames import count_rows, newest_instant
from tasks.warehouse.freshness import note_told, stopped_inputs
from tasks.warehouse.inbox import inbox, waiting
from tasks.warehouse.input_folders import declared
from tasks.warehouse.locks import telling_lock
from tasks.warehouse.outcomes import DONE, Outcome, each_workspace, outcomes_of
from tasks.warehouse.pruning import prune
from tasks.warehouse.records import IngestionReport, joined
from tasks.warehouse.snapshots import ChunkSnapshot
from tasks.warehouse.standing import StepQuestion, standing_answers

logger = logging.getLogger("raptorflow")


@task(name="ingest-files", cache_policy=NO_CACHE)
def ingest_files(
    kind: str, files: Sequence[str], how: Mapping[str, str | None], run_id: str, is_from_form: bool = False
) -> dict[str, Any]:
    """Take files into the warehouse, those named or all in the inbox; the same file twice changes nothing.

    Args:
        kind: what their rows are.
        files: none for the inbox: what lies in its folder of that kind is read as `how` says, what lies in folders
            below it, `WORKSPACE/PRESET` or `PRESET`, by that preset and for that workspace.
        how: mapping, preset, workspace, timezone, experiment and control, each may be None.
        run_id: written into the rows.
        is_from_form: filled in by whoever may open the page, and read with the worker's rights: it names files of the
            inbox and of declared folders alone.

    Raises:
        InputError: if files are wrong; an `InboxError` names those of all folders, and the other folders were taken in.
    """
    from tasks.warehouse.ingestion import ingest  # brings the machinery: no other flow's process need wait for it

    folder = get_settings().inbox / kind
    batches = [waiting(how, [Path(file) for file in files])] if files else inbox(folder, how)
    named = how.get("mapping")
    mapping = Path(named) if named else None
    if is_from_form:
        batches = [replace(batch, files=[declared(path) for path in batch.files]) for batch in batches]
        mapping = declared(mapping) if mapping else None
    if not batches:
        return {"kind": kind, "read": 0, "status": f"no file named, none in {folder}"}
    reports: list[IngestionReport] = []
    problems: list[InputError] = []
    for batch in batches:
        try:
            reports.append(
                ingest(kind, batch.files, mapping=mapping if batch.preset is None else None, preset=batch.preset,
                       workspace=batch.workspace, timezone=how.get("timezone"), experiment=how.get("experiment"),
                       control=how.get("control"), run_id=run_id)
            )  # fmt: skip
        except InputError as problem:
            if len(batches) == 1:
                raise
            problems.append(problem)
    if problems:
        raise InboxError(len(reports), problems)
    return asdict(joined(reports))


@task(name="plan-chunks", cache_policy=NO_CACHE)
def plan_chunks(
    workspace_ids: Sequence[str], size: int, lookback_days: int, as_of: datetime | None
) -> tuple[list[list[str]], Window]:
    """Which workspaces go together, and the window all of them are read in: back from the newest row before `as_of`.

    So a night that is run again later reads the window it would have read then.
    """
    warehouse = open_warehouse()
    newest = newest_instant(warehouse, workspace_ids, as_of) or as_of or datetime.now(UTC)
    # The end is exclusive: the newest row itself belongs to the window.
    window = (newest - timedelta(days=lookback_days), newest + timedelta(microseconds=1))
    return workspace_chunks(warehouse, size, workspace_ids), window


@task(name="newest-row", cache_policy=NO_CACHE)
def newest_row(workspace_ids: Sequence[str]) -> datetime | None:
    """When the newest post or touch of the workspaces happened."""
    return newest_instant(open_warehouse(), workspace_ids)


@contextmanager
def only_teller() -> Iterator[None]:
    """Tell operators what they do not know yet, and note it, while no other run does."""
    with telling_lock(open_warehouse()):
        yield


@task(name="watch-input", cache_policy=NO_CACHE)
def newly_silent(now: datetime) -> list[str]:
    """Workspaces that have fallen silent since somebody was last told, by their own habit; a line each."""
    return [str(one) for one in stopped_inputs(open_warehouse(), now)]


@task(name="note-told", cache_policy=NO_CACHE)
def note_silence_told(now: datetime) -> None:
    """Remember that what was silent by then is told."""
    note_told(open_warehouse(), now)


@task(name="plan-nights", cache_policy=NO_CACHE)
def plan_nights(
    workspace_ids: Sequence[str], lookback_days: int, nights: Sequence[datetime | None]
) -> list[dict[str, Any]]:
    """What each night would read: its window, how many workspaces, posts and touches are in it, and whether it shares.

    A night that would read the very window of the night before has nothing to do, and is left out.

    Args:
        workspace_ids: whose; none for all.
        lookback_days: how far back each night looks.
        nights: their instants, oldest first; None for a night up to the newest row.
    """
    warehouse, plan = open_warehouse(), list[dict[str, Any]]()
    newest = newest_instant(warehouse, workspace_ids)
    for night in nights:
        chunks, (since, until) = plan_chunks.fn(workspace_ids, 1000, lookback_days, night)
        known = [name for chunk in chunks for name in chunk]
        posts, touches = count_rows(warehouse, known, since, until)
        if (posts or touches) and not (plan and plan[-1]["until"] == until):
            plan.append({"night": night, "since": since, "until": until, "workspaces": len(known)})
            plan[-1] |= {"posts": posts, "touches": touches, "shares": newest is not None and newest < until}
    return plan


@task(name="extract", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=2)
def extract_chunk(
    workspace_ids: list[str],
    window: Window,
    run_id: str,
    questions: Sequence[StepQuestion] = (),
    is_asked_anew: bool = False,
) -> ChunkSnapshot:
    """Freeze the rows of some workspaces; what has not changed is not written again.

    Where that fails, each workspace is tried by itself: those whose rows cannot be read are recorded as failed and
    left out.

    Args:
        workspace_ids: whose rows.
        window: from when (inclusive) until when (exclusive).
        run_id: the run it belongs to.
        questions: what the steps will ask of these rows: where every answer stands, no row is read. None where answers
            are not to be remembered.
        is_asked_anew: answer all of them again, whether they stand or not.
    """
    warehouse = open_warehouse()
    try:
        if not questions:
            return freeze(warehouse, workspace_ids, window, get_settings().snapshots)
        return _freeze_changed(warehouse, workspace_ids, window, questions, is_asked_anew=is_asked_anew)
    except Exception:
        logger.exception("extraction failed for a chunk of workspaces, each is tried by itself")
    work = partial(freeze_one, warehouse, window)
    outcomes = each_workspace(warehouse, run_id, "extraction", workspace_ids, work)
    readable = [outcome.workspace_id for outcome in outcomes if outcome.status == DONE]
    return freeze(warehouse, readable, window, get_settings().snapshots)


def _freeze_changed(
    warehouse: Warehouse,
    workspace_ids: list[str],
    window: Window,
    questions: Sequence[StepQuestion],
    *,
    is_asked_anew: bool,
) -> ChunkSnapshot:
    """Rows of the workspaces for which any of the questions has to be answered."""
    rows = row_fingerprints(warehouse, workspace_ids, window)
    changed = set(workspace_ids) if is_asked_anew else set[str]()
    if not is_asked_anew:
        for question in questions:
            changed |= set(workspace_ids) - standing_answers(warehouse, question, workspace_ids, rows).keys()
    frozen = freeze(warehouse, sorted(changed), window, get_settings().snapshots)
    about = {"frozen": tuple(sorted(changed)), "fingerprints": rows, "is_asked_anew": is_asked_anew}
    return replace(frozen, workspace_ids=workspace_ids, **about)  # type: ignore[arg-type]


def freeze_one(warehouse: Warehouse, window: Window, workspace_id: str) -> Outcome:
    """Whether a workspace's rows can be frozen; the files are not kept."""
    with TemporaryDirectory(dir=get_settings().home) as folder:
        freeze(warehouse, [workspace_id], window, Path(folder))
    return Outcome(workspace_id, DONE)


@task(name="delete-old-snapshots", cache_policy=NO_CACHE)
def delete_old_snapshots(older_than_days: int, dry_run: bool) -> list[dict[str, Any]]:
    """Delete snapshots that no run has used for so many days, or say which would go."""
    return prune(get_settings().snapshots, older_than_days, dry_run=dry_run)


@task(name="read-outcomes", cache_policy=NO_CACHE)
def read_outcomes(run_id: str) -> list[dict[str, Any]]:
    """How each step of a run ended for each workspace."""
    return outcomes_of(open_warehouse(), run_id)
