"""Linear algebra and trees on one thread.

Products of a few thousand rows gain nothing from a second thread and lose much where several processes share the cores
(measured at load 9: 38 ms instead of 2.5). And sums split among threads round differently: which of two rules that say
nearly the same comes first must not depend on how many cores a machine has.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_inside = 0
_limit = ExitStack()


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep BLAS and OpenMP on one thread.

    BLAS has one limit for the whole process, which holds until the last of those inside has left; OpenMP has one for
    each thread, which goes with it.
    """
    global _inside
    controller = _controller(n_modules=len(sys.modules))
    with _lock:
        if not _inside:
            _limit.enter_context(controller.limit(limits=1, user_api="blas"))
        _inside += 1
    try:
        with controller.limit(limits=1, user_api="openmp"):
            yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _limit.close()


@lru_cache(maxsize=1)
def _controller(n_modules: int) -> ThreadpoolController:  # noqa: ARG001 - what the cache goes by
    """Looking through a process's libraries takes .7 ms, so only where modules, which bring them, came since."""
    return ThreadpoolController()
