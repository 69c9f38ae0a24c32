"""Work goes through workspaces a chunk at a time: one task run each, all at once, answers in the chunks' order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from prefect import Task

from tasks.warehouse.outcomes import Outcome

Answer = TypeVar("Answer")


def each_chunk(work: Task[..., Answer], chunks: Iterable[Any], *arguments: Any) -> list[Answer]:
    """What the task said of each chunk; `arguments` follow the chunk."""
    futures = [work.submit(chunk, *arguments) for chunk in chunks]
    return [future.result() for future in futures]


def outcomes_of_chunks(work: Task[..., list[Outcome]], chunks: Iterable[Any], *arguments: Any) -> list[Outcome]:
    """How the task ended for each workspace of all chunks."""
    return [outcome for outcomes in each_chunk(work, chunks, *arguments) for outcome in outcomes]
