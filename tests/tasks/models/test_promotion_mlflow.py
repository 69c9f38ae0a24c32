"""Promotion and rollback against a real MLflow store: killed anywhere, raced for, a champion serves every time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from tasks.models.errors import PromotionConflictError
from tasks.models.records import PROMOTION, ROLLBACK
from tasks.models.registry.mlflow_registry import Registry
from tasks.models.registry.promotion import Promoter, lineage, served
from tasks.models.store import DONE, ModelStore
from tasks.warehouse import Warehouse
from tests.subprocess_helper import forks
from tests.tasks.models.movers import CONFLICT, KEY, WON, register_versions, start
from tests.tasks.models.test_promotion import Killed, Mortal

KILLS = 200


@pytest.fixture
def promoter(sqlite_warehouse: Warehouse, mlflow_store: Path) -> Promoter:
    return Promoter(ModelStore(sqlite_warehouse), Registry())


def move(promoter: Promoter, name: str, kind: str) -> int:
    version = promoter.store.version(KEY, name)
    assert version is not None
    return promoter.move(KEY, version, kind, "test", "tester", "run")


def assert_serves(promoter: Promoter, possible: set[str | None]) -> None:
    """What table and alias call champion is one of these, loads, and repeats its reference predictions."""
    told = promoter.champion(KEY)
    assert told in possible
    version = promoter.store.version(KEY, told or "")
    assert version is not None
    promoter.verify(KEY, version)
    number = promoter.registry.aliases(KEY)["champion"]
    assert number in {found.registry_version for name in possible if (found := promoter.store.version(KEY, name or ""))}


def assert_complete(promoter: Promoter) -> None:
    """Every change that was begun is finished, none is missing, and the aliases say what the history says."""
    history = promoter.store.deployments(KEY)
    assert [found.generation for found in history] == list(range(1, len(history) + 1))
    assert all(found.outcome == DONE for found in history)
    numbers = {found.version_name: found.registry_version for found in promoter.store.registered(KEY)}
    stack, aliases = lineage(history), promoter.registry.aliases(KEY)
    assert aliases["champion"] == numbers[served(history) or ""]
    assert len(stack) == 1 or aliases["previous"] == numbers[stack[-2]]


@pytest.mark.parametrize("kinds", [(PROMOTION, ROLLBACK), pytest.param((ROLLBACK, PROMOTION), marks=pytest.mark.slow)])
def test_killed_before_every_step_of_a_real_registry_a_champion_serves(
    promoter: Promoter, kinds: tuple[str, str]
) -> None:
    names = register_versions(promoter.store, promoter.registry)
    for name in names[:2]:
        move(promoter, name, PROMOTION)
    survived: set[str] = set()
    for step in range(1, 40):
        kind, clock = kinds[step % 2], [step]
        before = promoter.champion(KEY)
        target = next(name for name in names if name != before)
        mortal = Promoter(Mortal(promoter.store, clock, False), Mortal(promoter.registry, clock, False))  # type: ignore[arg-type]
        try:
            move(mortal, target, kind)
            survived.add(kind)
        except Killed:
            assert_serves(promoter, {before, target})
        promoter.reconcile(KEY, "next")
        assert_complete(promoter)
        if len(survived) == 2:
            print(f"BAR killed before each of {step - 2} steps, real MLflow store: a champion served every time")
            return
    pytest.fail("the protocol has more steps than expected")


def raced(promoter: Promoter, generation: int, race: Callable[[list[str], int], list[int]]) -> None:
    """Two move the champion at once, from the same generation: one wins, the other is told."""
    now = promoter.champion(KEY)
    others = [one.version_name for one in promoter.store.versions(KEY) if one.version_name != now][:2]
    assert sorted(race(others, generation)) == [WON, CONFLICT]
    assert_serves(promoter, set(others))
    assert len(promoter.store.deployments(KEY)) == generation + 1


def test_of_two_clients_that_promote_at_once_one_wins(promoter: Promoter, sqlite_warehouse: Warehouse) -> None:
    names = register_versions(promoter.store, promoter.registry)
    move(promoter, names[0], PROMOTION)

    def promote(name: str, generation: int, barrier: threading.Barrier) -> int:
        own = Promoter(ModelStore(Warehouse(sqlite_warehouse.url)), Registry())
        version = own.store.version(KEY, name)
        assert version is not None
        own.verify(KEY, version)
        barrier.wait(60)
        try:
            own.move(KEY, version, PROMOTION, "test", "tester", "run", generation)
        except PromotionConflictError:
            return CONFLICT
        return WON

    def in_threads(targets: list[str], generation: int) -> list[int]:
        with ThreadPoolExecutor(2) as threads:
            given = [generation] * 2, [threading.Barrier(2)] * 2
            return list(threads.map(promote, targets, *given))

    for generation in range(1, 6):
        raced(promoter, generation, in_threads)
    promoter.reconcile(KEY, "next")
    assert_complete(promoter)


@pytest.mark.slow
def test_of_two_processes_that_promote_at_once_one_wins(
    promoter: Promoter, sqlite_warehouse: Warehouse, home: Path
) -> None:
    names = register_versions(promoter.store, promoter.registry)
    move(promoter, names[0], PROMOTION)

    def in_processes(targets: list[str], generation: int) -> list[int]:
        barrier = forks().Barrier(2)
        racers = [start(sqlite_warehouse.url, home, name, PROMOTION, generation, barrier) for name in targets]
        for racer in racers:
            racer.join(120)
        return [racer.exitcode or 0 for racer in racers]

    for generation in range(1, 31):
        raced(promoter, generation, in_processes)
    promoter.reconcile(KEY, "next")
    assert_complete(promoter)


@pytest.mark.slow
def test_processes_killed_at_random_leave_a_champion_and_a_complete_history(
    promoter: Promoter, sqlite_warehouse: Warehouse, home: Path
) -> None:
    """Killed between the first step of the protocol and the last: before it nothing could break."""
    names = register_versions(promoter.store, promoter.registry)
    move(promoter, names[0], PROMOTION)
    dice, killed, unfinished = random.Random(3), 0, 0

    def begun(target: str, kind: str) -> BaseProcess:
        begins = forks().Event()
        process = start(sqlite_warehouse.url, home, target, kind, None, None, begins)
        assert begins.wait(120)
        return process

    def left_open() -> set[str]:
        return {found.version_name for found in promoter.store.deployments(KEY) if found.outcome != DONE}

    process, started = begun(names[1], PROMOTION), time.monotonic()
    process.join(120)
    longest = time.monotonic() - started
    for _ in range(10 * KILLS):
        before, pending = promoter.champion(KEY), left_open()
        target, kind = dice.choice([name for name in names if name != before]), dice.choice([PROMOTION, ROLLBACK])
        process = begun(target, kind)
        process.join(dice.uniform(0.0, longest))
        process.kill()
        process.join(120)
        killed += process.exitcode == -9
        unfinished += bool(left_open())
        assert_serves(promoter, {before, target, *pending})  # it may have finished what the last one left open
        if killed == KILLS:
            break
    assert killed == KILLS
    promoter.reconcile(KEY, "next")
    assert_complete(promoter)
    changes = len(promoter.store.deployments(KEY))
    print(f"BAR {killed} processes killed at random, {unfinished} with a change open, {changes} changes: all complete")
    assert unfinished >= KILLS // 10, "most were killed outside of what is to be shown"
