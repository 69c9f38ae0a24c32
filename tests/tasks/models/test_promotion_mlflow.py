"""Promotion and rollback against a real MLflow store: killed anywhere, raced for, a champion serves every time."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tasks.models.promotion import PROMOTION, ROLLBACK, Promoter, lineage, served
from tasks.models.registry import Registry
from tasks.models.store import DONE, ModelStore
from tasks.warehouse import Warehouse
from tests.tasks.models.movers import CONFLICT, KEY, WON, forkserver, register_versions, start
from tests.tasks.models.test_promotion import Killed, Mortal


@pytest.fixture
def promoter(sqlite_warehouse: Warehouse, mlflow_store: Path) -> Promoter:
    return Promoter(ModelStore(sqlite_warehouse), Registry())


def move(promoter: Promoter, name: str, kind: str) -> int:
    version = promoter.store.version(KEY, name)
    assert version is not None
    return promoter.move(KEY, version, kind, "test", "tester", "run")


def assert_serves(promoter: Promoter, possible: set[str | None]) -> None:
    """What table and alias call champion is one of these, loads, and predicts its golden rows."""
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


@pytest.mark.parametrize("rounds", [1, pytest.param(30, marks=pytest.mark.slow)])
def test_of_two_processes_that_promote_at_once_one_wins(
    promoter: Promoter, sqlite_warehouse: Warehouse, home: Path, rounds: int
) -> None:
    names = register_versions(promoter.store, promoter.registry)
    move(promoter, names[0], PROMOTION)
    context = forkserver()
    for generation in range(1, rounds + 1):
        now = promoter.champion(KEY)
        barrier = context.Barrier(2)
        others = [name for name in names if name != now][:2]
        racers = [start(context, sqlite_warehouse.url, home, name, PROMOTION, generation, barrier) for name in others]
        for racer in racers:
            racer.join(120)
        assert sorted(racer.exitcode or 0 for racer in racers) == [WON, CONFLICT]
        assert_serves(promoter, set(others))
        assert len(promoter.store.deployments(KEY)) == generation + 1
    promoter.reconcile(KEY, "next")
    assert_complete(promoter)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [200])
def test_processes_killed_at_random_leave_a_champion_and_a_complete_history(
    promoter: Promoter, sqlite_warehouse: Warehouse, home: Path, kills: int
) -> None:
    names = register_versions(promoter.store, promoter.registry)
    move(promoter, names[0], PROMOTION)
    context, dice, killed = forkserver(), random.Random(3), 0
    started = time.monotonic()
    start(context, sqlite_warehouse.url, home, names[1], PROMOTION).join(120)
    longest = time.monotonic() - started
    for _ in range(10 * kills):
        before = promoter.champion(KEY)
        target, kind = dice.choice([name for name in names if name != before]), dice.choice([PROMOTION, ROLLBACK])
        process = start(context, sqlite_warehouse.url, home, target, kind)
        process.join(dice.uniform(0.0, longest))
        process.kill()
        process.join(120)
        killed += process.exitcode == -9
        pending = {found.version_name for found in promoter.store.deployments(KEY) if found.outcome != DONE}
        assert_serves(promoter, {before, target, *pending})
        if killed == kills:
            break
    assert killed == kills
    promoter.reconcile(KEY, "next")
    assert_complete(promoter)
    changes = len(promoter.store.deployments(KEY))
    print(f"BAR {killed} processes killed at random: {changes} changes of champion, all complete (bar: all)")
