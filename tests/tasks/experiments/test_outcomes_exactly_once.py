"""Processes send the same outcomes again and again, in another order, and some are killed: each counts once."""

from __future__ import annotations

import asyncio
import random
import time
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from tasks.experiments import ExperimentEngine
from tasks.experiments.outcomes import SUMS
from tasks.experiments.store import ExperimentStore
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.subprocess_helper import ended, in_subprocess

VARIANTS = [{"name": "control"}, {"name": "bold"}, {"name": "calm"}]


def value_of(i: int) -> float:
    """Halves: their sums are exact, so that equality is equality."""
    return (i * 7 % 23) / 2


async def send(warehouse: Warehouse, experiment_id: str, first: int, last: int, seed: int) -> None:
    """Assign and record units in batches of mixed order, every batch twice, as a worker that retries would."""
    engine, order = ExperimentEngine(warehouse=warehouse), random.Random(seed)
    numbers = list(range(first, last))
    order.shuffle(numbers)
    for start in range(0, len(numbers), 250):
        batch = numbers[start : start + 250]
        rows = [{"unit_id": f"u{i}", "outcome": value_of(i)} for i in batch]
        await engine.assign_variants(experiment_id, [f"u{i}" for i in batch])
        for _ in range(2):
            await engine.record_outcomes(experiment_id, rows + rows[: len(rows) // 3])


def send_apart(url: str, *what: Any) -> None:
    """The same in a process of its own."""
    asyncio.run(send(Warehouse(url), *what))


def run(warehouse: Warehouse, processes: int, outcomes_each: int, kills: int) -> None:
    store(warehouse, Workspace, [workspace_row()])
    engine = ExperimentEngine(warehouse=warehouse)
    made = asyncio.run(engine.create_experiment("once", "acme", VARIANTS, "spent", metric_kind="continuous"))
    asyncio.run(engine.start_experiment(made.experiment_id))
    total = processes * outcomes_each

    def sender(k: int) -> BaseProcess:
        """Each sends its own share and half of its neighbor's."""
        first, last = k * outcomes_each, min((k + 1) * outcomes_each + outcomes_each // 2, total)
        return in_subprocess(send_apart, warehouse.url, made.experiment_id, first, last, k)

    senders = [sender(k) for k in range(processes)]
    chance = random.Random(1)
    for k in range(kills):
        wait_for_outcomes(warehouse, made.experiment_id, (k + 1) * total // (kills + 3))
        victim = chance.randrange(processes)
        senders[victim].kill()
        senders[victim].join()
        senders[victim] = sender(victim)
    assert [ended(one, seconds=1800) for one in senders] == [0] * processes
    assert_counted_once(warehouse, made.experiment_id, total)


def wait_for_outcomes(warehouse: Warehouse, experiment_id: str, n: int) -> None:
    while sum(row["n"] for row in ExperimentStore(warehouse).outcomes.statistics(experiment_id)) < n:
        time.sleep(0.05)


def assert_counted_once(warehouse: Warehouse, experiment_id: str, total: int) -> None:
    rows = ExperimentStore(warehouse)
    stored = rows.outcomes.statistics(experiment_id)
    assert sum(row["n"] for row in stored) == total
    assert sum(row["n"] for row in rows.assignments.arrivals(experiment_id)) == total
    metric = rows.definitions.find(experiment_id)[2][0]
    truth = sum(value_of(i) for i in range(total))
    assert sum(row["y"] + row["n"] * (metric["origin"] or 0.0) for row in stored) == truth
    recount = rows.outcomes.recount(experiment_id, metric)
    for row in stored:
        cell = recount[row["variant_id"], row["epoch"], row["segment"]]
        assert {name: row[name] for name in SUMS} == cell


def test_every_outcome_counts_once_through_retries_duplicates_and_kills(warehouse: Warehouse) -> None:
    run(warehouse, processes=3, outcomes_each=400, kills=1)


@pytest.mark.slow
def test_every_one_of_80_000_outcomes_counts_once(warehouse: Warehouse) -> None:
    run(warehouse, processes=8, outcomes_each=10_000, kills=6)
    name = warehouse.engine.dialect.name
    print(f"\nBAR 8 processes × 10,000 outcomes, retries, duplicates, kills, {name}: exact (bar exact)")
