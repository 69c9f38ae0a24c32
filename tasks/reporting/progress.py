"""What a person watching sees: one line a step, with how long it took."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from prefect import get_run_logger, tags
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import MissingContextError

SECONDS_BETWEEN_MOVES = 5.0
logger = logging.getLogger("raptorflow")


def announce(message: str) -> None:
    """Say it in Prefect's log of this run and on the terminal."""
    logger.info(message)
    try:
        get_run_logger().info(message)
    except MissingContextError:
        return


class ProgressBar:
    """A bar in Prefect for work that lasts: made only after some seconds, moved every few, so that it costs nothing.

    It has no key, and so stands on the page of its run alone: the list of reports is for reports.

    Args:
        description: what is being done.
        total: how many parts there are.
    """

    def __init__(self, description: str, total: int) -> None:
        self._description, self._total = description, total
        self._artifact: UUID | None = None
        self._last = time.monotonic()

    def update(self, done: int) -> None:
        """So many parts are done."""
        now, share = time.monotonic(), 100.0 * done / max(self._total, 1)
        is_due = now - self._last >= SECONDS_BETWEEN_MOVES
        if self._artifact is None and is_due and done < self._total:
            made = create_progress_artifact(share, description=self._description)
            self._artifact, self._last = cast(UUID, made), now
        elif self._artifact is not None and (is_due or done >= self._total):
            update_progress_artifact(self._artifact, share)
            self._last = now


@contextmanager
def step(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Announce a step when it is over, and keep its duration in `seconds`; what runs in it carries the chain's tag."""
    started = time.perf_counter()
    with tags("chain"):
        yield
    seconds[name] = round(time.perf_counter() - started, 2)
    announce(f"{name} · {seconds[name]:.1f} s")
