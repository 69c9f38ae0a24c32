"""Child processes: started in sessions of their own, watched, and ended with all that they started."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from flows.platform.child_log import ChildLog
from flows.platform.errors import StartFailedError
from tasks.private_files import private_folder

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
GRACE_SECONDS = 8.0
SECONDS_TO_DRAIN = 2.0  # what a process printed last is on its way; something it started may hold the pipe for longer


@dataclass(slots=True)
class Child:
    """One process of the platform.

    Attributes:
        name: as people know it.
        arguments: of this Python.
        environment: all of it.
        log: file that takes what it prints.
        is_ready: whether it does its work.
        is_json: whether its log is lines of JSON.
    """

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log: Path
    is_ready: Callable[[], bool]
    is_json: bool = False
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _written: ChildLog = field(init=False)
    _reader: threading.Thread | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._written = ChildLog(self.log, self.name, self.is_json)

    def start(self) -> None:
        """Start it; it ends by itself should this process be killed."""
        private_folder(self.log.parent)
        self.log.touch()  # a disk that takes no log is told of before anything runs
        # A session of its own: Ctrl-C reaches this process alone, which then ends the children in their order.
        self.process = subprocess.Popen(
            [sys.executable, *self.arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        assert self.process.stdout is not None
        self._reader = self._written.follow(self.process.stdout)

    def drain(self) -> None:
        """Once it has ended: wait until all it printed is in its log."""
        if self._reader is not None:
            self._reader.join(SECONDS_TO_DRAIN)

    def wait_ready(self, seconds: float) -> None:
        """Return once it does its work.

        Raises:
            StartFailedError: if it ends first, or takes longer than `seconds`.
        """
        until = time.monotonic() + seconds
        while not self.is_ready():
            if self.has_ended():
                self.drain()
                raise StartFailedError(self.name, "ended as it started", self.log)
            if time.monotonic() > until:
                raise StartFailedError(self.name, f"did not answer within {seconds:.0f} s", self.log)
            time.sleep(0.25)

    def has_ended(self) -> bool:
        """Whether its process is gone."""
        return self.process is None or self.process.poll() is not None


def end(children: Iterable[Child]) -> None:
    """End processes together, politely, then firmly, with everything they started."""
    children = list(children)
    alive = [child.process for child in children if child.process is not None and child.process.poll() is None]
    below = [pid for process in alive for pid in descendants(process.pid)]
    for process in alive:
        process.terminate()
    _wait_until(lambda: all(process.poll() is not None for process in alive), GRACE_SECONDS)
    for process in alive:
        if process.poll() is None:
            process.kill()
            process.wait()
    _kill_all(below)
    for child in children:
        child.drain()


def end_orphans() -> None:
    """Kill what children left behind that were killed themselves: flow runs of a worker that is gone."""
    orphans = descendants(os.getpid())
    _kill_all(orphans)
    for pid in orphans:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose parent is killed, so that none outlives the platform (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(root: int) -> list[int]:
    """Every process below one, nearest first."""
    shown = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
    pairs = [(int(pid), int(parent)) for pid, parent in (line.split() for line in shown.splitlines())]
    processes, waiting = [], [root]
    while waiting:
        parent = waiting.pop(0)
        below = [pid for pid, its_parent in pairs if its_parent == parent]
        processes += below
        waiting += below
    return processes


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _kill_all(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _wait_until(done: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        time.sleep(0.1)
