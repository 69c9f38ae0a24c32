"""Whoever is killed, and whenever: a champion serves, and the history is complete."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from inspect import iscoroutine
from threading import Barrier, Thread
from typing import Any

import pytest

from tasks.models.errors import ArtifactRefusedError, NoChampionError, PromotionConflictError
from tasks.models.records import PROMOTION, ROLLBACK, Deployment, ModelKey, ModelType, Version
from tasks.models.registry.promotion import Promoter, lineage, served
from tasks.models.store import ABANDONED, DONE, PENDING, ModelStore
from tasks.models.training.evaluation import TrainedModel
from tasks.warehouse import Warehouse
from tests.tasks.models.worlds import champion_of, rows

KEY = ModelKey("acme", ModelType.ENGAGEMENT_PREDICTOR)
NAMES = [f"v_2026010{i}_000000" for i in range(1, 6)]


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class MemoryRegistry:
    """The registry's face over dictionaries."""

    def __init__(self, estimator: Any) -> None:
        self.estimator, self.pointers, self.broken = estimator, {}, set()

    def load(self, key: ModelKey, version: int, sha256: str) -> Any:
        if version in self.broken:
            raise ArtifactRefusedError(key.registered_name, version, "its file is missing")
        return self.estimator

    def require_file(self, key: ModelKey, version: int, sha256: str) -> None:
        self.load(key, version, sha256)

    def point(self, key: ModelKey, alias: str, version: int) -> bool:
        self.pointers[alias] = version
        return True

    def aliases(self, key: ModelKey) -> dict[str, int]:
        return dict(self.pointers)

    def unpoint(self, key: ModelKey, alias: str) -> None:
        self.pointers.pop(alias, None)

    def clear(self, key: ModelKey, alias: str, version: int) -> None:
        if self.pointers.get(alias) == version:
            del self.pointers[alias]


class Mortal:
    """Passes calls on and dies before the n-th, or right after it."""

    def __init__(self, inner: Any, clock: list[int], after: bool) -> None:
        self.inner, self.clock, self.after = inner, clock, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        return self._guarded(found) if callable(found) else found

    def _guarded(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*given: Any, **named: Any) -> Any:
            self.clock[0] -= 1
            if self.clock[0] == 0 and not self.after:
                raise Killed
            result = call(*given, **named)
            if self.clock[0] == 0:
                if iscoroutine(result):
                    asyncio.run(result)
                raise Killed
            return result

        return guarded


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return champion_of(rows(300, 1))[0]


@pytest.fixture
def registry(trained: TrainedModel) -> MemoryRegistry:
    return MemoryRegistry(trained.model.estimator)


@pytest.fixture
def store(warehouse: Warehouse, trained: TrainedModel) -> ModelStore:
    return with_versions(warehouse, trained)


@pytest.fixture
def quick_store(sqlite_warehouse: Warehouse, trained: TrainedModel) -> Iterator[ModelStore]:
    with sqlite_warehouse.kept_open():
        yield with_versions(sqlite_warehouse, trained)


def with_versions(warehouse: Warehouse, trained: TrainedModel, count: int = len(NAMES)) -> ModelStore:
    """Versions 1…count, each trained a little later than the one before."""
    store, times = ModelStore(warehouse), rows(count, 1).times
    for number, name in enumerate(NAMES[:count], start=1):
        about = {"data_sha256": name, "spec_sha256": "s", "artifact_sha256": "a", "golden": trained.reference}
        about |= {"status": "registered", "decision": "promote", "evaluation": {}, "n_rows": 300}
        version = Version(version_name=name, registry_version=number, train_to=times[number - 1], **about)
        more = {"gate": None, "train_from": times[0], "snapshot_sha256": None, "git_commit": None, "run_id": "t"}
        store.add_version(KEY, version, more)
    return store


def version(store: ModelStore, number: int) -> Version:
    found = store.version(KEY, NAMES[number - 1])
    assert found is not None
    return found


def move(promoter: Promoter, number: int, kind: str = PROMOTION, expected: int | None = None) -> int:
    return promoter.move(KEY, version(promoter.store, number), kind, "test", "tester", "run", expected)


def number_of(name: str | None) -> int:
    return 0 if name is None else NAMES.index(name) + 1


def assert_serves(store: ModelStore, registry: MemoryRegistry, possible: set[int]) -> None:
    """What both the table and the alias call champion is one of these, and loads."""
    told = number_of(served(store.deployments(KEY)))
    assert told in possible
    assert registry.pointers.get("champion", 0) in possible
    assert told not in registry.broken


def test_champion_and_previous_follow_promotions_and_rollbacks(store: ModelStore, registry: MemoryRegistry) -> None:
    promoter = Promoter(store, registry)
    assert [move(promoter, n) for n in (1, 2, 3)] == [1, 2, 3]
    assert registry.pointers == {"champion": 3, "previous": 2}
    assert promoter.rollback_target(KEY, None).registry_version == 2
    move(promoter, 2, ROLLBACK)
    assert registry.pointers == {"champion": 2, "previous": 1}
    assert promoter.rollback_target(KEY, None).registry_version == 1
    assert [found.outcome for found in store.deployments(KEY)] == [DONE] * 4
    assert move(promoter, 2) == 4, "moving to the champion changes nothing"


def test_rollback_needs_somewhere_to_go(quick_store: ModelStore, registry: MemoryRegistry) -> None:
    promoter = Promoter(quick_store, registry)
    with pytest.raises(NoChampionError):
        promoter.rollback_target(KEY, None)
    move(promoter, 1)
    with pytest.raises(NoChampionError):
        promoter.rollback_target(KEY, None)


def test_second_of_two_promoters_is_told(quick_store: ModelStore, registry: MemoryRegistry) -> None:
    promoter = Promoter(quick_store, registry)
    move(promoter, 1, expected=0)
    with pytest.raises(PromotionConflictError, match="generation 1, not 0"):
        move(promoter, 2, expected=0)
    assert registry.pointers == {"champion": 1}


class Overtaken:
    """Passes calls on; before the n-th reading of the changes, another promoter opens the same one."""

    def __init__(self, store: ModelStore, reading: int) -> None:
        self.store, self.readings_left = store, reading

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def deployments(self, key: ModelKey) -> list[Deployment]:
        self.readings_left -= 1
        if self.readings_left == 0 and not self.store.deployments(key):
            opened = Deployment(1, PROMOTION, PENDING, NAMES[0], None, "test", "another", datetime.now(UTC))
            assert self.store.open_deployment(key, opened, "another")
        return self.store.deployments(key)


@pytest.mark.parametrize("reading", [1, 2])
def test_what_another_opened_between_two_readings_is_not_opened_again(
    quick_store: ModelStore, registry: MemoryRegistry, reading: int
) -> None:
    promoter = Promoter(Overtaken(quick_store, reading), registry)  # type: ignore[arg-type]
    try:
        generation = move(promoter, 1)
    except PromotionConflictError:
        generation = move(promoter, 1)
    assert generation == 1
    assert [(change.version_name, change.outcome) for change in quick_store.deployments(KEY)] == [(NAMES[0], DONE)]
    assert registry.pointers == {"champion": 1}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", [PROMOTION, ROLLBACK])
def test_killed_between_any_two_steps_a_champion_serves(
    quick_store: ModelStore, trained: TrainedModel, kind: str, after: bool
) -> None:
    survived = False
    for step in range(1, 60):
        registry = MemoryRegistry(trained.model.estimator)
        promoter = Promoter(quick_store, registry)
        for number in (1, 2):
            move(promoter, number)
        registry.pointers |= {"champion": 2, "previous": 1}
        clock, target = [step], 3 if kind == PROMOTION else 1
        try:
            move(Promoter(Mortal(quick_store, clock, after), Mortal(registry, clock, after)), target, kind)  # type: ignore[arg-type]
            survived = True
        except Killed:
            assert_serves(quick_store, registry, {2, target})
        Promoter(quick_store, registry).reconcile(KEY, "next")
        history = quick_store.deployments(KEY)
        assert all(found.outcome == DONE for found in history)
        assert registry.pointers["champion"] == number_of(served(history))
        if survived:
            return
        move(promoter, 4)
        move(promoter, 1, ROLLBACK)
    pytest.fail("the protocol has more steps than expected")


def test_two_hundred_random_kills_leave_a_champion_and_a_complete_history(
    quick_store: ModelStore, registry: MemoryRegistry
) -> None:
    dice = random.Random(7)
    move(Promoter(quick_store, registry), 1)
    kills = 0
    while kills < 200:
        clock, after, target = [dice.randint(1, 18)], dice.random() < 0.5, dice.randint(1, 5)
        before = number_of(served(quick_store.deployments(KEY)))
        mortal = Promoter(Mortal(quick_store, clock, after), Mortal(registry, clock, after))  # type: ignore[arg-type]
        pending = {number_of(found.version_name) for found in quick_store.deployments(KEY) if found.outcome != DONE}
        try:
            move(mortal, target, dice.choice([PROMOTION, ROLLBACK]))
        except Killed:
            kills += 1
        assert_serves(quick_store, registry, {before, target, *pending})
    Promoter(quick_store, registry).reconcile(KEY, "next")
    history = quick_store.deployments(KEY)
    print(f"BAR 200 random kills: {len(history)} changes of champion, all complete (bar: all)")
    assert [found.generation for found in history] == list(range(1, len(history) + 1))
    assert all(found.outcome == DONE for found in history)
    assert registry.pointers["champion"] == number_of(served(history))
    stack = lineage(history)
    assert len(stack) == 1 or registry.pointers["previous"] == number_of(stack[-2])


def test_two_promoters_racing_one_wins_and_the_other_is_told(store: ModelStore, registry: MemoryRegistry) -> None:
    move(Promoter(store, registry), 1)
    for turn in range(1, 6):
        outcomes = race(store, registry, turn)
        assert sorted(outcomes) == ["conflict", "won"]
        history = store.deployments(KEY)
        assert registry.pointers["champion"] == number_of(served(history))
        assert len(history) == turn + 1


def race(store: ModelStore, registry: MemoryRegistry, generation: int) -> list[str]:
    barrier, outcomes = Barrier(2), []

    def run(target: int) -> None:
        barrier.wait()
        try:
            move(Promoter(store, registry), target, expected=generation)  # type: ignore[arg-type]
            outcomes.append("won")
        except PromotionConflictError:
            outcomes.append("conflict")

    now = number_of(served(store.deployments(KEY)))
    threads = [Thread(target=run, args=(n,)) for n in range(1, 6) if n != now][:2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return outcomes


def test_version_that_cannot_serve_is_refused_before_anything_moves(
    quick_store: ModelStore, registry: MemoryRegistry
) -> None:
    promoter = Promoter(quick_store, registry)
    move(promoter, 1)
    registry.broken.add(2)
    with pytest.raises(ArtifactRefusedError):
        move(promoter, 2)
    assert registry.pointers == {"champion": 1}
    assert len(quick_store.deployments(KEY)) == 1


def test_golden_predictions_that_differ_are_refused(quick_store: ModelStore, registry: MemoryRegistry) -> None:
    other = champion_of(rows(300, 2))[0]
    registry.estimator = other.model.estimator
    with pytest.raises(ArtifactRefusedError, match="reference predictions"):
        move(Promoter(quick_store, registry), 1)


def test_pending_version_whose_file_is_gone_is_abandoned(quick_store: ModelStore, registry: MemoryRegistry) -> None:
    move(Promoter(quick_store, registry), 1)
    clock = [8]
    with pytest.raises(Killed):
        move(Promoter(Mortal(quick_store, clock, False), Mortal(registry, clock, False)), 2)  # type: ignore[arg-type]
    registry.broken.add(2)
    pending = [found.outcome for found in quick_store.deployments(KEY)]
    Promoter(quick_store, registry).reconcile(KEY, "next")
    assert (pending[-1], quick_store.deployments(KEY)[-1].outcome) == ("pending", ABANDONED)
    assert registry.pointers["champion"] == 1
