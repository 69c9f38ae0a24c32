from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.errors import InputError, UnknownNameError
from tasks.experiments import ExperimentEngine, ExperimentRecord, ExperimentType, VariantAllocation
from tasks.experiments.design import Design
from tasks.experiments.errors import (
    InvalidDesignError,
    InvalidOutcomeError,
    OutcomeConflictError,
    OutcomeOutsideWindowError,
    UnassignedUnitError,
    WrongStateError,
)
from tasks.experiments.outcomes import SUMS
from tasks.experiments.store import ExperimentStore, sealed
from tasks.reporting.experiment_report import experiment_report
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row

TWO = [{"name": "control"}, {"name": "bold"}]
FOUR = [{"name": name} for name in ("control", "bold", "calm", "odd")]


@pytest.fixture
def engine(warehouse: Warehouse) -> ExperimentEngine:
    store(warehouse, Workspace, [workspace_row()])
    return ExperimentEngine(warehouse=warehouse)


async def started(engine: ExperimentEngine, **changes: Any) -> ExperimentRecord:
    told: dict[str, Any] = {
        "name": "hooks",
        "workspace_id": "acme",
        "variants": TWO,
        "metric_name": "clicked",
        "salt": "s",
    }
    made = await engine.create_experiment(**(told | changes))
    return await engine.start_experiment(made.experiment_id)


async def feed(
    engine: ExperimentEngine, experiment_id: str, n: int, outcome: Callable[[str, int], float], first: int = 0
) -> None:
    units = [f"u{i}" for i in range(first, first + n)]
    arms = await engine.assign_variants(experiment_id, units)
    rows = [{"unit_id": u, "outcome": outcome(str(arm), i)} for i, (u, arm) in enumerate(zip(units, arms, strict=True))]
    await engine.record_outcomes(experiment_id, pl.DataFrame(rows))


def coin(rates: dict[str, float], seed: int = 0) -> Callable[[str, int], float]:
    rng = np.random.default_rng(seed)
    return lambda arm, _: float(rng.random() < rates[arm])


async def test_a_unit_keeps_its_arm_in_every_process(engine: ExperimentEngine, warehouse: Warehouse) -> None:
    made = await started(engine)
    first = await engine.assign_variants(made.experiment_id, [f"u{i}" for i in range(50)])
    again = await ExperimentEngine(warehouse=warehouse).assign_variants(
        made.experiment_id, [f"u{i}" for i in range(50)]
    )
    assert first == again
    assert len(set(first)) == 2
    assert {arm.propensity for arm in first if arm is not None} == {0.5}


async def test_creating_the_same_experiment_again_finds_it_and_another_design_is_refused(
    engine: ExperimentEngine,
) -> None:
    made = await started(engine)
    again = await started(engine)
    assert again.experiment_id == made.experiment_id
    with pytest.raises(InvalidDesignError, match="other variants"):
        await started(engine, variants=[{"name": "control", "weight": 0.3}, {"name": "bold", "weight": 0.7}])
    with pytest.raises(InvalidDesignError, match="other metrics"):
        await started(engine, metric_name="sold")
    await engine.complete_experiment(made.experiment_id)
    assert (await started(engine)).experiment_id != made.experiment_id


async def test_outcomes_count_once_and_sums_equal_a_recount(engine: ExperimentEngine, warehouse: Warehouse) -> None:
    made = await started(engine, metric_kind="continuous")
    rng = np.random.default_rng(3)
    await feed(engine, made.experiment_id, 200, lambda arm, _: 1e6 + float(rng.normal()))
    again = [{"unit_id": "u0", "outcome": 5.0, "key": "second"}] * 2
    assert dict(await engine.record_outcomes(made.experiment_id, again)) == {
        "recorded": 1,
        "unchanged": 1,
        "amended": 0,
    }
    await engine.record_outcome(made.experiment_id, unit_id="u1", outcome=1e6 + 9, amend=True)
    rows = ExperimentStore(warehouse)
    metric = rows.definitions.find(made.experiment_id)[2][0]
    stored = {
        (row["variant_id"], row["epoch"], row["segment"]): row for row in rows.outcomes.statistics(made.experiment_id)
    }
    recount = rows.outcomes.recount(made.experiment_id, metric)
    assert stored.keys() == recount.keys()
    for cell, sums in recount.items():
        assert [stored[cell][name] for name in SUMS] == pytest.approx([sums[name] for name in SUMS], rel=1e-9)
    assert sum(row["n"] for row in stored.values()) == 200


async def test_a_rate_is_inferred_and_never_taken_for_coins(engine: ExperimentEngine) -> None:
    made = await started(engine)
    rng = np.random.default_rng(1)
    await feed(engine, made.experiment_id, 260, lambda arm, i: 1.0 if i == 0 else round(0.15 + 0.05 * rng.random(), 4))
    found = await engine.analyze_experiment(made.experiment_id)
    assert found.metric_kind == "rate"
    low, high = found.variants[0].credible_interval
    assert high - low < 0.03, "a Beta posterior would be five times as wide"
    arm = await engine.assign_variant(made.experiment_id, "late")
    assert (await engine.record_outcome(made.experiment_id, arm, 1.04)).recorded == 1
    assert (await engine.analyze_experiment(made.experiment_id)).metric_kind == "continuous"


async def test_a_better_arm_wins_and_the_log_tells_why(engine: ExperimentEngine) -> None:
    made = await started(engine, hypothesis="bold hooks are clicked more", auto_complete=True)
    await feed(engine, made.experiment_id, 1000, coin({"control": 0.1, "bold": 0.25}))
    assert await engine.check_significance(made.experiment_id) == (True, "bold")
    ended = await engine.complete_experiment(made.experiment_id)
    assert (ended.conclusion, ended.winner) == ("winner", "bold")
    log = await engine.decisions(made.experiment_id)
    assert [entry["action"] for entry in log] == ["created", "started", "planned", "completed"]
    assert log[-1]["evidence"]["proven_winner"] == "bold"
    before = ""
    for entry in log:
        assert entry["sha256"] == sealed(entry, before)
        before = entry["sha256"]


async def test_experiments_are_listed_as_last_looked_at(engine: ExperimentEngine) -> None:
    made = await started(engine)
    await feed(engine, made.experiment_id, 1000, coin({"control": 0.1, "bold": 0.3}))
    (before,) = await engine.list_experiments("acme")
    await engine.analyze_experiment(made.experiment_id)
    (after,) = await engine.list_experiments()
    assert (before["status"], before["found"], before["units"]) == ("running", None, 0)
    assert (after["status"], after["found"], after["units"]) == ("running", "winner", 1000)


async def test_looking_again_at_the_same_data_is_one_look(engine: ExperimentEngine) -> None:
    made = await started(engine)
    await feed(engine, made.experiment_id, 300, coin({"control": 0.2, "bold": 0.2}))
    first, second = [await engine.analyze_experiment(made.experiment_id) for _ in range(2)]
    assert (first.looks, second.looks) == (1, 1)
    assert first.as_dict() == second.as_dict()


async def test_guide_usage_with_thompson_is_analyzed_by_propensity(engine: ExperimentEngine) -> None:
    made = await started(engine, variants=FOUR, allocation_strategy=VariantAllocation.THOMPSON)
    rates = {"control": 0.1, "bold": 0.3, "calm": 0.1, "odd": 0.1}
    outcome = coin(rates)
    for start in range(0, 3000, 250):
        await feed(engine, made.experiment_id, 250, outcome, first=start)
    found = await engine.analyze_experiment(made.experiment_id)
    assert "inverse-propensity" in found.method
    weights = {arm.variant_id: arm.weight for arm in found.variants}
    assert weights["bold"] > 0.8
    assert min(weights.values()) >= Design().floor(4, 3000) - 1e-12
    assert (found.status, found.winner) == ("winner", "bold")
    assert not found.sample_ratio.is_alarm
    effect = next(effect for effect in found.effects if effect.variant_id == "bold")
    assert effect.interval[0] < 0.2 < effect.interval[1]


async def test_ucb_gives_the_better_arm_the_traffic(engine: ExperimentEngine) -> None:
    made = await started(
        engine, experiment_type=ExperimentType.MULTI_ARMED_BANDIT, allocation_strategy=VariantAllocation.UCB
    )
    outcome = coin({"control": 0.1, "bold": 0.4})
    for start in range(0, 900, 300):
        await feed(engine, made.experiment_id, 300, outcome, first=start)
    found = await engine.analyze_experiment(made.experiment_id)
    assert {arm.variant_id: arm.weight for arm in found.variants}["bold"] >= 0.8


async def test_a_broken_sample_ratio_forbids_a_winner(engine: ExperimentEngine, warehouse: Warehouse) -> None:
    made = await started(engine)
    await feed(engine, made.experiment_id, 1000, coin({"control": 0.1, "bold": 0.4}))
    lost = [f"x{i}" for i in range(400)]
    row = {"experiment_id": made.experiment_id, "variant_id": "bold", "epoch": 0, "propensity": 0.5}
    row |= {"segment": "", "covariate": None, "assigned_at": datetime.now(UTC)}
    ExperimentStore(warehouse).assignments.assign([row | {"unit_id": unit} for unit in lost])
    found = await engine.analyze_experiment(made.experiment_id)
    assert (found.status, found.winner, found.confidence) == ("invalid", None, 0.0)
    assert await engine.check_significance(made.experiment_id) == (False, None)


async def test_a_look_with_half_of_the_outcomes_is_not_believed(engine: ExperimentEngine) -> None:
    made = await started(engine)
    await feed(engine, made.experiment_id, 2000, coin({"control": 0.2, "bold": 0.2}))
    await engine.analyze_experiment(made.experiment_id)
    units = [f"late{i}" for i in range(400)]
    arms = await engine.assign_variants(made.experiment_id, units)
    rows = [{"unit_id": unit, "outcome": 1} for unit, arm in zip(units, arms, strict=True) if arm == "bold"]
    await engine.record_outcomes(made.experiment_id, rows)
    found = await engine.analyze_experiment(made.experiment_id)
    assert (found.status, found.winner) == ("running", None)
    assert any("incomplete" in warning for warning in found.warnings)
    assert found.effects[0].p_value > 0.05


async def test_a_harmed_guardrail_forbids_a_winner(engine: ExperimentEngine) -> None:
    guardrail = {"name": "unsubscribed", "direction": "decrease", "kind": "binary"}
    made = await started(engine, guardrails=[guardrail])
    await feed(engine, made.experiment_id, 1000, coin({"control": 0.1, "bold": 0.4}))
    arms = await engine.assign_variants(made.experiment_id, [f"u{i}" for i in range(1000)])
    left = [{"unit_id": f"u{i}", "outcome": int(i % 10 < (5 if arm == "bold" else 1))} for i, arm in enumerate(arms)]
    await engine.record_outcomes(made.experiment_id, left, metric_name="unsubscribed")
    found = await engine.analyze_experiment(made.experiment_id)
    assert (found.status, found.winner, found.leader) == ("harmed", None, "bold")
    assert found.guardrails[0]["is_harmed"]


async def test_a_covariate_narrows_the_interval(engine: ExperimentEngine) -> None:
    widths = {}
    for name in ("plain", "adjusted"):
        made = await started(engine, name=name, metric_kind="continuous", salt="same")
        rng = np.random.default_rng(7)
        before = rng.normal(10, 3, 600)
        units = [f"u{i}" for i in range(600)]
        arms = await engine.assign_variants(
            made.experiment_id, units, covariates=list(before) if name == "adjusted" else None
        )
        rows = [
            {"unit_id": unit, "outcome": float(x + rng.normal() + (arm == "bold"))}
            for unit, x, arm in zip(units, before, arms, strict=True)
        ]
        await engine.record_outcomes(made.experiment_id, rows)
        effect = (await engine.analyze_experiment(made.experiment_id)).effects[0]
        widths[name] = effect.interval[1] - effect.interval[0]
        assert effect.interval[0] < 1 < effect.interval[1]
    assert widths["adjusted"] < 0.45 * widths["plain"]


async def test_segments_and_factors_are_reported_with_correction(engine: ExperimentEngine) -> None:
    cells = [
        {"name": f"{h}/{i}", "levels": {"headline": h, "image": i}} for h in ("plain", "bold") for i in ("photo", "art")
    ]
    made = await started(engine, variants=cells, experiment_type=ExperimentType.MULTIVARIATE)
    units = [f"u{i}" for i in range(2400)]
    arms = await engine.assign_variants(made.experiment_id, units, ["mobile" if i % 2 else "desk" for i in range(2400)])
    flip = coin({str(arm): 0.35 if "bold" in str(arm) else 0.1 for arm in arms})
    rows = [{"unit_id": unit, "outcome": flip(str(arm), 0)} for unit, arm in zip(units, arms, strict=True)]
    await engine.record_outcomes(made.experiment_id, rows)
    found = await engine.analyze_experiment(made.experiment_id)
    significant = {row["name"]: row["is_significant"] for row in found.contrasts}
    assert significant == {
        "headline: bold − plain": True,
        "image: art − photo": False,
        "headline: bold − plain × image: art − photo": False,
    }
    assert {row["segment"] for row in found.segments} == {"mobile", "desk"}
    told = experiment_report(found, completed=False)
    assert "- **headline: bold − plain**: +0.2" in told
    assert "| desk |" in told


async def test_every_effect_is_positive_for_the_better_also_of_factors_and_segments(engine: ExperimentEngine) -> None:
    cells = [{"name": f"{h}", "levels": {"headline": h}} for h in ("plain", "bold")]
    design = {"variants": cells, "experiment_type": ExperimentType.MULTIVARIATE, "direction": "decrease"}
    made = await started(engine, metric_name="unsubscribed", **design)
    units = [f"u{i}" for i in range(2400)]
    arms = await engine.assign_variants(made.experiment_id, units, ["mobile" if i % 2 else "desk" for i in range(2400)])
    flip = coin({"plain": 0.35, "bold": 0.1})
    rows = [{"unit_id": unit, "outcome": flip(str(arm), 0)} for unit, arm in zip(units, arms, strict=True)]
    await engine.record_outcomes(made.experiment_id, rows)
    found = await engine.analyze_experiment(made.experiment_id)
    told = [found.effects[0].as_dict(), *found.contrasts, *found.segments]
    assert len(told) == 4
    for row in told:
        low, high = row["interval"]
        assert 0 < low < row["effect"] < high
        assert row["effect"] == pytest.approx(0.25, abs=0.06)
    words = experiment_report(found, completed=False)
    assert "better is less unsubscribed" in words
    assert "**Ship bold: -" in words, "of a metric that should fall, a gain reads as a fall"


async def test_winsorizing_caps_the_tail(engine: ExperimentEngine) -> None:
    made = await started(engine, metric_kind="continuous", winsorise_at=0.99)
    rng = np.random.default_rng(5)
    await feed(engine, made.experiment_id, 400, lambda arm, i: 1e6 if i == 7 else float(rng.exponential()))
    found = await engine.analyze_experiment(made.experiment_id)
    assert max(arm.mean for arm in found.variants) < 3


async def test_holdout_and_traffic_share_leave_units_out_and_move_nobody(engine: ExperimentEngine) -> None:
    units = [f"u{i}" for i in range(1000)]
    arms = {}
    for share in (0.3, 0.6):
        made = await started(engine, name=f"share {share}", traffic_share=share, salt="fixed", holdout_share=0.1)
        arms[share] = await engine.assign_variants(made.experiment_id, units)
    taking = {share: sum(arm is not None for arm in found) / 1000 for share, found in arms.items()}
    assert taking[0.3] == pytest.approx(0.27, abs=0.05)
    assert taking[0.6] == pytest.approx(0.54, abs=0.05)
    assert all(few is None or few == many for few, many in zip(arms[0.3], arms[0.6], strict=True))


async def test_plan_before_the_start_from_a_baseline(engine: ExperimentEngine) -> None:
    made = await engine.create_experiment(
        "planned", "acme", TWO, "clicked", metric_kind="binary", baseline=0.1, min_effect_size=0.2, daily_units=500
    )
    assert made.planned_units_per_arm == pytest.approx(3908, abs=3)
    assert made.expected_days == math.ceil(2 * made.planned_units_per_arm / 500)


async def test_size_power_and_duration_are_known_before_the_start(sqlite_warehouse: Warehouse) -> None:
    engine = ExperimentEngine(warehouse=sqlite_warehouse, min_effect_size=0.2)
    plan = engine.plan_experiment(0.1, "binary", daily_units=1000)
    assert plan.units_per_arm == pytest.approx(3908, abs=3), "a fixed test needs 3,841"
    assert plan["power"] == pytest.approx(0.8, abs=0.001)
    assert plan.minimum_detectable_effect == pytest.approx(0.19, abs=0.01)
    assert plan.expected_days == 8
    half = engine.plan_experiment((10.0, 5.0), arms=3, units_per_arm=50)
    assert half.power < 0.8
    assert half.minimum_detectable_effect > 0.2
    with pytest.raises(InputError, match="unknown argument 'effect'"):
        engine.plan_experiment(0.1, "binary", effect=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variants": [{"name": "one"}]}, "at least two variants"),
        ({"variants": [{"name": "a"}, {"name": " a "}]}, "must differ"),
        ({"variants": [{"name": "a"}, {"name": " "}]}, "variant name"),
        ({"variants": [{"name": "a", "weight": 0.5}, {"name": "b", "weight": 0.4}]}, "sum to 1"),
        ({"variants": [{"name": "a", "weight": float("nan")}, {"name": "b", "weight": 0.5}]}, "sum to 1"),
        ({"variants": [{"name": "a", "is_control": True}, {"name": "b", "is_control": True}]}, "one variant"),
        ({"confidence_level": 1.0}, "confidence_level"),
        ({"min_effect_size": 0}, "min_effect_size"),
        ({"min_sample_size": 1}, "min_sample_size"),
        ({"metric_kind": "percent"}, "metric_kind"),
        ({"experiment_type": "abc"}, "experiment_type"),
        ({"planed_units": 3}, "unknown argument"),
        ({"name": "  "}, "name"),
    ],
)
async def test_a_design_that_cannot_be_run_is_refused(
    sqlite_warehouse: Warehouse, changes: dict[str, Any], message: str
) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    engine = ExperimentEngine(warehouse=sqlite_warehouse)
    with pytest.raises(InputError, match=message):
        await started(engine, **changes)
    assert ExperimentStore(sqlite_warehouse).definitions.identifiers("draft") == {}


async def test_an_unknown_workspace_or_experiment_is_named_and_no_other(engine: ExperimentEngine) -> None:
    with pytest.raises(UnknownNameError, match="workspace 'rival'") as found:
        await started(engine, workspace_id="rival")
    assert "acme" not in str(found.value)
    with pytest.raises(UnknownNameError, match="experiment 'exp_0'"):
        await engine.analyze_experiment("exp_0")


async def test_bad_outcomes_are_refused_and_nothing_is_written(engine: ExperimentEngine, warehouse: Warehouse) -> None:
    made = await started(engine, metric_kind="binary")
    identifier = made.experiment_id
    arm = await engine.assign_variant(identifier, "u1")
    assert arm is not None
    other = "bold" if arm == "control" else "control"
    for value in (float("nan"), float("inf"), "1", None, 0.5, 2):
        with pytest.raises(InvalidOutcomeError):
            await engine.record_outcome(identifier, arm, value)  # type: ignore[arg-type]
    with pytest.raises(UnassignedUnitError, match="assign it first"):
        await engine.record_outcome(identifier, unit_id="stranger", outcome=1)
    with pytest.raises(UnassignedUnitError, match="lacks its outcome"):
        await engine.record_outcome(identifier, "bold", 1)
    with pytest.raises(InputError, match="has arm"):
        await engine.record_outcome(identifier, other, 1, unit_id="u1")
    with pytest.raises(InputError, match="unit id"):
        await engine.record_outcome(identifier, unit_id=" ", outcome=1)
    with pytest.raises(InputError, match="unit id"):
        await engine.assign_variant(identifier, "")
    with pytest.raises(UnknownNameError, match="variant 'loud'"):
        await engine.record_outcome(identifier, "loud", 1)
    with pytest.raises(UnassignedUnitError):
        await engine.record_outcomes(identifier, [{"unit_id": "u1", "outcome": 1}, {"unit_id": "u2", "outcome": 1}])
    assert ExperimentStore(warehouse).outcomes.statistics(identifier) == []
    await engine.record_outcome(identifier, arm, 1)
    with pytest.raises(OutcomeConflictError, match="with `amend` to replace it"):
        await engine.record_outcome(identifier, arm, 0)


async def test_outcomes_outside_the_window_are_refused(engine: ExperimentEngine) -> None:
    made = await engine.create_experiment("hooks", "acme", TWO, "clicked")
    with pytest.raises(WrongStateError, match="start_experiment"):
        await engine.assign_variant(made.experiment_id, "u")
    with pytest.raises(WrongStateError, match="start_experiment"):
        await engine.record_outcome(made.experiment_id, unit_id="u", outcome=1)
    await engine.start_experiment(made.experiment_id)
    arm = await engine.assign_variant(made.experiment_id, "u")
    early = datetime.now(UTC) - timedelta(days=1)
    with pytest.raises(OutcomeOutsideWindowError, match="before the start"):
        await engine.record_outcome(made.experiment_id, arm, 1, occurred_at=early)
    with pytest.raises(UnknownNameError, match="variant 'nobody'"):
        await engine.complete_experiment(made.experiment_id, winner="nobody")
    ended = await engine.complete_experiment(made.experiment_id)
    assert (ended.conclusion, ended.winner) == ("inconclusive", None)
    with pytest.raises(OutcomeOutsideWindowError, match="late_days"):
        await engine.record_outcome(made.experiment_id, arm, 1)
    assert (await engine.complete_experiment(made.experiment_id)).status == "completed"
    with pytest.raises(WrongStateError, match="completed"):
        await engine.complete_experiment(made.experiment_id, winner="bold")


@pytest.mark.parametrize("value", [0.0, 1.0, 3.5])
async def test_degenerate_data_have_a_status_and_no_nan(engine: ExperimentEngine, value: float) -> None:
    made = await started(engine, min_sample_size=10)
    empty = await engine.analyze_experiment(made.experiment_id)
    assert empty.status == "insufficient_data"
    await feed(engine, made.experiment_id, 60, lambda arm, _: value)
    found = await engine.analyze_experiment(made.experiment_id)
    assert found.status == "running"
    assert not [number for number in _numbers(found.as_dict()) if not math.isfinite(number)]


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for part in value.values() for number in _numbers(part)]
    if isinstance(value, list | tuple):
        return [number for part in value for number in _numbers(part)]
    return [value] if isinstance(value, float) else []
