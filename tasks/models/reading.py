"""Which rows are learnt from or predicted: of a snapshot that a run froze, or of the warehouse as it is."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from tasks.errors import InputError
from tasks.models.learning import Run
from tasks.models.specs import ModelSpec
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import content_frame, touch_frame
from tasks.warehouse.snapshots import ChunkSnapshot, Snapshot

Source = Warehouse | Snapshot | ChunkSnapshot
BY_HAND = "by-hand"


def run_of(source: Source | None, as_of: datetime | None, run_id: str | None, commit: str | None) -> Run:
    """On whose behalf something is done, with the hash of the snapshot it is done on.

    Raises:
        InputError: if `as_of` has no time zone.
    """
    if as_of is not None and as_of.tzinfo is None:
        raise InputError(f"as_of {as_of.isoformat()} has no time zone: give it one")
    snapshot = source.content if isinstance(source, ChunkSnapshot) else source
    sha256 = snapshot.sha256 if isinstance(snapshot, Snapshot) else None
    return Run(run_id or BY_HAND, commit, as_of, sha256)


def frame_of(
    warehouse: Warehouse, spec: ModelSpec, workspace_id: str, source: Source | None, as_of: datetime | None
) -> pl.DataFrame:
    """A workspace's content or touches before an instant, as the spec asks."""
    read = content_frame if spec.rows == "content" else touch_frame
    if isinstance(source, ChunkSnapshot):
        source = source.content if spec.rows == "content" else source.touches
    return read(warehouse if source is None else source, workspace_id, until=as_of)
