"""Who holds a debate: one run at a time, for as long as it says so, or until its process is gone."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

LEASE_SECONDS = 30.0
# What asking for a debate gets: another one holds it; it is given; it is given, and the one before did not end it.
LeaseAnswer = Literal["held", "given", "left behind"]


@dataclass(frozen=True, slots=True)
class Lease:
    """A run's hold on a debate, as it is written beside it: `HOST/PID/START/ID`."""

    holder: str

    @classmethod
    def of_this_process(cls) -> Lease:
        """A new one; two runs of one process are two holders."""
        pid = os.getpid()
        return cls(f"{_host()}/{pid}/{_start_of(pid)}/{uuid.uuid4().hex[:12]}")

    def until(self) -> datetime:
        """When it lapses unless it is renewed."""
        return datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS)


def is_held(holder: str | None, until: datetime | None) -> bool:
    """Whether a lease stands: it has not lapsed, and its process is not known to be gone.

    A process of this machine can be looked for, so that the debate of one that was killed waits for nothing.
    """
    if not holder or until is None or until <= datetime.now(UTC):
        return False
    host, pid, start, _ = (holder.split("/") + [""] * 4)[:4]
    return host != _host() or not pid.isdigit() or _start_of(int(pid)) == start


def _host() -> str:
    return socket.gethostname()[:60].replace("/", "-")


def _start_of(pid: int) -> str:
    """When a process began, in ticks of the machine; empty where there is none, or it has ended."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return _elsewhere(pid)
    return "" if after_name[0] == "Z" else after_name[19]


def _elsewhere(pid: int) -> str:
    """Where there is no /proc: whether the process lives is all that can be told."""
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        return "alive"
    return "alive"
