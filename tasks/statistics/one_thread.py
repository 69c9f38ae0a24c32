"""Linear algebra on one thread.

Products of a few thousand rows gain nothing from a second thread and lose much where several processes share the cores
(measured at load 9: 38 ms instead of 2.5). And sums split among threads round differently: which of two rules that say
nearly the same comes first must not depend on how many cores a machine has.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_inside = 0
_limit = ExitStack()


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep BLAS on one thread until the last of those inside has left; the limit holds for the whole process."""
    global _inside
    with _lock:
        if not _inside:
            _limit.enter_context(_controller().limit(limits=1, user_api="blas"))
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _limit.close()


@cache
def _controller() -> ThreadpoolController:
    """Looking through a process's libraries takes .7 ms, so once."""
    return ThreadpoolController()
