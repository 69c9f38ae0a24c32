"""What becomes of runs that nobody looks after, and of the slots that they held."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.states import Cancelling, Completed, Paused, Pending, Running, Suspended

from flows.platform.janitor import (
    SECONDS_TO_BEGIN,
    SECONDS_TO_CANCEL,
    Fate,
    Janitor,
    RunProcess,
    WatchedRun,
    end_process,
    fate,
    processes_of_runs,
)
from tests.running_platform import eventually, lives

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
OWNED, ORPHAN = RunProcess(7, is_orphan=False), RunProcess(7, is_orphan=True)
YOUNG, OLD = 5.0, 3600.0


@pytest.mark.parametrize(
    ("state", "age", "process", "was_gone", "expected"),
    [
        ("PENDING", YOUNG, None, True, None),  # its worker is about to start it
        ("PENDING", SECONDS_TO_BEGIN + 1, None, False, None),
        ("PENDING", SECONDS_TO_BEGIN + 1, None, True, Fate.CRASHED),
        ("PENDING", OLD, OWNED, False, None),  # imports take their time on a machine that does much else
        ("PENDING", OLD, ORPHAN, False, None),
        ("RUNNING", YOUNG, None, False, None),  # it has just ended, and its worker is about to say so
        ("RUNNING", YOUNG, None, True, Fate.CRASHED),
        ("RUNNING", OLD, ORPHAN, False, None),  # a run outlives its worker
        ("PAUSED", OLD, None, True, Fate.CRASHED),
        ("PAUSED", OLD, OWNED, False, None),
        ("CANCELLING", YOUNG, OWNED, False, None),
        ("CANCELLING", YOUNG, ORPHAN, False, Fate.ENDED),
        ("CANCELLING", SECONDS_TO_CANCEL + 1, OWNED, False, Fate.ENDED),
        ("CANCELLING", YOUNG, None, False, None),
        ("CANCELLING", YOUNG, None, True, Fate.CANCELLED),
    ],
)
def test_every_state_has_its_fate(
    state: str, age: float, process: RunProcess | None, was_gone: bool, expected: Fate | None
) -> None:
    run = WatchedRun("1", "nightly", state, NOW - timedelta(seconds=age))
    assert fate(run, process, NOW, was_gone=was_gone) == expected


@flow(name="looked-after")
def nothing() -> None:
    """Never run."""


@pytest.fixture
def client(at_prefect_api: object) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as opened:
        opened.create_work_pool(WorkPoolCreate(name="light", type="process"), overwrite=True)
        yield opened
        opened.delete_work_pool("light")


@pytest.fixture
def deployment(client: SyncPrefectClient) -> Iterator[UUID]:
    limit = {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    options = ConcurrencyLimitConfig.model_validate(limit)
    made = client.create_deployment(
        client.create_flow(nothing),
        name="looked-after",
        work_pool_name="light",
        concurrency_limit=options.limit,
        concurrency_options={"collision_strategy": options.collision_strategy},
    )
    yield made
    client.delete_deployment(made)


def janitor(said: list[str]) -> Janitor:
    return Janitor(("light",), frozenset(["light-1"]), said.append)


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_a_slot_whose_worker_died_before_the_run_began_is_free_again(
    client: SyncPrefectClient, deployment: UUID
) -> None:
    said: list[str] = []
    run = client.create_flow_run_from_deployment(deployment)
    client.set_flow_run_state(run.id, Pending())
    next_one = client.create_flow_run_from_deployment(deployment)
    refused = client.set_flow_run_state(next_one.id, Pending())
    assert refused.state is not None
    assert refused.state.is_cancelled(), "the fault"
    look = janitor(said)
    look.look({}, later(1))
    assert client.read_flow_run(run.id).state_name == "Pending"
    look.look({}, later(SECONDS_TO_BEGIN + 5))
    assert client.read_flow_run(run.id).state_name == "Crashed"
    assert said == [f"run {run.name}: Its worker was gone before it began. Nothing was done: run it again."]
    after = client.create_flow_run_from_deployment(deployment)
    assert client.set_flow_run_state(after.id, Pending()).status.value == "ACCEPT"
    client.set_flow_run_state(after.id, Completed(), force=True)


def test_runs_with_a_process_suspended_ones_and_those_of_others_are_left_alone(
    client: SyncPrefectClient, deployment: UUID
) -> None:
    states = [Running(), Suspended(), Paused(), Cancelling()]
    runs = [client.create_flow_run_from_deployment(deployment) for _ in states]
    by_hand = client.create_flow_run(nothing, state=Running())
    for run, state in zip(runs, states, strict=True):
        client.set_flow_run_state(run.id, state, force=True)
    said: list[str] = []
    look = janitor(said)
    with_process = {str(runs[0].id): OWNED, str(runs[2].id): OWNED}
    look.look(with_process, later(1))
    look.look(with_process, later(11))
    left = [client.read_flow_run(run.id).state_name for run in runs]
    assert left == ["Running", "Suspended", "Paused", "Cancelled"]
    assert client.read_flow_run(by_hand.id).state_name == "Running"
    look.look({}, later(21)), look.look({}, later(31))
    assert [client.read_flow_run(run.id).state_name for run in runs] == ["Crashed", "Suspended", "Crashed", "Cancelled"]
    client.set_flow_run_state(by_hand.id, Completed(), force=True)


def test_a_pool_for_which_another_machine_works_is_left_alone(client: SyncPrefectClient, deployment: UUID) -> None:
    client.send_worker_heartbeat(work_pool_name="light", worker_name="light-of-another-machine")
    run = client.create_flow_run_from_deployment(deployment)
    client.set_flow_run_state(run.id, Running(), force=True)
    look = janitor([])
    look.look({}, datetime.now(UTC)), look.look({}, datetime.now(UTC))
    assert client.read_flow_run(run.id).state_name == "Running"
    look.look({}, later(7200)), look.look({}, later(7210))
    assert client.read_flow_run(run.id).state_name == "Crashed", "that machine has not been heard of for two hours"


def test_slots_that_belong_to_no_run_are_given_back_at_the_second_look(
    client: SyncPrefectClient, deployment: UUID
) -> None:
    from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

    limit = client.read_deployment(deployment).global_concurrency_limit
    assert limit is not None
    client.update_global_concurrency_limit(limit.name, GlobalConcurrencyLimitUpdate(active_slots=1))
    said: list[str] = []
    look = janitor(said)
    look.look({}, later(1))
    assert said == []
    look.look({}, later(11))
    assert said == ["deployment looked-after: 1 of its slots belonged to no run and are free again"]
    again: Any = client.read_deployment(deployment).global_concurrency_limit
    assert again.active_slots == 0


STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])
"""


def test_processes_are_told_by_the_run_they_are_of_and_ended_with_what_is_below() -> None:
    environment = os.environ | {"PREFECT__FLOW_RUN_ID": "run-1"}
    parent = subprocess.Popen([sys.executable, "-c", STUBBORN], env=environment)
    found = eventually(lambda: processes_of_runs(os.getpid()), lambda now: "run-1" in now and has_child(parent.pid), 30)
    assert found["run-1"] == RunProcess(parent.pid, is_orphan=True), "it hangs directly below this process"
    everything = [parent.pid, *processes_below(parent.pid)]
    end_process(parent.pid)
    parent.wait(5)
    # A process that was killed is there until whoever adopted it has taken note.
    eventually(lambda: [pid for pid in everything if lives(pid)], lambda left: left == [], 30)


def processes_below(pid: int) -> list[int]:
    from flows.platform.children import descendants

    return descendants(pid)


def has_child(pid: int) -> bool:
    return bool(processes_below(pid))
