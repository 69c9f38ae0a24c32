"""What comes late, incomplete, in numpy's types, from two processes at once, or says nothing at all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tasks.errors import InputError, UnknownNameError
from tasks.experiments import ExperimentEngine, ExperimentRecord, ExperimentService
from tasks.experiments.errors import InvalidDesignError, InvalidOutcomeError, WrongStateError
from tasks.experiments.inference import bandit_allocation
from tasks.experiments.inference.adaptive_inference import augmented_scores
from tasks.experiments.store import ExperimentStore
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row

TWO = [{"name": "control"}, {"name": "bold"}]


@pytest.fixture
def engine(sqlite_warehouse: Warehouse) -> ExperimentEngine:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    return ExperimentEngine(warehouse=sqlite_warehouse)


async def started(engine: ExperimentEngine, **changes: Any) -> ExperimentRecord:
    told: dict[str, Any] = {"name": "odd", "workspace_id": "acme", "variants": TWO, "metric_name": "spent", "salt": "s"}
    made = await engine.create_experiment(**(told | changes))
    return await engine.start_experiment(made.experiment_id)


async def test_late_outcomes_count_and_are_amended_where_they_are_let_in(engine: ExperimentEngine) -> None:
    identifier = (await started(engine, late_days=2)).experiment_id
    await engine.assign_variants(identifier, ["u0", "u1"])
    await engine.complete_experiment(identifier)
    await engine.record_outcome(identifier, unit_id="u0", outcome=3)
    amended = await engine.record_outcome(identifier, unit_id="u0", outcome=4, amend=True)
    assert (amended.recorded, amended.amended) == (0, 1)
    assert (await engine.analyze_experiment(identifier)).n == 1
    with pytest.raises(WrongStateError, match="serve its winner"):
        await engine.assign_variant(identifier, "u2")


async def test_a_batch_with_one_bad_row_is_refused_whole(engine: ExperimentEngine, sqlite_warehouse: Warehouse) -> None:
    identifier = (await started(engine)).experiment_id
    await engine.assign_variants(identifier, ["u0", "u1"])
    good = {"unit_id": "u0", "outcome": 1}
    for bad in ({"outcome": 1}, {"unit_id": None, "outcome": 1}, {"unit_id": "u1"}, {"unit_id": "u1", "outcome": "1"}):
        with pytest.raises(InvalidOutcomeError):
            await engine.record_outcomes(identifier, [good, bad])
    for unknown in ({"unit_id": "u1", "outcome": 1, "color": 2}, {"unit_id": " ", "outcome": 1}):
        with pytest.raises(InputError):
            await engine.record_outcomes(identifier, [good, unknown])
    with pytest.raises(InvalidOutcomeError, match="1 to 128"):
        await engine.record_outcomes(identifier, [good | {"key": " "}])
    assert ExperimentStore(sqlite_warehouse).outcomes.statistics(identifier) == []


async def test_what_is_known_of_units_is_checked_before_any_is_assigned(
    engine: ExperimentEngine, sqlite_warehouse: Warehouse
) -> None:
    identifier = (await started(engine)).experiment_id
    with pytest.raises(InvalidDesignError, match="2 units need as many segments, not 1"):
        await engine.assign_variants(identifier, ["u0", "u1"], ["mobile"])
    with pytest.raises(InvalidDesignError, match="2 units need as many covariates, not 1"):
        await engine.assign_variants(identifier, ["u0", "u1"], None, [1.0])
    with pytest.raises(InvalidDesignError, match="at most 128"):
        await engine.assign_variant(identifier, "u0", segment="x" * 129)
    with pytest.raises(InvalidDesignError, match="covariate is a finite number"):
        await engine.assign_variant(identifier, "u0", covariate=math.nan)
    assert ExperimentStore(sqlite_warehouse).assignments.arrivals(identifier) == []


async def test_numbers_of_numpy_are_numbers(engine: ExperimentEngine) -> None:
    identifier = (await started(engine)).experiment_id
    await engine.assign_variant(identifier, np.int64(7), covariate=np.float32(1.5))  # type: ignore[arg-type]
    recorded = await engine.record_outcome(identifier, unit_id=np.int64(7), outcome=np.int64(2))  # type: ignore[arg-type]
    assert recorded.recorded == 1


async def test_of_two_completions_with_different_winners_the_second_is_told(
    engine: ExperimentEngine, sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = (await started(engine)).experiment_id
    slow = ExperimentService(warehouse=sqlite_warehouse)
    analyze = slow.analyze_experiment

    def beaten(experiment_id: str) -> Any:
        ExperimentService(warehouse=sqlite_warehouse).complete_experiment(experiment_id, "bold")
        return analyze(experiment_id)

    monkeypatch.setattr(slow, "analyze_experiment", beaten)
    with pytest.raises(WrongStateError, match="another process was first"):
        slow.complete_experiment(identifier, "control")
    assert (await engine.get_experiment(identifier)).winner == "bold"
    assert [entry["action"] for entry in await engine.decisions(identifier)][-1] == "completed"


async def test_units_are_capped_not_their_single_outcomes(engine: ExperimentEngine) -> None:
    made = await started(engine, metric_kind="count", winsorise_at=0.9, guardrails=["complained"])
    units = [f"u{i}" for i in range(40)]
    await engine.assign_variants(made.experiment_id, units)
    await engine.record_outcome(made.experiment_id, unit_id="u0", outcome=1, metric_name="complained")
    assert (await engine.analyze_experiment(made.experiment_id)).n == 0
    rows = [{"unit_id": unit, "outcome": 1, "key": "first"} for unit in units]
    rows += [{"unit_id": "u0", "outcome": 1, "key": f"again {k}"} for k in range(500)]
    await engine.record_outcomes(made.experiment_id, rows)
    found = await engine.analyze_experiment(made.experiment_id)
    assert {arm.mean for arm in found.variants} == {1.0}


async def test_a_large_mean_costs_no_digits(engine: ExperimentEngine) -> None:
    made = await started(engine, metric_kind="continuous")
    units = [f"u{i}" for i in range(400)]
    arms = await engine.assign_variants(made.experiment_id, units)
    noise = np.random.default_rng(1).normal(size=400)
    rows = [{"unit_id": unit, "outcome": 1e10 + float(x)} for unit, x in zip(units, noise, strict=True)]
    for start in (0, 100, 200, 300):
        await engine.record_outcomes(made.experiment_id, rows[start : start + 100])
    found = await engine.analyze_experiment(made.experiment_id)
    kept = {arm: noise[[a == arm for a in arms]] for arm in ("control", "bold")}
    effect = found.effects[0]
    assert effect.effect == pytest.approx(kept["bold"].mean() - kept["control"].mean(), abs=1e-4)
    error = np.sqrt(sum(np.var(part, ddof=1) / len(part) for part in kept.values()))
    assert 2 * error < (effect.interval[1] - effect.interval[0]) / 2 < 6 * error


async def test_a_ratio_that_is_zero_everywhere_has_a_status_and_no_nan(engine: ExperimentEngine) -> None:
    made = await started(engine, metric_kind="ratio", min_sample_size=10)
    units = [f"u{i}" for i in range(60)]
    await engine.assign_variants(made.experiment_id, units)
    rows = [{"unit_id": unit, "outcome": 0, "denominator": 3} for unit in units]
    await engine.record_outcomes(made.experiment_id, rows)
    found = await engine.analyze_experiment(made.experiment_id)
    assert (found.status, found.effects) == ("running", [])
    assert [arm.mean for arm in found.variants] == [0.0, 0.0]


def test_an_arm_that_nobody_could_get_leaves_scores_finite() -> None:
    n = np.array([[50.0, 50.0], [100.0, 0.0]])
    y = np.array([[5.0, 10.0], [10.0, 0.0]])
    scores = augmented_scores(n, y, y, np.array([[0.5, 0.5], [1.0, 0.0]]))
    assert np.isfinite(scores.mean).all()
    assert np.isfinite(scores.contrast_error).all()


def test_top_two_weights_are_those_of_drawing_until_a_second_arm_leads() -> None:
    best = np.array([0.6, 0.3, 0.1])
    rng = np.random.default_rng(0)
    first = rng.choice(3, 20_000, p=best)
    other = np.array([rng.choice(3, p=np.where(np.arange(3) == k, 0, best) / (1 - best[k])) for k in first])
    drawn = np.where(rng.random(20_000) < 0.5, first, other)
    # 20,000 draws: three standard errors are 0.011.
    assert bandit_allocation.top_two(best) == pytest.approx(np.bincount(drawn) / len(drawn), abs=0.011)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"bounds": (1,)}, "bounds are the lowest and the highest value"),
        ({"bounds": "ab"}, "bounds are"),
        ({"bounds": ("a", 1)}, "a bound is a number"),
        ({"hypothesis": 5}, "hypothesis is a text, not 5"),
        ({"salt": 5}, "salt is a text, not 5"),
        ({"planned_units_per_arm": 10**30}, "at most 1,000,000,000,000"),
        ({"min_sample_size": 10**30}, "at most 1,000,000,000,000"),
        ({"secondary": "clicked"}, "secondary metrics are a list"),
        ({"variants": None}, "variants are a list of dictionaries"),
        ({"variants": ["a", "b"]}, "variants are a list of dictionaries"),
        ({"variants": [{"name": "a", "levels": 5}, {"name": "b"}]}, "levels are a dictionary"),
    ],
)
def test_every_shape_of_a_design_is_one_typed_error_on_both_stores(
    warehouse: Warehouse, wrong: dict[str, Any], says: str
) -> None:
    store(warehouse, Workspace, [workspace_row()])
    service = ExperimentService(warehouse=warehouse)
    arms = [{"name": "a"}, {"name": "b"}]
    with pytest.raises(InputError, match=says) as refused:
        service.create_experiment("odd", "acme", **({"variants": arms, "metric_name": "m"} | wrong))
    assert len(str(refused.value).splitlines()) == 1
    assert service.list_experiments() == []


def test_ids_and_rows_of_any_shape_are_typed_errors_on_both_stores(warehouse: Warehouse) -> None:
    store(warehouse, Workspace, [workspace_row()])
    service = ExperimentService(warehouse=warehouse)
    for odd in (5, None, "nul\x00", [], {}):
        with pytest.raises(UnknownNameError, match="unknown experiment"):
            service.get_experiment(odd)  # type: ignore[arg-type]
    made = service.create_experiment("odd", "acme", [{"name": "a"}, {"name": "b"}], "m")
    service.start_experiment(made.experiment_id)
    for rows in (5, [5], ["abc"], [None], "abc"):
        with pytest.raises(InputError, match="a list of dictionaries with unit_id and outcome"):
            service.record_outcomes(made.experiment_id, rows)  # type: ignore[arg-type]
