"""Work goes through workspaces a chunk at a time: one task run each, all at once, answers in the chunks' order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from prefect import Task
from prefect.context import TagsContext

from tasks.reporting import ProgressBar
from tasks.warehouse.outcomes import Outcome

Answer = TypeVar("Answer")


def each_chunk(work: Task[..., Answer], chunks: Iterable[Any], *arguments: Any) -> list[Answer]:
    """What the task returns for each chunk; `arguments` follow the chunk. Long work shows a progress bar in Prefect."""
    with TagsContext(current_tags=set()):  # Prefect asks its server for a place under each tag that a task carries
        futures = [work.submit(chunk, *arguments) for chunk in chunks]
    progress = ProgressBar(f"{work.name}, {len(futures)} chunks of workspaces", len(futures))
    answers = []
    for future in futures:
        answers.append(future.result())
        progress.update(len(answers))
    return answers


def outcomes_of_chunks(work: Task[..., list[Outcome]], chunks: Iterable[Any], *arguments: Any) -> list[Outcome]:
    """How the task ended for each workspace of all chunks."""
    return [outcome for outcomes in each_chunk(work, chunks, *arguments) for outcome in outcomes]
