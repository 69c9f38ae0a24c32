"""What a large workspace took goes back to the system when it is freed, though small things were kept beside it."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEBIBYTES_FREED = 100
KEPT = """
import sys
{prepare}
import numpy as np

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20

np.ones(30 << 17)  # 30 MiB: from now on, glibc takes smaller arrays from its heap, unless told otherwise
before, large, small = resident(), [], []
for _ in range({freed} // 2):
    large.append(np.ones(2 << 17))
    small.append(np.ones(1 << 13))
held = resident() - before
large.clear()
print(held, resident() - before)
"""


def held_and_kept(prepare: str) -> tuple[int, int]:
    """MiB that a process held of arrays, and holds after they were freed."""
    script = KEPT.format(prepare=prepare, freed=MEBIBYTES_FREED)
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    held, kept = map(int, ran.stdout.split())
    return held, kept


BETWEEN = """
from tasks.memory import give_back, let_memory_go
let_memory_go()
import numpy as np

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20

before, middling, small = resident(), [], []
for _ in range({freed} * 16):
    middling.append(np.ones(1 << 13))  # 64 KiB: from the heap
    small.append(np.ones(1 << 7))
middling.clear()
held = resident() - before
give_back()
print(held, resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library gives back by itself")
def test_what_is_free_between_kept_things_is_given_back() -> None:
    script = BETWEEN.format(freed=MEBIBYTES_FREED)
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    held, kept = map(int, ran.stdout.split())
    assert held > MEBIBYTES_FREED / 2
    assert kept < MEBIBYTES_FREED / 5


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the limits are those of glibc")
def test_freed_arrays_are_not_held() -> None:
    held, kept = held_and_kept("from tasks.memory import let_memory_go; let_memory_go()")
    assert held >= MEBIBYTES_FREED
    assert kept < MEBIBYTES_FREED / 5
    assert held_and_kept("")[1] > MEBIBYTES_FREED / 2, "without the limits most of it stays"
