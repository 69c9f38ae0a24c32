"""Which code a step's answers come from: a hash of its room, of those beneath it, and of the libraries that compute."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from tasks.settings import CHECKOUT

BENEATH = ("tasks/statistics", "tasks/content", "tasks/warehouse", "tasks/conditions.py")
LIBRARIES = ("numpy", "polars", "scikit-learn", "scipy", "skops")


@cache
def code_version(*rooms: str) -> str:
    """One hash for some files and folders of this checkout and everything that they may import; read once a process.

    Args:
        rooms: paths relative to the checkout, such as `tasks/patterns`.
    """
    whole = hashlib.sha256(platform.python_version().encode())
    for name in LIBRARIES:
        whole.update(f"{name} {_version(name)}".encode())
    for room in (*rooms, *BENEATH):
        place = CHECKOUT / room
        files = [place] if place.is_file() else [*place.rglob("*.py"), *place.rglob("*.yaml")]
        for file in sorted(files):
            whole.update(f"\n{file.relative_to(CHECKOUT)}\n".encode() + file.read_bytes())
    return whole.hexdigest()


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"
