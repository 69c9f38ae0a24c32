"""A rollout killed before or after any call to a store, the registry or the engine goes on at the next visit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tasks.experiments import ExperimentEngine
from tasks.models.canary import Canary
from tasks.models.serving.rollout_experiment import CHALLENGER
from tasks.models.training.dataset import Examples
from tasks.models.records import Run
from tasks.models.registry.promotion import Promoter, served
from tasks.models.rollout import SHARES
from tasks.models.store import ModelStore
from tasks.models.training.evaluation import TrainedModel
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Experiment, Workspace
from tests.factories import START, store, workspace_row
from tests.tasks.models.test_promotion import KEY, NAMES, Killed, MemoryRegistry, Mortal, move, version, with_versions
from tests.tasks.models.worlds import SPEC, champion_of, rows

NIGHTS = 8


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return champion_of(rows(300, 1))[0]


@pytest.fixture
def kept_open(sqlite_warehouse: Warehouse) -> Iterator[Warehouse]:
    with sqlite_warehouse.kept_open():
        yield sqlite_warehouse


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_call_a_rollout_goes_on_and_a_champion_serves(
    kept_open: Warehouse, trained: TrainedModel, after: bool
) -> None:
    models, registry = with_versions(kept_open, trained), MemoryRegistry(trained.model.estimator)
    store(kept_open, Workspace, [workspace_row()])
    move(Promoter(models, registry), 1)  # type: ignore[arg-type]
    kills = 0
    for night in range(NIGHTS):
        for clock in range(1, 100):
            try:
                visit(models, registry, [clock], after, night)
                break
            except Killed:
                kills += 1
                assert served(models.deployments(KEY)) in NAMES[:2]
                assert registry.pointers["champion"] in (1, 2)
    print(f"BAR rollout killed {'after' if after else 'before'} every call, {kills} times: it ends (bar: always)")
    assert kills > 40
    assert [step.share_percent for step in models.rollout(KEY)] == [5, 25, 50, 100]
    assert [found.outcome for found in models.deployments(KEY)] == ["done", "done"]
    assert registry.pointers == {"champion": 2, "previous": 1}
    ended = kept_open.rows(select(Experiment.status, Experiment.winner))
    assert ended == [{"status": "completed", "winner": "challenger"}]


def visit(models: ModelStore, registry: MemoryRegistry, clock: list[int], after: bool, night: int) -> None:
    """What a night does with a rollout, mortal at every call; then somebody asks for predictions."""
    mortal: Any = Promoter(Mortal(models, clock, after), Mortal(registry, clock, after))  # type: ignore[arg-type]
    canary = Canary(mortal)
    engine: Any = Mortal(ExperimentEngine(warehouse=models.warehouse), clock, after)
    canary.experiment.engine = engine
    run = Run("test", as_of=START + timedelta(days=30 + night))
    mortal.reconcile(KEY, "test")
    newer: Examples = rows(60, 2, start=100)
    if canary.advance(KEY, SPEC, newer, run, "tester") is None and served(models.deployments(KEY)) == NAMES[0]:
        canary.begin(KEY, SPEC, version(models, 2), version(models, 1), run)
    step = canary.open(KEY)
    if step is not None:
        assert step.share_percent in SHARES
        mine = canary.challenger_rows(step, newer.keys.to_list())
        assert mine <= set(newer.keys.to_list())
        assert registry.pointers[CHALLENGER] == 2
