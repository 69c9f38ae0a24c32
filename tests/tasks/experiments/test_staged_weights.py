"""Weights that are changed in stages: units keep their arm, newcomers follow the stage, and the answer holds."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.experiments import ExperimentEngine, ExperimentType, VariantAllocation
from tasks.experiments.errors import InvalidDesignError, WrongStateError
from tasks.experiments.inference.adaptive_inference import augmented_scores
from tasks.warehouse import Warehouse
from tests.factories import store_content
from tests.tasks.models.model_rows import posts

STAGES = ({"new": 0.05, "old": 0.95}, {"new": 0.25, "old": 0.75}, {"new": 0.5, "old": 0.5})


async def staged(
    warehouse: Warehouse, strategy: VariantAllocation = VariantAllocation.STAGED
) -> tuple[ExperimentEngine, str]:
    store_content(warehouse, posts(1))
    engine = ExperimentEngine(warehouse=warehouse)
    arms = [{"name": "new", "weight": 0.05}, {"name": "old", "weight": 0.95, "is_control": True}]
    made = await engine.create_experiment("stages", "acme", arms, "loss", ExperimentType.SEQUENTIAL, strategy)
    await engine.start_experiment(made.experiment_id)
    return engine, made.experiment_id


async def test_newcomers_follow_the_stage_and_nobody_moves(sqlite_warehouse: Warehouse) -> None:
    engine, identifier = await staged(sqlite_warehouse)
    units = [f"u{i}" for i in range(2_000)]
    first = await engine.assign_variants(identifier, units[:1_000])
    for weights in STAGES:
        for _ in range(2):
            await engine.set_weights(identifier, weights, "next stage")
    second = await engine.assign_variants(identifier, units)
    assert second[:1_000] == first
    assert sum(arm == "new" for arm in first) == pytest.approx(50, abs=25)
    assert sum(arm == "new" for arm in second[1_000:]) == pytest.approx(500, abs=60)
    assert await engine.assigned_variants(identifier, ["u1", "nobody"]) == [first[1], None]
    actions = [row["action"] for row in await engine.decisions(identifier)]
    assert actions == ["created", "started", "reweighted", "reweighted"], "the same weights twice are one stage"
    found = await engine.analyze_experiment(identifier)
    assert found.sample_ratio is not None
    assert not found.sample_ratio.is_alarm


async def test_weights_are_changed_only_where_that_was_designed(sqlite_warehouse: Warehouse) -> None:
    engine, identifier = await staged(sqlite_warehouse)
    with pytest.raises(InvalidDesignError, match="sum to 1"):
        await engine.set_weights(identifier, {"new": 0.5, "old": 0.6}, "wrong")
    await engine.complete_experiment(identifier, "old")
    with pytest.raises(WrongStateError, match="only a running, staged one"):
        await engine.set_weights(identifier, STAGES[1], "too late")
    fixed, other = await staged(sqlite_warehouse, VariantAllocation.EQUAL)
    with pytest.raises(WrongStateError, match="is equal"):
        await fixed.set_weights(other, STAGES[1], "not designed so")


def test_a_world_that_moves_with_the_stages_does_not_look_like_an_effect() -> None:
    """The mean rises as the new arm's share does: pooled means would call that an effect, propensities do not."""
    random, covered, pooled = np.random.default_rng(4), 0, []
    for _ in range(400):
        n, y, yy = (np.zeros((3, 2)) for _ in range(3))
        for stage, share in enumerate((0.05, 0.25, 0.5)):
            values, is_new = random.exponential(size=800) + stage, random.random(800) < share
            for arm, mine in enumerate((is_new, ~is_new)):
                n[stage, arm], y[stage, arm] = mine.sum(), values[mine].sum()
                yy[stage, arm] = np.square(values[mine]).sum()
        scores = augmented_scores(n, y, yy, np.array([[0.05, 0.95], [0.25, 0.75], [0.5, 0.5]]))
        covered += abs(scores.contrast[0, 1]) < 1.96 * scores.contrast_error[0, 1]
        pooled.append((y.sum(0) / n.sum(0))[0] - (y.sum(0) / n.sum(0))[1])
    print(f"BAR staged weights, no effect in a moving world: covered {covered / 400:.3f} (bar 0.93)")
    assert covered / 400 >= 0.93
    assert np.mean(pooled) > 0.3
