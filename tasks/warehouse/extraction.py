"""Rows of some workspaces, frozen as one Parquet file that no later run changes.

A file is named for what was asked (kind, workspaces, window) and for the hash of what was found, and says so in its
own footer together with a fingerprint of the rows in the warehouse. Asking again compares fingerprints: rows that did
not change are neither read nor written again. The footer, not a table, remembers: files and warehouse cannot disagree
after one of them was restored, moved or removed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import polars as pl
from sqlalchemy import ColumnElement, Select, Table, func, select

from tasks.errors import OutOfRangeError, UnknownNameError
from tasks.warehouse import open_warehouse
from tasks.warehouse.arrow import Reader, typed
from tasks.warehouse.calendar_range import readable
from tasks.warehouse.database import Warehouse
from tasks.warehouse.fingerprint import Fingerprint
from tasks.warehouse.prefetch import prefetch
from tasks.warehouse.schema import Base, Content, Touch, Workspace
from tasks.warehouse.snapshot_files import SnapshotFiles
from tasks.warehouse.snapshots import ChunkSnapshot, Snapshot
from tasks.warehouse.windows import SLICE_ROWS, Bounds, Slice, slices

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
TIMES: dict[type[Base], tuple[str, str]] = {
    Content: ("published_at", "content_id"),
    Touch: ("occurred_at", "touch_id"),
}

MOST_CHUNKS = 64
MANY_ROWS = 10_000  # of SQLite: fewer are read sooner than another process has started

Window = tuple[datetime, datetime]


def workspace_chunks(warehouse: Warehouse | None, size: int, workspace_ids: Sequence[str] = ()) -> list[list[str]]:
    """The workspaces named, or all of them, by organization and id, in lists of at most `size`; larger ones where there
    would be more than `MOST_CHUNKS`, since each costs Prefect 4 to 30 ms a step.

    So what an organization's workspaces share, such as a model of all their rows, is mostly made once.

    Raises:
        OutOfRangeError: if `size` is less than 1.
        UnknownNameError: if a workspace named is not in the warehouse.
    """
    if size < 1:
        raise OutOfRangeError("size", size, "1 or more")
    store = open_warehouse(warehouse)
    owners = store.rows(select(Workspace.workspace_id, Workspace.organisation_id))
    owner = {row["workspace_id"]: row["organisation_id"] or row["workspace_id"] for row in owners}
    known = sorted(_known(store, workspace_ids), key=owner.__getitem__)
    size = max(size, -(-len(known) // MOST_CHUNKS))
    return [known[start : start + size] for start in range(0, len(known), size)]


def extract_content(
    warehouse: Warehouse | None,
    workspace_ids: Sequence[str],
    folder: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Snapshot:
    """Freeze the content of some workspaces, by workspace, `published_at` and `content_id`.

    Args:
        warehouse: where from; None takes the settings'.
        workspace_ids: whose content.
        folder: where the Parquet file goes; made if need be.
        since: first instant, inclusive; None for no bound.
        until: last instant, exclusive; None for no bound.

    Returns:
        The file, its rows, their hash (without `run_id`: who wrote a row is not what it says), and the window.

    Raises:
        UnknownNameError: if a workspace is not in the warehouse.
    """
    return _Extraction(warehouse, Content, TIMES[Content]).run(workspace_ids, folder, (since, until))


def extract_touches(
    warehouse: Warehouse | None,
    workspace_ids: Sequence[str],
    folder: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Snapshot:
    """Freeze the touches of some workspaces, by workspace, `occurred_at` and `touch_id`; see `extract_content`."""
    return _Extraction(warehouse, Touch, TIMES[Touch]).run(workspace_ids, folder, (since, until))


def freeze(warehouse: Warehouse, workspace_ids: Sequence[str], window: Window, folder: Path) -> ChunkSnapshot:
    """Content and touches of some workspaces in a window, frozen."""
    since, until = window
    content = extract_content(warehouse, workspace_ids, folder, since=since, until=until)
    touches = extract_touches(warehouse, workspace_ids, folder, since=since, until=until)
    return ChunkSnapshot([*workspace_ids], content, touches)


def row_fingerprints(warehouse: Warehouse, workspace_ids: Sequence[str], window: Window) -> dict[str, dict[str, str]]:
    """What tells whether rows of a workspace in a window changed, by kind; one query a kind, no row is read."""
    kinds = {}
    extractions = [_Extraction(warehouse, table, TIMES[table]) for table in (Content, Touch)]
    with Reader(warehouse.url) as reader:
        for extraction in extractions:
            question = extraction.within(extraction.fingerprint.question(), tuple(workspace_ids), window)
            kinds[extraction.table.name] = extraction.fingerprint.by_workspace(reader.read(question))
    return {name: {kind: hashes.get(name, "") for kind, hashes in kinds.items()} for name in workspace_ids}


class _Extraction:
    def __init__(self, warehouse: Warehouse | None, table: type[Base], order: tuple[str, str]) -> None:
        self.store = open_warehouse(warehouse)
        self.table = cast(Table, table.__table__)
        self.order = ("workspace_id", *order)
        self.time: ColumnElement[datetime] = self.table.c[order[0]]
        self.fingerprint = Fingerprint(self.table)

    def run(self, workspace_ids: Sequence[str], folder: Path, bounds: Bounds) -> Snapshot:
        """The snapshot, taken before or now."""
        ids = tuple(_known(self.store, workspace_ids)) if workspace_ids else ()
        query = json.dumps([ids, [bound and bound.isoformat() for bound in bounds]])
        files = SnapshotFiles(folder, f"{self.table.name}-{hashlib.sha256(query.encode()).hexdigest()[:16]}")
        with Reader(self.store.url, many=self.store.is_sqlite and self._are_many(ids)) as reader:
            snapshot = self._unchanged(reader, files, ids, bounds)
            if snapshot is None:
                counts = self._counts(reader, ids, bounds)
                window = _window(counts, bounds)
                snapshot = files.write(self._frames(reader, counts, bounds), window, self.fingerprint)
        return snapshot

    def _are_many(self, ids: tuple[str, ...]) -> bool:
        """Whether reading the rows of these workspaces is worth the start of a process."""
        some = select(self.table.c.workspace_id).where(self.table.c.workspace_id.in_(ids)).limit(MANY_ROWS).subquery()
        return bool(self.store.rows(select(func.count().label("rows")).select_from(some))[0]["rows"] == MANY_ROWS)

    def _unchanged(self, reader: Reader, files: SnapshotFiles, ids: tuple[str, ...], bounds: Bounds) -> Snapshot | None:
        if not files.taken:
            return None
        summary = reader.read(self.within(self.fingerprint.question(), ids, bounds))
        return files.find(self.fingerprint.digest([summary]))

    def _counts(self, reader: Reader, ids: tuple[str, ...], bounds: Bounds) -> pl.DataFrame:
        """Rows, first and last instant of each workspace that has rows: an index answers it."""
        workspace, first, last = self.table.c.workspace_id, func.min(self.time), func.max(self.time)
        question = select(workspace, func.count().label("rows"), first.label("first"), last.label("last"))
        return reader.read(self.within(question.group_by(workspace), ids, bounds))

    def _frames(self, reader: Reader, counts: pl.DataFrame, bounds: Bounds) -> Iterator[pl.DataFrame]:
        """The rows in order; those of the next slice are fetched while these are written."""
        rows = dict(counts.select("workspace_id", "rows").iter_rows())
        planned = slices(rows, bounds, partial(self._cuts, reader, bounds)) or [Slice((), bounds)]
        everything = select(self.table)
        for part in prefetch(
            lambda part: reader.fetch(self.within(everything, part.workspace_ids, part.bounds)), planned
        ):
            # Sorted here, not by the database: text sorts the same everywhere, and no index makes it quicker there.
            frame = typed(part, everything)
            yield frame if _is_sorted(frame, self.order) else frame.sort(self.order)

    def _cuts(self, reader: Reader, bounds: Bounds, workspace_id: str) -> list[datetime]:
        """Every `SLICE_ROWS`-th instant of a workspace: an index answers it."""
        place = func.row_number().over(order_by=self.time).label("place")
        numbered = self.within(select(self.time.label("instant"), place), (workspace_id,), bounds).subquery()
        statement = select(numbered.c.instant).distinct().where(numbered.c.place % SLICE_ROWS == 0)
        instants: list[datetime] = reader.read(statement.order_by(numbered.c.instant))["instant"].to_list()
        return instants

    def within(self, statement: Select[Any], workspace_ids: tuple[str, ...], bounds: Bounds) -> Select[Any]:
        """The select, of some workspaces' rows in some stretch of time."""
        since, until = bounds
        statement = statement.where(self.table.c.workspace_id.in_(workspace_ids), readable(self.time))
        statement = statement if since is None else statement.where(self.time >= since)
        return statement if until is None else statement.where(self.time < until)


def _is_sorted(rows: pl.DataFrame, by: Sequence[str]) -> bool:
    """Whether no row belongs before the one above it: SQLite's index mostly gives them so, and a look costs a third."""
    is_behind = pl.lit(value=False)
    for name in reversed(by):
        above, here = pl.col(name).shift(), pl.col(name)
        is_behind = (here < above) | ((here == above) & is_behind)
    return not rows.select(is_behind.any()).item()


def _known(store: Warehouse, workspace_ids: Sequence[str]) -> list[str]:
    """The ids named, or of all workspaces, each once and sorted; an id that no workspace has is an error."""
    query = select(Workspace.workspace_id)
    query = query.where(Workspace.workspace_id.in_(workspace_ids)) if workspace_ids else query
    known = {row["workspace_id"] for row in store.rows(query)}
    for workspace_id in sorted({*workspace_ids} - known):
        raise UnknownNameError.for_workspace(workspace_id)
    return sorted(known)


def _window(counts: pl.DataFrame, bounds: Bounds) -> tuple[datetime, datetime]:
    """What was asked for; where that was open, from the first row to just after the last."""
    since, until = bounds
    first: Any = counts["first"].min() or NO_TIME
    last: Any = counts["last"].max()
    return since or first, until or (NO_TIME if last is None else last + timedelta(microseconds=1))
