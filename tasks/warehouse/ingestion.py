"""Files into the warehouse: check everything, then write batch by batch, one transaction a batch.

Two passes. The first reads and judges every row of every file and puts the good ones aside (`staging`), so a file of
which too much is wrong is refused before anything was written. The second derives features and upserts (`bulk`),
holding the ingestion lock: two ingestions at once end as one after the other. Killed anywhere and run again it ends
as if it had never been killed: rows already there are 'unchanged'.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import polars as pl
from sqlalchemy import select

from tasks.content.features import with_features
from tasks.errors import InputError
from tasks.settings import get_settings
from tasks.warehouse import open_warehouse
from tasks.warehouse.addresses import address_of
from tasks.warehouse.bulk import BulkUpsert
from tasks.warehouse.contract import CONTENT, WORKSPACES, Contract, contract_of
from tasks.warehouse.database import Warehouse
from tasks.warehouse.database_rows import open_query
from tasks.warehouse.errors import IngestionStoppedError
from tasks.warehouse.experiment_design import design_of, settled, with_metrics
from tasks.warehouse.experiment_files import Arms, ExperimentFile, ExperimentReader, peeked, write_arms
from tasks.warehouse.experiment_logs import with_aliases, write_log
from tasks.warehouse.inspection import require_fit
from tasks.warehouse.locks import ingestion_lock
from tasks.warehouse.mapping import Mapping, load_mapping, require_columns
from tasks.warehouse.new_workspaces import twin_of, workspace_row
from tasks.warehouse.prefetch import prefetch
from tasks.warehouse.presets import preset_named
from tasks.warehouse.publication_dates import PublicationDates
from tasks.warehouse.reading.zones import require_zone
from tasks.warehouse.records import IngestionReport, NewWorkspace, Progress
from tasks.warehouse.rejects import RejectsFile
from tasks.warehouse.schema import IngestionRun, Workspace
from tasks.warehouse.sources import Source, open_source
from tasks.warehouse.spill import Spill
from tasks.warehouse.staging import Inspector, Staged
from tasks.warehouse.standing_posts import StandingPosts, figures_of
from tasks.warehouse.telling import notes_of


def ingest(
    kind: str,
    paths: Sequence[Path],
    *,
    mapping: Path | None = None,
    preset: str | None = None,
    workspace: str | None = None,
    timezone: str | None = None,
    dates: Path | None = None,
    new_workspace: NewWorkspace | None = None,
    database: str | None = None,
    experiment: str | None = None,
    control: str | None = None,
    warehouse: Warehouse | None = None,
    run_id: str | None = None,
    on_progress: Progress | None = None,
) -> IngestionReport:
    """Bring files of one kind into the warehouse, or the rows of queries.

    Rows are keyed: the same file twice writes nothing. Of two measurements of one content the newer `measured_at`
    stands; at the same one, or with none on either side, the row that comes later. Content, touches and arms of a
    workspace that is not in the warehouse are rejected. Local hours and weekdays follow the workspace's timezone as it
    is now: where that was corrected, the same content ingested again is brought up to date.

    Args:
        kind: one of `records.KINDS`.
        paths: the files; all are checked before the first is written.
        mapping: YAML file that says which of their columns are the canonical ones (`mapping.py`).
        preset: name of a mapping of ours instead (`presets.py`).
        workspace: whose rows they are, where the files do not say.
        timezone: zone of the account that exported them, where a preset leaves it open; None takes the workspace's.
        dates: CSV of `content_id` and `published_at` for exports that lack the instants of publication.
        new_workspace: what the workspace is, where it is not in the warehouse yet; written with the first rows.
        experiment: name of the experiment, where the files do not say.
        control: the arm that others are compared with, where the files do not say.
        database: address of a database; the paths are then files that hold one SELECT each (`database_rows`).
        warehouse: where to; None takes the settings'.
        run_id: written into the rows; None makes one.
        on_progress: called after each batch with rows done and, where known, rows in all.

    Raises:
        InputError: if a file or the mapping is wrong, or more than a fifth of a file's rows; nothing was written.
        WarehouseError: if the warehouse cannot be used.
    """
    started = monotonic()
    contract = contract_of(kind)
    if not paths:
        raise InputError(f"no file to ingest; expected {kind} as .csv, .parquet or .jsonl")
    if mapping is not None and preset is not None:
        raise InputError("--mapping and --preset exclude each other: a preset is a mapping")
    require_zone(timezone)
    if preset is not None and database is None:
        for file in paths:
            require_fit(file, kind, preset)
    store = open_warehouse(warehouse)
    path = mapping if preset is None else preset_named(preset).path
    wanted = _Wanted(path, workspace, timezone, dates, new_workspace, database, experiment, control)
    job = _Job(store, contract, wanted, run_id or f"ingest-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}", paths)
    with ExitStack() as resources:
        try:
            if wanted.mapping(contract).metrics:
                files, arms = job.reshape(resources, on_progress)
                return job.report(files, job.write_arms(files, arms), monotonic() - started, arms.notes)
            staged = job.stage(resources, on_progress)
            if contract.is_log:
                written, counted = job.write_log(staged)
            else:
                written, counted = job.write(staged, on_progress), []
        except KeyboardInterrupt as error:
            raise IngestionStoppedError(job.done, job.total) from error
    notes = [*counted, *(note for file in staged for note in notes_of(file)), *job.notes()]
    return job.report(staged, written, monotonic() - started, notes)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How files are to be read: by which mapping, for whom, by whose clock, from which database."""

    path: Path | None
    workspace: str | None
    timezone: str | None
    dates: Path | None
    new: NewWorkspace | None
    database: str | None
    experiment: str | None
    control: str | None

    def open(self, path: Path, mapping: Mapping) -> Source:
        """The rows of a file, or of the query that it holds."""
        return open_source(path, mapping) if self.database is None else open_query(self.database, path, mapping)

    def origin(self, path: Path) -> str:
        """Where rows come from, as it may be shown."""
        return str(path) if self.database is None else f"{path} on {address_of(self.database).shown}"

    def mapping(self, contract: Contract) -> Mapping:
        """The mapping as it stands in its file; an arm that was named as control goes before."""
        mapping = load_mapping(self.path, contract)
        return mapping if self.control is None else mapping.model_copy(update={"control": self.control})

    def bound(self, mapping: Mapping, source: Source, zones: Dictionary[str, str]) -> Mapping:
        """The mapping for one file: its columns, its text above the table, its workspace and that one's clock."""
        mapping = mapping.in_zone(self.timezone)
        zone = self.timezone or (zones.get(self.workspace) if self.workspace else None)
        if zone is None and mapping.needs_workspace_zone:
            raise InputError(
                f"{source.path}: its times are those of the account's clock, which it does not name; "
                "say --workspace ID, whose timezone it is, or --timezone Europe/Berlin"
            )
        if self.workspace is not None and "workspace_id" not in source.columns:
            mapping = mapping.with_constants(workspace_id=self.workspace)
        bound = mapping.bound(source.columns, zone, source.preamble)
        if self.experiment is not None and "experiment_name" not in source.columns:
            bound = bound.with_constants(experiment_name=self.experiment)
        return bound


class _Job:
    def __init__(
        self, store: Warehouse, contract: Contract, wanted: _Wanted, run_id: str, paths: Sequence[Path]
    ) -> None:
        self.store, self.contract, self.wanted, self.run_id, self.paths = store, contract, wanted, run_id, paths
        self.zones = _timezones(store)
        self.created = self._new_workspace()
        self.standing: dict[Path, StandingPosts] = {}
        self.done = 0
        self.total: int | None = None  # known once all files were checked
        self.workspaces: set[str] = set()
        digest = hashlib.sha256("\n".join(map(str, paths)).encode()).hexdigest()[:8]
        name = re.sub(r"[^\w.-]", "_", run_id)[:100]
        self.rejects = RejectsFile(get_settings().rejects / f"{name}-{contract.kind}-{digest}.csv")

    def _new_workspace(self) -> dict[str, Any] | None:
        """The row of a workspace that is not there yet, and whose rows these are."""
        wanted = self.wanted
        if wanted.workspace is None or wanted.workspace in self.zones:
            return None
        twin = twin_of(wanted.workspace, self.zones)
        if twin is not None:  # the next line would tell how to make a second one, whose rows the first never sees
            raise InputError(
                f"unknown workspace '{wanted.workspace}', which looks like '{twin}' and is another; say "
                f"--workspace {twin}, or take an id that nobody mixes up with it"
            )
        if wanted.new is None or wanted.timezone is None:
            raise InputError(
                f"unknown workspace '{wanted.workspace}'; create it with the same command: --workspace "
                f"{wanted.workspace} --industry bakery --timezone Europe/Berlin"
            )
        row = workspace_row(wanted.workspace, wanted.new, wanted.timezone)
        self.zones = {**self.zones, wanted.workspace: wanted.timezone}
        return row

    def stage(self, resources: ExitStack, progress: Progress | None) -> list[Staged]:
        """Judge all files."""
        wanted = self.wanted
        mapping = wanted.mapping(self.contract)
        known: set[str] = {*self.zones} if wanted.workspace is None else {wanted.workspace}
        inspector = Inspector(self.contract, None if self.contract is WORKSPACES else known)
        opened: list[tuple[Source, Mapping]] = []
        for path in self.paths:
            source = wanted.open(path, mapping)
            require_columns(mapping, wanted.path, source.path, source.columns)
            bound = wanted.bound(with_aliases(mapping, self.contract, source.columns), source, self.zones)
            dates = PublicationDates(wanted.dates) if wanted.dates is not None else None
            source, bound = dates.joined(source, bound) if dates is not None else self._of_posts(source, bound)
            inspector.require_columns(source, bound)
            opened.append((source, bound))
        spills = [resources.enter_context(Spill(get_settings().home)) for _ in opened]
        staged = [
            inspector.stage(source, bound, spill, self.rejects, progress)
            for (source, bound), spill in zip(opened, spills, strict=True)
        ]
        self._require_posts(staged)
        return staged

    def _of_posts(self, source: Source, mapping: Mapping) -> tuple[Source, Mapping]:
        """A report that names pages and no dates, with the posts that its pages are; others as they are."""
        known = {*source.columns, *mapping.columns}
        has_dates = "published_at" in known or self.contract is not CONTENT
        workspace, kind = self.wanted.workspace, mapping.columns.get("content_type")
        if has_dates or workspace is None or kind is None or "content_id" not in mapping.columns:
            return source, mapping
        posts = StandingPosts(self.store, workspace, str(kind.constant))
        if not len(posts):
            return source, mapping
        self.standing[source.path] = posts
        return posts.joined(source, mapping)

    def notes(self) -> list[str]:
        """What a person should know of pages that were taken for posts."""
        return [
            f"{path.name}: its figures are those of posts that stand already; "
            f"{posts.unmatched:,} pages that are none of them were left out"
            for path, posts in self.standing.items()
        ]

    def _require_posts(self, staged: Sequence[Staged]) -> None:
        for file in staged:
            posts = self.standing.get(file.source.path)
            if posts is not None and not file.read:
                raise InputError(
                    f"{file.source.path}: none of its {posts.unmatched:,} pages is a post of "
                    f"'{self.wanted.workspace}'; take the posts in first, or give --dates FILE"
                )

    def reshape(self, resources: ExitStack, progress: Progress | None) -> tuple[list[ExperimentFile], Arms]:
        """Judge all files of experiments that are not arms row by row, and make the arms."""
        wanted = self.wanted
        mapping = wanted.mapping(self.contract)
        design = design_of(mapping)
        known: set[str] = {*self.zones} if wanted.workspace is None else {wanted.workspace}
        opened: list[tuple[Source, Mapping]] = []
        for path in self.paths:
            source = wanted.open(path, mapping if design is None else with_metrics(mapping, design))
            require_columns(mapping, wanted.path, source.path, source.columns)
            bound = wanted.bound(mapping, source, self.zones)
            if design is None:
                rows, source = peeked(source)
                design = settled(bound, rows)
            opened.append((source, with_metrics(bound, design)))
        assert design is not None, "there is a file"
        reader = ExperimentReader(design, known, self.rejects, get_settings().home)
        spills = [resources.enter_context(Spill(get_settings().home)) for _ in opened]
        files = [
            reader.stage(source, bound, spill, progress) for (source, bound), spill in zip(opened, spills, strict=True)
        ]
        return files, reader.arms(files)

    def write_arms(self, files: Sequence[ExperimentFile], arms: Arms) -> int:
        """Write arms; returns the number of the files' rows that made new or different ones."""
        began = datetime.now(UTC)
        self.workspaces.update(arms.rows["workspace_id"].unique())
        with ingestion_lock(self.store):
            self._write_workspace()
            written = write_arms(self.store, arms, self.run_id)
            for place, file in enumerate(files):
                self._record(file, written.get(place, 0), began)
        return sum(written.values())

    def write(self, staged: Sequence[Staged], progress: Progress | None) -> int:
        """Write what was put aside; returns the number of rows that were new or different."""
        every = [column.name for column in self.contract.table.__table__.columns]
        self.total = sum(file.accepted for file in staged)
        written = 0
        with ingestion_lock(self.store):
            self._write_workspace()
            for file in staged:
                before, began = written, datetime.now(UTC)
                columns = figures_of(file.mapping) if file.source.path in self.standing else every
                with BulkUpsert(self.store, self.contract.table, columns) as bulk:
                    for rows in prefetch(self._derived, file.batches()):
                        written += bulk.write(rows)
                        self.done += rows.height
                        if progress is not None:
                            progress(self.done, self.total)
                self._record(file, written - before, began)
        return written

    def write_log(self, staged: Sequence[Staged]) -> tuple[int, list[str]]:
        """Write rows of a log, each once; returns how many were new or different, and what was counted."""
        self.total, began = sum(file.accepted for file in staged), datetime.now(UTC)
        with ingestion_lock(self.store):
            self._write_workspace()
            files = [file.batches() for file in staged]
            written, notes, workspaces = write_log(self.store, self.contract, files, self.run_id)
            self.workspaces.update(workspaces)
            for file, count in zip(staged, written, strict=True):
                self._record(file, count, began)
        self.done = self.total
        return sum(written), notes

    def _write_workspace(self) -> None:
        if self.created is not None:
            with self.store.begin() as connection:
                self.store.upsert(connection, Workspace, [self.created | {"run_id": self.run_id}])

    def report(
        self, staged: Sequence[Staged | ExperimentFile], written: int, seconds: float, notes: Sequence[str]
    ) -> IngestionReport:
        """The counts of all files."""
        read, rejected = sum(file.read for file in staged), self.rejects.tally.rejected
        return IngestionReport(
            kind=self.contract.kind,
            source=", ".join(self.wanted.origin(path) for path in self.paths),
            read=read,
            written=written,
            unchanged=read - written - rejected,
            rejected=rejected,
            rejects_path=self.rejects.path_if_any,
            reasons=dict(self.rejects.tally.reasons.most_common()),
            run_id=self.run_id,
            seconds=seconds,
            left_out=sum(file.left_out for file in staged),
            notes=notes,
            workspaces=sorted(self.workspaces),
        )

    def _derived(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The table's columns: canonical ones, attributes, features."""
        self.workspaces.update(rows["workspace_id"].unique())
        stamped = rows.with_columns(pl.lit(self.run_id).alias("run_id"))
        return with_features(stamped, self.zones) if self.contract is CONTENT else stamped

    def _record(self, file: Staged | ExperimentFile, written: int, began: datetime) -> None:
        rejected = file.tally.rejected
        row = {
            "run_id": self.run_id,
            "kind": self.contract.kind,
            "source": self.wanted.origin(file.source.path),
            "source_sha256": _sha256(file.source.path),
            "status": "done",
            "read": file.read,
            "written": written,
            "unchanged": file.read - written - rejected,
            "rejected": rejected,
            "rejects_path": str(self.rejects.path) if rejected else None,
            "started_at": began,
            "finished_at": datetime.now(UTC),
        }
        with self.store.begin() as connection:
            self.store.upsert(connection, IngestionRun, [row])


def _timezones(store: Warehouse) -> Dictionary[str, str]:
    rows = store.rows(select(Workspace.workspace_id, Workspace.timezone))
    return {row["workspace_id"]: row["timezone"] for row in rows}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
