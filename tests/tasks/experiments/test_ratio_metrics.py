"""Clicks per impression, revenue per order: units are randomized, so units are what the error is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tasks.experiments import ExperimentEngine, VariantAllocation
from tasks.experiments.errors import InvalidOutcomeError, OutcomeConflictError
from tasks.experiments.inference import bandit_allocation
from tasks.experiments.inference.adaptive_inference import augmented_ratio_scores
from tasks.experiments.inference.alpha_spending import SpendingRule
from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.inference.comparisons import compare
from tasks.experiments.inference.posteriors import StudentPosterior
from tasks.experiments.inference.sequential_evidence import SequentialEvidence, look
from tasks.experiments.outcomes import SUMS
from tasks.experiments.store import ExperimentStore
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row

TWO = [{"name": "control"}, {"name": "bold"}]
Array = NDArray[np.float64]


@pytest.fixture
def engine(warehouse: Warehouse) -> ExperimentEngine:
    store(warehouse, Workspace, [workspace_row()])
    return ExperimentEngine(warehouse=warehouse)


async def started(engine: ExperimentEngine, **changes: Any) -> str:
    told: dict[str, Any] = {
        "name": "ctr",
        "workspace_id": "acme",
        "variants": TWO,
        "metric_name": "click_rate",
        "salt": "s",
    }
    made = await engine.create_experiment(**(told | changes))
    await engine.start_experiment(made.experiment_id)
    return made.experiment_id


async def feed(
    engine: ExperimentEngine, experiment_id: str, rates: dict[str, float], n: int, first: int = 0
) -> pl.DataFrame:
    """Units with many impressions click more seldom on each: the two parts of the ratio are correlated."""
    rng = np.random.default_rng(first + 1)
    units = [f"u{i}" for i in range(first, first + n)]
    arms = [str(arm) for arm in await engine.assign_variants(experiment_id, units)]
    shown = 1 + rng.geometric(0.2, n)
    own = rng.beta(2, 2, n) * 2 * np.array([rates[arm] for arm in arms])
    frame = pl.DataFrame({"unit_id": units, "outcome": rng.binomial(shown, own), "denominator": shown.astype(float)})
    await engine.record_outcomes(experiment_id, frame)
    return frame.with_columns(arm=pl.Series(arms))


def linearized(units: pl.DataFrame, arm: str) -> tuple[float, float]:
    """Ratio and variance of its error by the delta method, unit by unit."""
    mine = units.filter(pl.col("arm") == arm)
    y, d = mine["outcome"].to_numpy(), mine["denominator"].to_numpy()
    ratio = y.sum() / d.sum()
    return ratio, float(np.var((y - ratio * d) / d.mean(), ddof=1) / len(y))


async def test_ratios_of_sums_are_compared_with_the_error_of_units(engine: ExperimentEngine) -> None:
    identifier = await started(engine, metric_kind="ratio")
    units = await feed(engine, identifier, {"control": 0.1, "bold": 0.2}, 1500)
    found = await engine.analyze_experiment(identifier)
    (control, its_variance), (bold, other_variance) = linearized(units, "control"), linearized(units, "bold")
    means = {arm.variant_id: arm.mean for arm in found.variants}
    assert means == pytest.approx({"control": control, "bold": bold})
    assert (found.status, found.winner, found.metric_kind) == ("winner", "bold", "ratio")
    assert found.effects[0].effect == pytest.approx(bold - control)
    arms = Moments(*(np.array(pair) for pair in ((len(units),) * 2, (control, bold), (its_variance, other_variance))))
    reach = (found.effects[0].interval[1] - found.effects[0].interval[0]) / 2
    assert reach > 1.96 * np.sqrt(arms.variance.sum())


async def test_sums_of_both_parts_equal_a_recount_through_amendments(
    engine: ExperimentEngine, warehouse: Warehouse
) -> None:
    identifier = await started(engine, metric_kind="ratio")
    await feed(engine, identifier, {"control": 0.1, "bold": 0.1}, 120)
    assert dict(await engine.record_outcome(identifier, unit_id="u0", outcome=3, denominator=9, amend=True)) == {
        "recorded": 0,
        "unchanged": 0,
        "amended": 1,
    }
    await engine.record_outcome(identifier, unit_id="u1", outcome=1, denominator=4, key="second day")
    rows = ExperimentStore(warehouse)
    recount = rows.outcomes.recount(identifier, rows.definitions.find(identifier)[2][0])
    for row in rows.outcomes.statistics(identifier):
        cell = row["variant_id"], row["epoch"], row["segment"]
        assert {name: row[name] for name in SUMS} == pytest.approx(recount[cell])
    with pytest.raises(OutcomeConflictError, match="amend"):
        await engine.record_outcome(identifier, unit_id="u0", outcome=3, denominator=10)


async def test_denominators_make_a_ratio_and_belong_to_nothing_else(engine: ExperimentEngine) -> None:
    identifier = await started(engine)
    await engine.assign_variants(identifier, ["u0", "u1", "u2"])
    with pytest.raises(InvalidOutcomeError, match="every outcome of a ratio has a denominator"):
        await engine.record_outcomes(
            identifier, [{"unit_id": "u0", "outcome": 1, "denominator": 3}, {"unit_id": "u1", "outcome": 1}]
        )
    await engine.record_outcome(identifier, unit_id="u0", outcome=1, denominator=3)
    assert (await engine.get_experiment(identifier)).metric_kind == "ratio"
    with pytest.raises(InvalidOutcomeError, match="every outcome of a ratio has a denominator"):
        await engine.record_outcome(identifier, unit_id="u1", outcome=1)
    for bad in (0, -1, float("nan"), float("inf"), "3"):
        with pytest.raises(InvalidOutcomeError, match="positive number"):
            await engine.record_outcome(identifier, unit_id="u1", outcome=1, denominator=bad)  # type: ignore[arg-type]
    plain = await started(engine, name="plain")
    await engine.assign_variants(plain, ["u0", "u1"])
    await engine.record_outcome(plain, unit_id="u0", outcome=1)
    with pytest.raises(InvalidOutcomeError, match="takes no denominator"):
        await engine.record_outcome(plain, unit_id="u1", outcome=1, denominator=2)


async def test_a_ratio_under_thompson_is_analyzed_by_propensity(engine: ExperimentEngine) -> None:
    identifier = await started(engine, metric_kind="ratio", allocation_strategy=VariantAllocation.THOMPSON)
    for start in range(0, 2000, 250):
        await feed(engine, identifier, {"control": 0.1, "bold": 0.25}, 250, first=start)
    found = await engine.analyze_experiment(identifier)
    assert "inverse-propensity" in found.method
    assert (found.status, found.winner) == ("winner", "bold")
    assert found.effects[0].interval[0] < 0.15 < found.effects[0].interval[1]
    assert not [warning for warning in found.warnings if "ratio" in warning]


def draw(rng: np.random.Generator, n: int, rate: float, runs: int) -> tuple[Array, Array]:
    """Units of many runs (runs, n): a few have most of the impressions, and a taste of their own."""
    shown = np.ceil(rng.lognormal(1.0, 1.0, (runs, n)))
    own = rng.beta(1, 1, (runs, n)) * 2 * rate
    return rng.binomial(shown.astype(int), own).astype(float), shown


def sums_of(y: Array, d: Array) -> Array:
    """n, y, yy, d, dd, yd (6, runs)."""
    n = np.full(len(y), float(y.shape[1]))
    return np.stack([n, *(part.sum(axis=1) for part in (y, y * y, d, d * d, y * d))])


def test_a_ratio_without_a_difference_errs_at_most_at_its_level_over_20_looks() -> None:
    rng, runs, batch, looks = np.random.default_rng(21), 600, 150, 20
    rule, totals = SpendingRule(0.05, 2, is_hybrid=True), np.zeros((2, 6, runs))
    evidence = SequentialEvidence.none(runs, 2)
    for k in range(1, looks + 1):
        totals += np.stack([sums_of(*draw(rng, batch, 0.3, runs)) for _ in range(2)])
        n, y, yy, d, dd, yd = totals.swapaxes(0, 1).swapaxes(1, 2)
        arms = Moments.from_ratio(n, y, d, np.stack([yy, yd, dd]))
        every = slice(None)
        found = compare(
            arms.at(every, None, every),
            arms.at(every, every, None),
            alpha=rule.running_alpha,
            n_star=0.5 * batch * looks,
        )
        evidence = look(evidence, found, rule, k / looks, 2.0 * k * batch)
    ours = float((evidence.against_all().min(axis=1) <= 0.05).mean())
    clicks, shown = totals[:, 1], totals[:, 3]
    p = clicks / shown
    z = (p[1] - p[0]) / np.sqrt((p * (1 - p) / shown).sum(axis=0))
    naive = float((np.abs(z) > 1.96).mean())
    print(f"\nBAR type I error, ratio, AB_TEST, 20 looks (simulated): {ours:.3f} (bar ≤ 0.05)")
    print(f"impressions taken for units, one look at 5 %: {naive:.3f}")
    assert ours <= 0.05
    assert naive > 0.15


def test_intervals_of_ratios_hold_after_thompson() -> None:
    """Four equal arms, floor 5 %, batches of 100: 95 % intervals of the differences cover at least 94 %."""
    rng, runs, arms, batch, epochs = np.random.default_rng(22), 400, 4, 100, 30
    sums, weights = np.zeros((epochs, runs, arms, 6)), np.full((epochs, runs, arms), 1 / arms)
    for t in range(epochs):
        y, d = draw(rng, batch, 0.1, runs)
        arm = (rng.random((runs, batch, 1)) > np.cumsum(weights[t], axis=1)[:, None, :]).sum(axis=2).clip(max=arms - 1)
        for k in range(arms):
            mine = (arm == k).astype(float)
            parts = (mine, mine * y, mine * y * y, mine * d, mine * d * d, mine * y * d)
            sums[t, :, k] = np.stack([part.sum(axis=1) for part in parts], axis=1)
        if t + 1 < epochs:
            n, y_, yy, d_, dd, yd = np.moveaxis(sums[: t + 1].sum(axis=0), -1, 0)
            found = Moments.from_ratio(n, y_, d_, np.stack([yy, yd, dd]))
            best, _ = StudentPosterior(
                found.mean, np.maximum(found.standard_error, 1e-12), np.maximum(n - 1, 1)
            ).best_and_loss()
            weights[t + 1] = np.stack([bandit_allocation.with_floor(row, 0.05) for row in best])
            weights[t + 1] /= weights[t + 1].sum(axis=1, keepdims=True)
    parts = (np.moveaxis(sums[..., i], 0, 1) for i in range(6))
    scores = augmented_ratio_scores(*parts, np.moveaxis(weights, 0, 1))
    z = np.abs(scores.contrast[:, 1:, 0]) / scores.contrast_error[:, 1:, 0]
    covered = float((z < 1.959964).mean())
    print(f"\nBAR coverage of ratios after Thompson, K = 4, floor 5 % (simulated): {covered:.3f} (bar ≥ 0.94)")
    assert covered >= 0.94
