"""Workspaces that learn from each other, made without the posts behind them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from tasks.transfer.catalogue import KEYS
from tasks.transfer.records import Integers
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import TransferEstimate, Workspace
from tests.factories import store, workspace_row

NOW = datetime(2026, 6, 15, 3, tzinfo=UTC)


class SeededNoise:
    """Rounded Gaussian noise that a test can draw again. Production never sees a seed."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def __call__(self, sums: Integers, scale: float) -> Integers:
        return sums + np.rint(self.rng.normal(0.0, scale, sums.shape)).astype(np.int64)


def no_noise(sums: Integers, scale: float) -> Integers:
    """The exact sums, to see what went in."""
    return sums


def estimate_row(pattern_key: str, **changes: Any) -> dict[str, Any]:
    """A precise estimate of +20 %."""
    row = {"workspace_id": "acme", "pattern_key": pattern_key, "log_lift": 0.2, "standard_error": 0.1}
    row |= {"log_lift_a": 0.2, "log_lift_b": 0.2, "matching": 100, "posts": 500, "as_of": NOW, "run_id": "test"}
    return row | changes


def estimate_rows(workspace_id: str, lifts: dict[str, float], **changes: Any) -> list[dict[str, Any]]:
    """Estimates of one workspace by pattern."""
    return [
        estimate_row(key, workspace_id=workspace_id, log_lift=lift, log_lift_a=lift, log_lift_b=lift, **changes)
        for key, lift in lifts.items()
    ]


def crowd(workspaces: int, keys: tuple[str, ...] = KEYS, *, seed: int = 0, spread: float = 0.15) -> pl.DataFrame:
    """Estimates of `workspaces` strangers for these patterns, each pattern with its own mean of sd .2."""
    rng = np.random.default_rng(seed)
    means = rng.normal(0.0, 0.2, len(keys))
    effect = means + rng.normal(0.0, spread, (workspaces, len(keys)))
    halves = effect[None] + rng.normal(0.0, 0.15, (2, workspaces, len(keys)))
    return pl.DataFrame(
        {
            "workspace_id": np.repeat([f"w{i}" for i in range(workspaces)], len(keys)),
            "pattern_key": np.tile(keys, workspaces),
            "log_lift": halves.mean(axis=0).ravel(),
            "standard_error": np.full(workspaces * len(keys), 0.15 / np.sqrt(2.0)),
            "log_lift_a": halves[0].ravel(),
            "log_lift_b": halves[1].ravel(),
            "matching": np.full(workspaces * len(keys), 100),
            "posts": np.full(workspaces * len(keys), 500),
        }
    ).with_columns(as_of=pl.lit(NOW), run_id=pl.lit("test"))


def store_crowd(warehouse: Warehouse, estimates: pl.DataFrame, **changes: Any) -> None:
    """Write estimates and their workspaces."""
    names = estimates["workspace_id"].unique().sort()
    store(warehouse, Workspace, [workspace_row(workspace_id=name, name=f"Name of {name}", **changes) for name in names])
    store(warehouse, TransferEstimate, estimates.to_dicts())


def store_siblings(warehouse: Warehouse, lifts: list[dict[str, float]], organisation_id: str = "house") -> list[str]:
    """Workspaces of one organization, one for each set of lifts; returns their ids."""
    names = [f"{organisation_id}-{i}" for i in range(len(lifts))]
    rows = [workspace_row(workspace_id=name, name=f"Name of {name}", organisation_id=organisation_id) for name in names]
    store(warehouse, Workspace, rows)
    for name, own in zip(names, lifts, strict=True):
        store(warehouse, TransferEstimate, estimate_rows(name, own))
    return names
