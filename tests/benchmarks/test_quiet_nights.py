"""What a night costs when nothing changed, and when a few rows of one workspace did: whole processes, servers included.

`RAPTORFLOW_BENCH_WORKSPACES` sets how many workspaces (default 100), `RAPTORFLOW_BENCH_POSTS` the posts of each
(default 300), all of them within the year that a night looks back: a million rows are 50 of 20,000. The first night of
100 takes some three CPU minutes, which is why a thousand are no default. Bars are CPU seconds, which a busy machine
changes little; what two processes save by the clock is worth something on two free cores alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from flows.platform.children import descendants
from tests.chain_homes import at_home, posts, store_posts
from tests.factories import START, content_row

WORKSPACES = int(os.environ.get("RAPTORFLOW_BENCH_WORKSPACES", "100"))
POSTS = int(os.environ.get("RAPTORFLOW_BENCH_POSTS", "300"))
FEW = 12
FIXED_SECONDS, SECONDS_A_WORKSPACE = 15.0, 0.010
STORED_AT_ONCE = 6_000  # rows
HOURS = min(12.0, 360 * 24 / POSTS)  # between two posts
MEBIBYTE = 1024
PROGRAM = ("-m", "flows.cli")
# The same with one worker process, whatever the cores.
WITH_ONE_WORKER = (
    "-c",
    "import functools, distributed; from flows.cli import main; "
    "distributed.LocalCluster = functools.partial(distributed.LocalCluster, n_workers=1); main()",
)
MOST_MEBIBYTES = 700

pytestmark = pytest.mark.benchmark


@dataclass(frozen=True, slots=True)
class Night:
    """What one chain took: CPU seconds of its whole tree, MiB at the peak of its largest process, and how long."""

    cpu: float
    largest: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.cpu:.1f} s CPU, largest process {self.largest:.0f} MiB"


class Watch(threading.Thread):
    """Looks at a tree of processes twice a second: `ru_maxrss` of a new one would begin with its parent's peak."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.largest, self.over = pid, 0.0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.5):
            for pid in [self.pid, *descendants(self.pid)]:
                self.largest = max(self.largest, peak_of(pid))


def peak_of(pid: int) -> float:
    """MiB of memory that a process has held at once; 0 for one that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return max((float(line.split()[1]) / MEBIBYTE for line in lines if line.startswith("VmHWM")), default=0.0)


def night(home: Path, *arguments: str, program: Sequence[str] = PROGRAM) -> Night:
    """`raptorflow run meta-learning` as a person or a timer starts it, with a server of its own."""
    command = [sys.executable, *program, "run", "meta-learning", *arguments]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("RAPTORFLOW_", "PREFECT_"))}
    process = subprocess.Popen(command, env=own | {"RAPTORFLOW_HOME": str(home)}, stdout=subprocess.DEVNULL)
    watch, started = Watch(process.pid), time.perf_counter()
    watch.start()
    _, status, usage = os.wait4(process.pid, 0)
    watch.over.set()
    watch.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return Night(usage.ru_utime + usage.ru_stime, watch.largest, time.perf_counter() - started)


def filled(home: Path, workspaces: int) -> Path:
    """A home with that many workspaces."""
    together = max(1, STORED_AT_ONCE // POSTS)
    for first in range(0, workspaces, together):
        many = min(together, workspaces - first)
        store_posts(home, posts(many, POSTS // 2, first=first, hours=HOURS))
    return home


def publish(home: Path, workspace_ids: Sequence[str]) -> None:
    """One in a hundred new posts for each of these, none newer than the newest there is: the window stays."""
    newest = START + timedelta(hours=HOURS * (POSTS - 1))
    rows = [
        content_row(workspace_id=name, content_id=f"new{i}", published_at=newest - timedelta(minutes=1 + i))
        for name in workspace_ids
        for i in range(max(1, POSTS // 100))
    ]
    with at_home(home):
        from tasks.warehouse import Warehouse
        from tasks.warehouse.schema import Content
        from tests.factories import store

        store(Warehouse(), Content, rows)


@pytest.mark.parametrize("workspaces", sorted({FEW, WORKSPACES}))
def test_a_night_costs_what_changed(workspaces: int, tmp_path: Path) -> None:
    home = filled(tmp_path / "home", workspaces)
    first = night(home)
    quiet = min((night(home) for _ in range(2)), key=lambda one: one.cpu)
    bound = FIXED_SECONDS if workspaces <= FEW else FIXED_SECONDS + SECONDS_A_WORKSPACE * workspaces
    print(f"\n{workspaces} workspaces x {POSTS} posts, first night: {first}")
    print(f"BAR memory, {workspaces * POSTS} rows: {first.largest / MOST_MEBIBYTES:.2f} of {MOST_MEBIBYTES} MiB")
    print(f"BAR night with nothing new, {workspaces} workspaces: {quiet}; {quiet.cpu / bound:.2f} of {bound:.0f} s")
    changed = [f"w{i:03}" for i in range(max(1, workspaces // 100))]
    publish(home, changed)
    after = night(home)
    bound = FIXED_SECONDS + 0.02 * first.cpu
    print(
        f"BAR night with 1 % new rows in {len(changed)} of {workspaces} workspaces: {after}; "
        f"{after.cpu / bound:.2f} of {bound:.0f} s"
    )


def test_two_processes_take_less_time_than_one(tmp_path: Path) -> None:
    threads = night(filled(tmp_path / "threads", WORKSPACES))
    one = night(filled(tmp_path / "one", WORKSPACES), "--task-runner", "dask", program=WITH_ONE_WORKER)
    two = night(filled(tmp_path / "two", WORKSPACES), "--task-runner", "dask")
    print(f"\n{WORKSPACES} workspaces x {POSTS} posts, threads of one process: {threads}, {threads.seconds:.0f} s")
    print(f"Dask, one process: {one.seconds:.0f} s; a process a core: {two}, {two.seconds:.0f} s by the clock")
    print(
        f"BAR {one.seconds / two.seconds:.2f} x as fast as one (1.7), {threads.seconds / two.seconds:.2f} x as threads"
    )
