"""Files that only their owner can read: the home holds all customers' posts, and the platform's password."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

NOBODY_ELSE = 0o077
# What we put into a home. A home may be a folder that holds more, and the rest is not ours to change.
OURS = (
    "warehouse.db*", "mlflow.db*", "mlflow-auth*", "mlflow-artifacts", "prefect", "snapshots", "rejects", "inbox",
    "sample", "logs", ".backup-*", ".restore-*", "platform.*", "secret", "tickets", "spill*", "releases.key"
)  # fmt: skip


def private_folder(folder: Path) -> Path:
    """The folder, made with its parents where they are missing, for its owner alone."""
    if folder.is_dir():
        return folder
    for missing in reversed([folder, *folder.parents]):
        if not missing.exists():
            missing.mkdir(mode=0o700, exist_ok=True)
    return folder


def write_once(path: Path, content: bytes) -> bool:
    """Write a file that is there whole or not at all, for its owner alone; false where there was one already.

    Of two processes that begin at once, the first one's stays.
    """
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, it takes nobody's place
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def tighten(home: Path) -> int:
    """Take everybody else's rights away from a home and what is ours in it; how many files and folders had any.

    A home that nobody else can enter is not searched: what is in it cannot be reached. One that is read-only, belongs
    to another user, or is shared by all (such as /tmp), keeps its own rights.
    """
    if not home.is_dir() or not os.access(home, os.W_OK):
        return 0
    state = home.stat()
    is_shared = bool(state.st_mode & stat.S_ISVTX)
    if state.st_uid != os.geteuid() or not (state.st_mode & NOBODY_ELSE or is_shared):
        return 0
    changed = sum(_close(path) for pattern in OURS for top in home.glob(pattern) for path in _below(top))
    return changed + (0 if is_shared else _close(home))


def _below(top: Path) -> Iterator[Path]:
    """A file or folder and all in it, deepest first; links are not followed."""
    if top.is_dir() and not top.is_symlink():
        for folder, _, files in os.walk(top, topdown=False):
            yield from (Path(folder) / name for name in files)
            yield Path(folder)
    else:
        yield top


def _close(path: Path) -> bool:
    """Take everybody else's rights away; whether there were any. A file may go while this looks at it."""
    try:
        state = path.lstat()
        if stat.S_ISLNK(state.st_mode) or state.st_uid != os.geteuid() or not state.st_mode & NOBODY_ELSE:
            return False
        path.chmod(stat.S_IMODE(state.st_mode) & ~NOBODY_ELSE)
    except FileNotFoundError:
        return False
    return True
