"""How far transfer is from the bounds of the machine; nothing here asserts a time."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, process_time

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sqlalchemy import select

from tasks.transfer.catalogue import KEYS
from tasks.transfer.privacy import PrivacyBudget
from tasks.transfer.release import SENSITIVITY, private_sums, select_contributions, with_units
from tasks.transfer.service import PublisherService
from tasks.transfer.similarity import nearest
from tasks.warehouse import Warehouse
from tasks.warehouse.bulk import BulkUpsert
from tasks.warehouse.schema import TransferCharge, TransferEstimate, Workspace
from tests.factories import workspace_row
from tests.transfer_factories import NOW, crowd

pytestmark = pytest.mark.benchmark

WORKSPACES, DIMENSIONS, TOP = 10_000, 64, 10
ROUNDS = 5


def best(*works: Callable[[], object]) -> list[tuple[float, float]]:
    """Shortest of some rounds of each, seconds by the clock and of CPU; the works take turns, and share the weather."""
    rounds: list[list[tuple[float, float]]] = []
    for _ in range(ROUNDS):
        rounds.append([])
        for work in works:
            started, worked = perf_counter(), process_time()
            work()
            rounds[-1].append((perf_counter() - started, process_time() - worked))
    return [(min(clock for clock, _ in one), min(cpu for _, cpu in one)) for one in zip(*rounds, strict=True)]


def products(vectors: NDArray[np.floating]) -> Callable[[], object]:
    """All cosines of unit vectors, block by block, and nothing done with them."""
    block = np.empty((1000, len(vectors)), dtype=vectors.dtype)

    def work() -> None:
        for start in range(0, len(vectors), len(block)):
            np.matmul(vectors[start : start + len(block)], vectors.T, out=block)

    return work


def test_nearest_workspaces_cost_little_more_than_their_products() -> None:
    vectors = np.random.default_rng(0).standard_normal((WORKSPACES, DIMENSIONS))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    index, cosine = nearest(vectors, vectors, TOP)
    exact = np.argsort(-(unit[:50] @ unit.T), axis=1)[:, :TOP]
    assert (index[:50] == exact).all()
    assert np.allclose(cosine[:, 0], 1.0)
    double, single, found = best(
        products(unit), products(unit.astype(np.float32)), lambda: nearest(vectors, vectors, TOP)
    )
    print(f"\ntop-{TOP} similar of {WORKSPACES:,} × {DIMENSIONS}: {found[0]:.2f} s, {found[1]:.2f} s of CPU")
    for name, bound in (("BAR ", double), ("in single precision, ", single)):
        clock, cpu = found[0] / bound[0], found[1] / bound[1]
        print(f"{name}top-{TOP} to the GEMM bound: {clock:.2f}× by the clock, {cpu:.2f}× of CPU (bar 1.5×)")


def many() -> tuple[pl.DataFrame, pl.DataFrame]:
    """10,000 workspaces with 20 estimates each, and the workspaces."""
    estimates = crowd(WORKSPACES, KEYS[30:50])
    names = estimates["workspace_id"].unique(maintain_order=True)
    return estimates, pl.DataFrame([workspace_row(workspace_id=name) for name in names], infer_schema_length=None)


def test_a_release_of_ten_thousand_workspaces(sqlite_warehouse: Warehouse) -> None:
    estimates, workspaces = many()
    typed = workspaces.with_columns(pl.col("organisation_id").cast(pl.String))
    units = with_units(typed)
    started = perf_counter()
    private_sums(select_contributions(estimates, units, "2026-01-01"), PrivacyBudget().noise_scale(SENSITIVITY))
    print(f"\nselect, clip, sum and draw: {perf_counter() - started:.2f} s")

    for table, rows in ((Workspace, typed), (TransferEstimate, estimates)):
        with BulkUpsert(sqlite_warehouse, table, rows.columns) as bulk:
            bulk.write(rows)
    started, worked = perf_counter(), process_time()
    PublisherService(clock=lambda: NOW, warehouse=sqlite_warehouse).release(run_id="bench")
    seconds, busy = perf_counter() - started, process_time() - worked
    charged = len(sqlite_warehouse.rows(select(TransferCharge.unit_id)))
    assert charged == WORKSPACES
    print(
        f"BAR release of {WORKSPACES:,} workspaces × 20 contributions: {seconds:.2f} s, {busy:.2f} s of CPU (bar 5 s)"
    )
