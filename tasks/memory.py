"""Memory that was freed goes back to the system: what a large workspace took is not held through the night."""

from __future__ import annotations

import ctypes
import os

MEBIBYTE = 1 << 20
# glibc's numbers: room kept at the end of the heap; from what size on each array is a mapping of its own, which goes as
# it is freed (unset, the bound rises to 32 MiB with the first such array); heaps, of which each thread would have one.
LIMITS = {-1: 2 * MEBIBYTE, -3: MEBIBYTE // 4, -8: 2}
# Arrow's and polars' allocators would each keep what they freed besides; read as those libraries are imported.
ALLOCATORS = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "_RJEM_MALLOC_CONF": "narenas:1,dirty_decay_ms:0,muzzy_decay_ms:0",
}


def let_memory_go() -> None:
    """Tell the C library so, for this process, and other allocators; a library that is not glibc is left as it is."""
    for name, value in ALLOCATORS.items():
        os.environ.setdefault(name, value)
    set_limit = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_limit is not None:
        for limit, size in LIMITS.items():
            set_limit(limit, size)


def give_back() -> None:
    """Return to the system what is free between things that stay: the C library returns only the end of its heap."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
