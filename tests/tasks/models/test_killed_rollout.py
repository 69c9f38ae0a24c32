"""A rollout killed before or after any call to a store, the registry or the engine goes on at the next refresh."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tasks.experiments import ExperimentService
from tasks.models.drift.monitor import DriftThresholds
from tasks.models.records import ROLLOUT_SHARES, PredictionBatch, Run
from tasks.models.registry.promotion import Promoter, served
from tasks.models.service import ModelService
from tasks.models.serving.rollout_experiment import CHALLENGER
from tasks.models.store import ModelStore
from tasks.models.training.dataset import ModelRows
from tasks.models.training.evaluation import TrainedModel
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Experiment, Workspace
from tests.factories import START, store, workspace_row
from tests.tasks.models.test_promotion import KEY, NAMES, Killed, MemoryRegistry, Mortal, move, with_versions
from tests.tasks.models.worlds import SPEC, champion_of, frame_of, rows

NIGHTS = 8
FEW_ROWS = SPEC.model_copy(update={"minimum_rows": 50})
NO_DRIFT_CHECK = DriftThresholds(min_samples=1_000)


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
    models, registry = with_versions(kept_open, trained, count=2), MemoryRegistry(trained.model.estimator)
    store(kept_open, Workspace, [workspace_row()])
    move(Promoter(models, registry), 1)  # type: ignore[arg-type]
    models.add_batch(KEY, PredictionBatch(NAMES[0], 30, 0.1, None, datetime.now(UTC)), "test")
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
    """A night's refresh, mortal at every call; then somebody asks for predictions."""
    service: Any = ModelService(models.warehouse, thresholds=NO_DRIFT_CHECK)
    service.store, service.registry = Mortal(models, clock, after), Mortal(registry, clock, after)
    service.rollouts.experiment.experiments = Mortal(ExperimentService(warehouse=models.warehouse), clock, after)
    known = ModelRows(frame_of(rows(60, 2, start=100)), FEW_ROWS)
    run = Run("test", as_of=START + timedelta(days=30 + night))
    service.refresh(KEY, FEW_ROWS, known, run).update(force=False, promote=True)
    step = service.rollouts.current(KEY)
    if step is not None:
        assert step.share_percent in ROLLOUT_SHARES
        newer = known.labeled.keys.to_list()
        assert service.rollouts.challenger_rows(step, newer) <= set(newer)
        assert registry.pointers[CHALLENGER] == 2
