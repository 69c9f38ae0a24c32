"""Files into the warehouse: check everything, then write batch by batch, one transaction a batch.

Two passes. The first reads and judges every row of every file and puts the good ones aside (`staging`), so a file of
which too much is wrong is refused before anything was written. The second derives features and upserts (`bulk`),
holding the ingestion lock: two ingestions at once end as one after the other. Killed anywhere and run again it ends
as if it had never been killed: rows already there are 'unchanged'.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from uuid import uuid4

import polars as pl
from sqlalchemy import select

from tasks.content.features import with_features
from tasks.errors import InputError
from tasks.settings import get_settings
from tasks.warehouse import open_warehouse
from tasks.warehouse.bulk import BulkUpsert
from tasks.warehouse.contract import CONTENT, WORKSPACES, Contract, contract_of
from tasks.warehouse.database import Warehouse
from tasks.warehouse.locks import ingestion_lock
from tasks.warehouse.mapping import load_mapping, require_columns
from tasks.warehouse.prefetch import prefetch
from tasks.warehouse.records import IngestionReport, Progress
from tasks.warehouse.rejects import RejectsFile
from tasks.warehouse.schema import IngestionRun, Workspace
from tasks.warehouse.sources import open_source
from tasks.warehouse.spill import Spill
from tasks.warehouse.staging import Inspector, Staged


def ingest(
    kind: str,
    paths: Sequence[Path],
    *,
    mapping: Path | None = None,
    warehouse: Warehouse | None = None,
    run_id: str | None = None,
    on_progress: Progress | None = None,
) -> IngestionReport:
    """Bring files of one kind into the warehouse.

    Rows are keyed: the same file twice writes nothing. Of two measurements of one content the newer `measured_at`
    stands; at the same one, or with none on either side, the row that comes later. Content, touches and arms of a
    workspace that is not in the warehouse are rejected. Local hours and weekdays follow the workspace's timezone as it
    is now: where that was corrected, the same content ingested again is brought up to date.

    Args:
        kind: workspaces, content, touches or experiments.
        paths: CSV, Parquet or JSON Lines files, by suffix; all are checked before the first is written.
        mapping: YAML file that says which of their columns are the canonical ones (`mapping.py`).
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
    store = open_warehouse(warehouse)
    job = _Job(store, contract, run_id or f"ingest-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}", paths)
    with ExitStack() as resources:
        staged = job.stage(mapping, resources, on_progress)
        written = job.write(staged, on_progress)
    return job.report(staged, written, monotonic() - started)


class _Job:
    def __init__(self, store: Warehouse, contract: Contract, run_id: str, paths: Sequence[Path]) -> None:
        self.store, self.contract, self.run_id, self.paths = store, contract, run_id, paths
        self.zones = _timezones(store)
        digest = hashlib.sha256("\n".join(map(str, paths)).encode()).hexdigest()[:8]
        name = re.sub(r"[^\w.-]", "_", run_id)[:100]
        self.rejects = RejectsFile(get_settings().rejects / f"{name}-{contract.kind}-{digest}.csv")

    def stage(self, mapping_path: Path | None, resources: ExitStack, progress: Progress | None) -> list[Staged]:
        """Judge all files."""
        mapping = load_mapping(mapping_path, self.contract)
        workspaces = None if self.contract is WORKSPACES else self.zones.keys()
        inspector = Inspector(self.contract, mapping, workspaces)
        sources = [open_source(path) for path in self.paths]
        for source in sources:
            require_columns(mapping, mapping_path, source.path, source.columns)
            inspector.require_columns(source)
        spills = [resources.enter_context(Spill(get_settings().home)) for _ in sources]
        return [
            inspector.stage(source, spill, self.rejects, progress)
            for source, spill in zip(sources, spills, strict=True)
        ]

    def write(self, staged: Sequence[Staged], progress: Progress | None) -> int:
        """Write what was put aside; returns the number of rows that were new or different."""
        columns = [column.name for column in self.contract.table.__table__.columns]
        total = sum(file.accepted for file in staged)
        done = written = 0
        with ingestion_lock(self.store):
            for file in staged:
                before, began = written, datetime.now(UTC)
                # Closed before `_record` writes through the other copy of SQLite, see sqlite_guard.py.
                with BulkUpsert(self.store, self.contract.table, columns) as bulk:
                    for rows in prefetch(self._derived, file.batches()):
                        written += bulk.write(rows)
                        done += rows.height
                        if progress is not None:
                            progress(done, total)
                self._record(file, written - before, began)
        return written

    def report(self, staged: Sequence[Staged], written: int, seconds: float) -> IngestionReport:
        """The counts of all files."""
        read, rejected = sum(file.read for file in staged), self.rejects.tally.rejected
        return IngestionReport(
            kind=self.contract.kind,
            source=", ".join(str(path) for path in self.paths),
            read=read,
            written=written,
            unchanged=read - written - rejected,
            rejected=rejected,
            rejects_path=self.rejects.path_if_any,
            reasons=dict(self.rejects.tally.reasons.most_common()),
            run_id=self.run_id,
            seconds=seconds,
        )

    def _derived(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The table's columns: canonical ones, attributes, features."""
        stamped = rows.with_columns(pl.lit(self.run_id).alias("run_id"))
        return with_features(stamped, self.zones) if self.contract is CONTENT else stamped

    def _record(self, file: Staged, written: int, began: datetime) -> None:
        rejected = file.tally.rejected
        row = {
            "run_id": self.run_id,
            "kind": self.contract.kind,
            "source": str(file.source.path),
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


def _timezones(store: Warehouse) -> Mapping[str, str]:
    rows = store.rows(select(Workspace.workspace_id, Workspace.timezone))
    return {row["workspace_id"]: row["timezone"] for row in rows}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
