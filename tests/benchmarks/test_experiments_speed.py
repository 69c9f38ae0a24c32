"""How fast: analysis beside bare numpy, assignment by hash and with its stored row. Prints, asserts no timing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import stdtr, stdtrit

from tasks.experiments import ExperimentEngine, ExperimentService
from tasks.experiments.assignment import AssignmentPlan
from tasks.experiments.hashing import cumulative, keyed_blake2b
from tasks.experiments.inference.arm_statistics import Moments
from tasks.experiments.inference.comparisons import compare
from tasks.experiments.inference.posteriors import BetaPosterior, StudentPosterior
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row

pytestmark = pytest.mark.benchmark
EXPERIMENTS, ARMS = 2000, 4


def fastest(work: Callable[[], Any], times: int = 9, clock: Callable[[], float] = time.perf_counter) -> float:
    seconds = []
    for _ in range(times):
        started = clock()
        work()
        seconds.append(clock() - started)
    return min(seconds)


def test_analysis_of_2000_experiments_beside_bare_numpy() -> None:
    rng = np.random.default_rng(0)
    n = rng.integers(500, 5000, (EXPERIMENTS, ARMS)).astype(float)
    total, squares = n * rng.normal(1, 0.02, n.shape), n * rng.normal(2, 0.02, n.shape)

    def bare() -> Any:
        mean = total / n
        error = (squares - total * mean) / (n - 1) / n
        gap, both = mean[:, 1:] - mean[:, :1], error[:, 1:] + error[:, :1]
        freedom = both**2 / (error[:, 1:] ** 2 / (n[:, 1:] - 1) + error[:, :1] ** 2 / (n[:, :1] - 1))
        reach = np.sqrt(both)
        return gap, 2 * stdtr(freedom, -np.abs(gap / reach)), stdtrit(freedom, 0.975) * reach

    def ours() -> Any:
        arms = Moments.from_sums(n, total, squares)
        every = slice(None)
        return compare(arms.at(every, slice(0, 1)), arms.at(every, slice(1, None)), alpha=0.05 / 3, n_star=5000.0)

    assert ours().estimate == pytest.approx(bare()[0])
    assert ours().p_value == pytest.approx(bare()[1], rel=1e-6)
    ratio = fastest(ours) / fastest(bare)
    print(f"\nBAR analyze 2,000 experiments × 4 arms from statistics, times bare numpy: {ratio:.2f} (bar 2)")


def test_probability_of_being_best_of_2000_experiments() -> None:
    rng = np.random.default_rng(0)
    n = rng.integers(500, 5000, (EXPERIMENTS, ARMS)).astype(float)
    beta = BetaPosterior.from_counts(n, rng.binomial(n.astype(int), 0.1))
    student = StudentPosterior(rng.normal(1, 0.02, n.shape), 1 / np.sqrt(n), n - 1)
    for name, posterior in (("beta", beta), ("Student", student)):
        print(
            f"\nBAR exact P(best) and loss of 2,000 × 4, {name}: {fastest(posterior.best_and_loss, 2):.2f} s (bar none)"
        )


def test_assignment_by_hash() -> None:
    weights = (0.25,) * 4
    arms = ("a", "b", "c", "d")
    plan = AssignmentPlan("e", arms, weights, cumulative(weights), 0, keyed_blake2b("0" * 32))
    units = [f"unit-{i}" for i in range(20_000)]
    microseconds = 1e6 * fastest(lambda: [plan.choose(unit) for unit in units], clock=time.process_time) / len(units)
    print(f"\nBAR assign by hash, known experiment, CPU time: {microseconds:.2f} µs (bar 3)")


async def test_assignment_with_its_stored_row(warehouse: Warehouse) -> None:
    store(warehouse, Workspace, [workspace_row()])
    engine = ExperimentEngine(warehouse=warehouse)
    made = await engine.create_experiment("speed", "acme", [{"name": "a"}, {"name": "b"}], "clicked")
    await engine.start_experiment(made.experiment_id)
    batch, rates = 1000, []
    for start in range(0, 10_000, batch):
        units = [f"u{i}" for i in range(start, start + batch)]
        started = time.perf_counter()
        await engine.assign_variants(made.experiment_id, units)
        rates.append(batch / (time.perf_counter() - started))
    bar = 2000 if warehouse.is_sqlite else 5000
    where = "SQLite" if warehouse.is_sqlite else "PostgreSQL"
    print(f"\nBAR assign with the stored row, batches of 1,000, {where}: {np.median(rates):,.0f}/s (bar {bar:,})")


async def test_analysis_costs_the_same_whatever_the_number_of_outcomes(sqlite_warehouse: Warehouse) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    engine = ExperimentEngine(warehouse=sqlite_warehouse)
    seconds = {}
    for n in (2_000, 40_000):
        made = await engine.create_experiment(f"size {n}", "acme", [{"name": "a"}, {"name": "b"}], "clicked")
        await engine.start_experiment(made.experiment_id)
        units = [f"u{i}" for i in range(n)]
        await engine.assign_variants(made.experiment_id, units)
        rows = [{"unit_id": unit, "outcome": i % 7 == 0} for i, unit in enumerate(units)]
        started = time.perf_counter()
        await engine.record_outcomes(made.experiment_id, rows)
        print(f"\nBAR record outcomes in one batch of {n:,}: {n / (time.perf_counter() - started):,.0f}/s (bar none)")
        seconds[n] = []
        for _ in range(7):
            started = time.perf_counter()
            await engine.analyze_experiment(made.experiment_id)
            seconds[n].append(time.perf_counter() - started)
    ratio = min(seconds[40_000]) / min(seconds[2_000])
    print(f"\nBAR analysis at 40,000 outcomes over analysis at 2,000: {ratio:.2f} (bar 1, independent of their number)")


def test_a_winsorized_look_and_the_memory_of_a_million_units(sqlite_warehouse: Warehouse) -> None:
    """At 200,000 units, and what recording and looking at a million costs over an idle process."""
    store(sqlite_warehouse, Workspace, [workspace_row()])
    service, rng = ExperimentService(warehouse=sqlite_warehouse), np.random.default_rng(3)
    arms = [{"name": "a"}, {"name": "b"}]
    idle, total, part = peak_mb(), 1_000_000, 100_000
    made = service.create_experiment("size", "acme", arms, "spent", metric_kind="continuous", winsorise_at=0.99)
    service.start_experiment(made.experiment_id)
    for first in range(0, total, part):
        units = [f"u{i}" for i in range(first, first + part)]
        service.assign_variants(made.experiment_id, units)
        values = rng.lognormal(0, 1.5, part) * (rng.random(part) < 0.1)
        service.record_outcomes(made.experiment_id, pl.DataFrame({"unit_id": units, "outcome": values}))
        if first + part == 200_000:
            seconds = fastest(lambda: service.analyze_experiment(made.experiment_id), 5, time.process_time)
            print(f"\nBAR winsorized look at 200,000 units, CPU time: {seconds:.3f} s (bar 0.2)")
    started = time.perf_counter()
    service.analyze_experiment(made.experiment_id)
    print(f"\nBAR winsorized look at 1,000,000 units: {time.perf_counter() - started:.2f} s (bar none)")
    print(f"\nBAR peak memory of 1,000,000 units over idle: {peak_mb() - idle:.0f} MB (bar 600)")


def peak_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
