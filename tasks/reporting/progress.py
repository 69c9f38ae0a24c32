"""What a person watching sees: one line a step, with how long it took."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import get_run_logger
from prefect.exceptions import MissingContextError

logger = logging.getLogger("raptorflow")


def announce(message: str) -> None:
    """Say it in Prefect's log of this run and on the terminal."""
    logger.info(message)
    try:
        get_run_logger().info(message)
    except MissingContextError:
        return


@contextmanager
def step(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Announce a step when it is over, and keep its duration in `seconds`."""
    started = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - started, 2)
    announce(f"{name} · {seconds[name]:.1f} s")
