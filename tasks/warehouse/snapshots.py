"""A snapshot: rows of one window, frozen as Parquet, that tasks hand to each other instead of frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A reference to frozen rows.

    Attributes:
        path: Parquet file or folder of Parquet files, with the columns of the table it was taken from.
        rows: number of rows.
        sha256: hash of the rows' content, equal for equal rows.
        window: first (inclusive) and last (exclusive) instant of the rows, in UTC.
    """

    path: Path
    rows: int
    sha256: str
    window: tuple[datetime, datetime]

    def scan(self) -> pl.LazyFrame:
        """The rows, read only as far as a query needs them."""
        return pl.scan_parquet(self.path)


@dataclass(frozen=True, slots=True)
class ChunkSnapshot:
    """Some workspaces and their frozen rows: what one task works through.

    Attributes:
        workspace_ids: all of them.
        content: rows of those that are `frozen`.
        touches: the same.
        frozen: whose rows were frozen; None for all. The others' answers stood.
        fingerprints: of each workspace's rows in the window, by kind, when it was planned; empty where answers are
            not to be remembered, such as those of a past night.
        is_asked_anew: every answer is worked out, whether it stands or not.
    """

    workspace_ids: list[str]
    content: Snapshot
    touches: Snapshot
    frozen: tuple[str, ...] | None = None
    fingerprints: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    is_asked_anew: bool = False


class Chain:
    """What the nightly chain hands to the flows it calls, so that all of them learn from the same rows.

    No dataclass: Prefect would write it into each of those flows' runs, with the id and fingerprints of every
    workspace, and takes half a megabyte at most, which some 4,000 workspaces fill. It writes `<Chain>`.

    Attributes:
        run_id: the chain's run.
        chunks: all workspaces.
        is_newest: whether the newest row is among them; a past night's are without it.
    """

    __slots__ = ("chunks", "is_newest", "run_id")

    def __init__(self, run_id: str, chunks: list[ChunkSnapshot], is_newest: bool = True) -> None:
        self.run_id, self.chunks, self.is_newest = run_id, chunks, is_newest
