"""What an analysis reads: the rows of one workspace up to one instant, by content type."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from tasks.errors import OutOfRangeError, UnknownNameError
from tasks.patterns import store
from tasks.patterns.records import Question, Thresholds
from tasks.patterns.task_types import known_content_types
from tasks.warehouse import Warehouse
from tasks.warehouse.frames import Source, content_frame, find_workspace

INSTANT = timedelta(microseconds=1)  # windows exclude their end; the newest post itself belongs in
NEVER = datetime(1970, 1, 1, tzinfo=UTC)  # `as_of` of a workspace that has published nothing


@dataclass(frozen=True, slots=True)
class Request:
    """The arguments of `analyze_patterns`."""

    workspace_id: str
    content_type: str
    lookback_days: int
    min_samples: int
    source: Source | None
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class Material:
    """A question and the rows to answer it from.

    Attributes:
        frame: rows of the content type asked for.
        others: rows of the workspace's other content types, by type.
    """

    question: Question
    frame: pl.DataFrame
    others: dict[str, pl.DataFrame]


def read(warehouse: Warehouse, request: Request, thresholds: Thresholds) -> Material:
    """Find the workspace, settle the instant, read the window.

    Raises:
        UnknownNameError: if there is no such workspace or content type.
        OutOfRangeError: if `as_of` has no zone.
    """
    find_workspace(warehouse, request.workspace_id)
    known = store.content_types(warehouse, request.workspace_id)
    _require_content_type(request.content_type, set(known))
    source = request.source or warehouse
    as_of = _aware(request.as_of) or _newest(source, request.workspace_id, known) or NEVER
    since, until = as_of - timedelta(days=request.lookback_days), as_of + INSTANT
    rows = content_frame(source, request.workspace_id, since=since, until=until)
    by_type = {str(key[0]): frame for key, frame in rows.partition_by("content_type", as_dict=True).items()}
    raised = replace(thresholds, min_rows=max(thresholds.min_rows, request.min_samples))
    question = Question(request.workspace_id, request.content_type, as_of, request.lookback_days, raised)
    return Material(question, by_type.pop(request.content_type, rows.clear()), by_type)


def _require_content_type(content_type: str, known: set[str]) -> None:
    """A type not published yet is no mistake if some task is about it: the status will say that there is no data."""
    if content_type not in known and content_type not in known_content_types():
        raise UnknownNameError("content type", content_type, known | known_content_types())


def _newest(source: Source, workspace_id: str, known: dict[str, datetime]) -> datetime | None:
    if isinstance(source, Warehouse):
        return max(known.values(), default=None)
    newest = source.scan().filter(pl.col("workspace_id") == workspace_id).select(pl.col("published_at").max())
    found: datetime | None = newest.collect().item()
    return found


def _aware(as_of: datetime | None) -> datetime | None:
    if as_of is not None and as_of.tzinfo is None:
        raise OutOfRangeError("as_of", as_of, "an instant with a time zone")
    return as_of
