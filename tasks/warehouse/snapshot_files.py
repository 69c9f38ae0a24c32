"""Parquet files that say in their footer what they hold, get their name only when complete, and never change."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

import polars as pl
import pyarrow as pa
import pyarrow.parquet

from tasks.private_files import private_folder
from tasks.warehouse.fingerprint import Fingerprint
from tasks.warehouse.rowhash import RowHash
from tasks.warehouse.snapshots import Snapshot

FOOTER = b"raptorflow"
UNFINISHED = ".part"
ABANDONED_SECONDS = 24 * 3600
LABELS = ["workspace_id", "content_type", "channel", "media_type", "tone", "sentiment", "topic", "run_id"]

Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class SnapshotFiles:
    """Where the answers to one question lie: `<name>-<hash of the rows>.parquet` in a folder."""

    folder: Path
    name: str

    @property
    def taken(self) -> list[Path]:
        """The files there are, each of other rows."""
        return sorted(self.folder.glob(f"{self.name}-*.parquet"))

    def find(self, fingerprint: str) -> Snapshot | None:
        """The file whose rows had this fingerprint, if there is one."""
        for path in self.taken:
            footer = json.loads((pyarrow.parquet.read_metadata(path).metadata or {}).get(FOOTER, b"{}"))
            if footer.get("fingerprint") == fingerprint:
                # `pruning` goes by the time of last use; said here, because many disks are mounted without it.
                os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
                since, until = (datetime.fromisoformat(instant) for instant in footer["window"])
                return Snapshot(path, footer["rows"], footer["sha256"], (since, until))
        return None

    def write(self, frames: Iterable[pl.DataFrame], window: Window, fingerprint: Fingerprint) -> Snapshot:
        """Write frames of equal columns, at least one; `run_id` is kept but is no part of the hash."""
        private_folder(self.folder)
        _remove_abandoned(self.folder)
        with NamedTemporaryFile(dir=self.folder, prefix=".", suffix=UNFINISHED, delete=False) as file:
            try:
                rows, sha256 = _write(file, frames, window, fingerprint)
            except BaseException:
                Path(file.name).unlink()
                raise
        path = self.folder / f"{self.name}-{sha256[:12]}.parquet"
        Path(file.name).replace(path)
        return Snapshot(path, rows, sha256, window)


def _write(
    file: IO[bytes], frames: Iterable[pl.DataFrame], window: Window, fingerprint: Fingerprint
) -> tuple[int, str]:
    """Write rows and footer, safely on disk; returns the number of rows and their hash."""
    writer, digest, rows = None, RowHash(), 0
    summaries: list[pl.DataFrame] = []
    with ExitStack() as closing:
        for frame in frames:
            table = frame.to_arrow()
            writer = writer or closing.enter_context(_writer(file, table.schema))
            writer.write_table(table)
            digest.update(frame.drop("run_id"), table)
            summaries.append(fingerprint.summary(frame))
            rows += frame.height
        assert writer is not None, "frames must not be empty"
        footer = {"fingerprint": fingerprint.digest(summaries), "rows": rows, "sha256": digest.hexdigest()}
        footer["window"] = [instant.isoformat() for instant in window]
        writer.add_key_value_metadata({FOOTER: json.dumps(footer).encode()})
    file.flush()
    os.fsync(file.fileno())
    return rows, digest.hexdigest()


def _writer(file: IO[bytes], schema: pa.Schema) -> pyarrow.parquet.ParquetWriter:
    labels = [name for name in LABELS if name in schema.names]  # a dictionary of bodies would only be thrown away
    # Least and greatest texts help no reader, but for workspaces; looking for them takes a tenth of a write.
    ranged = [
        field.name for field in schema if field.name == "workspace_id" or not pa.types.is_large_string(field.type)
    ]
    return pyarrow.parquet.ParquetWriter(
        file, schema, compression="zstd", use_dictionary=labels, write_statistics=ranged
    )


def _remove_abandoned(folder: Path) -> None:
    """Remove what a killed process left unfinished long ago; others finish theirs meanwhile, and rename them."""
    for path in folder.glob(f".*{UNFINISHED}"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()
