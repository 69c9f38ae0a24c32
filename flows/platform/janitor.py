"""Finds runs whose process is gone, or goes on against a Cancel, and gives back the slots that nobody uses.

A worker looks after the runs it started itself. One that was killed and started again knows nothing of them: a run that
was about to begin would hold its deployment's slot for ever, and one that is to be cancelled would go on to its end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.platform.children import descendants

if TYPE_CHECKING:
    from prefect import State
    from prefect.client.orchestration import SyncPrefectClient

SECONDS_BETWEEN_LOOKS = 10.0
SECONDS_TO_BEGIN = 60.0  # a worker starts the process in the second in which it makes the run Pending
SECONDS_TO_CANCEL = 90.0  # a worker asks a run to end, and kills it after 30 s
GRACE_SECONDS = 10.0
LOOKS_UNTIL_TOLD = 12
OCCUPY_A_SLOT = ("PENDING", "RUNNING", "CANCELLING")
WATCHED_STATES = {
    "type": {"any_": [*OCCUPY_A_SLOT, "PAUSED"]},
    "name": {"not_any_": ["Suspended"]},  # which has no process until it is resumed
}
Say = Callable[[str], None]


class Fate(StrEnum):
    """What has to be done about a run."""

    CRASHED = "crashed"
    CANCELLED = "cancelled"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class WatchedRun:
    """One run of a deployment that counts as under way.

    Attributes:
        id: of the run.
        name: as people see it.
        state: PENDING, RUNNING, PAUSED or CANCELLING.
        since: when it entered that state.
    """

    id: str
    name: str
    state: str
    since: datetime


@dataclass(frozen=True, slots=True)
class RunProcess:
    """A process of a run on this machine.

    Attributes:
        pid: its number.
        is_orphan: the worker that started it is gone.
    """

    pid: int
    is_orphan: bool


def fate(run: WatchedRun, process: RunProcess | None, now: datetime, *, was_gone: bool) -> Fate | None:
    """What becomes of a run; None where somebody looks after it.

    Args:
        run: as the server has it.
        process: its process; None where there is none on this machine, which is the only one that works for its pool.
        now: the present.
        was_gone: it had no process at the last look either, in the same state: what has just ended has time to say so.
    """
    age = (now - run.since).total_seconds()
    if run.state == "CANCELLING":
        if process is None:
            return Fate.CANCELLED if was_gone else None
        return Fate.ENDED if process.is_orphan or age > SECONDS_TO_CANCEL else None
    if process is not None or not was_gone:
        return None
    return None if run.state == "PENDING" and age <= SECONDS_TO_BEGIN else Fate.CRASHED


MESSAGES = {
    ("PENDING", Fate.CRASHED): "Its worker was gone before it began. Nothing was done: run it again.",
    (
        "RUNNING",
        Fate.CRASHED,
    ): "Its process is gone. Run it again; what it had finished stays, and is not written twice.",
    ("PAUSED", Fate.CRASHED): "Its process is gone, so an answer would change nothing. Run it again.",
    ("CANCELLING", Fate.CANCELLED): "Cancelled; its process was gone already.",
    ("CANCELLING", Fate.ENDED): "Cancelled; its worker did not end it, so the platform did.",
}


@dataclass
class Janitor:
    """Looks now and then at what the server holds and at this machine's processes, and puts right what differs.

    Attributes:
        pools: whose runs are looked at.
        workers: names of the workers of this machine; a pool for which others work too is left alone.
        say: tells the operator.
    """

    pools: tuple[str, ...]
    workers: frozenset[str]
    say: Say
    _gone: dict[str, str] = field(default_factory=dict)
    _unused: dict[str, int] = field(default_factory=dict)
    _failed: int = 0

    def start(self) -> None:
        """Look from a thread of its own, for as long as this process lasts; only where processes can be told apart."""
        if sys.platform == "linux":
            threading.Thread(target=self._look_for_ever, name="janitor", daemon=True).start()

    def _look_for_ever(self) -> None:
        while True:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            try:
                self.look(processes_of_runs(os.getpid()), datetime.now(UTC))
                self._failed = 0
            except Exception as error:  # noqa: BLE001 - the server may be away, or starting; it is asked again
                self._failed += 1
                if self._failed == LOOKS_UNTIL_TOLD:
                    self.say(f"runs are not looked after until the server answers ({type(error).__name__}: {error})")

    def look(self, processes: Mapping[str, RunProcess], now: datetime) -> None:
        """Put right what differs; a slot, or a run without a process, only when it was so at the last look too."""
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            pools = [pool for pool in self.pools if self._is_ours_alone(client, pool, now)]
            runs = _runs(client, pools) if pools else []
            gone = {run.id: run.state for run in runs if run.id not in processes}
            for run in runs:
                process, was_gone = processes.get(run.id), self._gone.get(run.id) == run.state
                decided = fate(run, process, now, was_gone=was_gone)
                if decided is not None:
                    self._end(client, run, process, decided)
            self._gone = gone
            self._give_back(client)

    def _is_ours_alone(self, client: SyncPrefectClient, pool: str, now: datetime) -> bool:
        online = [worker.name for worker in client.read_workers_for_work_pool(pool) if _was_heard(worker, now)]
        return set(online) <= self.workers

    def _end(self, client: SyncPrefectClient, run: WatchedRun, process: RunProcess | None, decided: Fate) -> None:
        from prefect.states import Cancelled, Crashed

        message = MESSAGES[run.state, decided]
        end: State[Any] = Crashed(message=message) if decided == Fate.CRASHED else Cancelled(message=message)
        # Before its process is ended: what that says of its own end would make it a crash.
        answer = client.set_flow_run_state(UUID(run.id), end)
        if answer.status.value != "ACCEPT":  # it has ended by itself meanwhile
            return
        if process is not None:
            end_process(process.pid)
        self.say(f"run {run.name}: {message}")

    def _give_back(self, client: SyncPrefectClient) -> None:
        """Let a deployment's limit count the runs there are: a server that was killed forgets whose slots they were."""
        from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

        unused: dict[str, int] = {}
        for deployment in client.read_deployments(limit=200):
            limit = deployment.global_concurrency_limit
            if limit is None or not limit.active_slots:
                continue
            surplus = limit.active_slots - _occupied(client, deployment.id)
            if surplus > 0:
                unused[deployment.name] = surplus
            if surplus > 0 and self._unused.get(deployment.name) == surplus:
                fewer = GlobalConcurrencyLimitUpdate(active_slots=limit.active_slots - surplus)
                client.update_global_concurrency_limit(limit.name, fewer)
                self.say(f"deployment {deployment.name}: {surplus} of its slots belonged to no run and are free again")
                del unused[deployment.name]
        self._unused = unused


def end_process(pid: int) -> None:
    """End a process and all below it, politely, then firmly."""
    everything = [pid, *descendants(pid)]
    for one in everything:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGTERM)
    until = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < until and any(_environment(one) for one in everything):
        time.sleep(0.2)
    for one in everything:
        if _environment(one):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)


def processes_of_runs(platform: int) -> dict[str, RunProcess]:
    """Processes of runs below the platform, by the run's id: the topmost of each.

    A process that hangs directly below the platform, which adopts orphans, has lost its worker.
    """
    children = set(_children(platform))
    processes: dict[str, RunProcess] = {}
    for pid in descendants(platform):  # nearest first
        run_id = _environment(pid).get("PREFECT__FLOW_RUN_ID")
        if run_id and run_id not in processes:
            processes[run_id] = RunProcess(pid, is_orphan=pid in children)
    return processes


def _children(pid: int) -> Iterable[int]:
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for thread in threads for child in thread.read_text().split()]


def _environment(pid: int) -> dict[str, str]:
    """What a process was started with; empty once it is gone, also while nobody has reaped it."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in raw.decode(errors="replace").split("\0"))
    return {name: value for name, equals, value in pairs if equals}


def _was_heard(worker: Any, now: datetime) -> bool:
    last = worker.last_heartbeat_time
    return last is not None and (now - last).total_seconds() < 3 * (worker.heartbeat_interval_seconds or 30)


def _runs(client: SyncPrefectClient, pools: list[str]) -> list[WatchedRun]:
    from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter, WorkPoolFilterName

    under_way = FlowRunFilter.model_validate({"state": WATCHED_STATES, "deployment_id": {"is_null_": False}})
    of_pools = WorkPoolFilter(name=WorkPoolFilterName(any_=pools))
    runs = client.read_flow_runs(flow_run_filter=under_way, work_pool_filter=of_pools, limit=200)
    return [
        WatchedRun(str(run.id), run.name, run.state.type.value, run.state.timestamp)
        for run in runs
        if run.state is not None
    ]


def _occupied(client: SyncPrefectClient, deployment_id: Any) -> int:
    from prefect.client.schemas.filters import FlowRunFilter

    of_it = {"state": {"type": {"any_": list(OCCUPY_A_SLOT)}}, "deployment_id": {"any_": [deployment_id]}}
    return len(client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(of_it), limit=200))
