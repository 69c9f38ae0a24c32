"""Work one step ahead: the database and the rest each keep a core busy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Like `map`, but the next result is made in a thread while the caller uses the one before; two are in memory."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        waiting = None
        for item in items:
            following = worker.submit(function, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
