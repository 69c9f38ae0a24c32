"""What drift detection and registering cost, against a bare counterpart in the same run."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
from scipy.special import kolmogorov

from tasks.models import ModelType, ModelUpdater
from tasks.models.drift.monitor import LEVEL
from tasks.models.drift.shifts import column_shifts
from tasks.statistics.multiplicity import holm
from tasks.warehouse import open_warehouse
from tests.factories import store_content
from tests.tasks.models.model_rows import posts

ROWS, COLUMNS = 1_000_000, 20
pytestmark = pytest.mark.benchmark


def exact_ks(x: np.ndarray, y: np.ndarray) -> float:
    """NumPy's way: sort both, look each point up in both."""
    x, y = np.sort(x), np.sort(y)
    points = np.concatenate([x, y])
    gaps = np.searchsorted(x, points, side="right") / len(x) - np.searchsorted(y, points, side="right") / len(y)
    return float(np.abs(gaps).max())


def test_two_sample_drift_of_a_million_rows_and_twenty_columns() -> None:
    random = np.random.default_rng(1)
    reference, current = random.normal(size=(COLUMNS, ROWS)), random.normal(size=(COLUMNS, ROWS))
    current[:6] += np.linspace(0.0, 0.01, 6)[:, None]
    names = [f"x{i}" for i in range(COLUMNS)]
    frames = [pl.DataFrame(dict(zip(names, values, strict=True))) for values in (reference, current)]
    started = time.process_time()
    ours = [shift.p_value for shift in column_shifts(*frames)]
    middle = time.process_time()
    exact = [exact_ks(x, y) for x, y in zip(reference, current, strict=True)]
    ratio = (middle - started) / (time.process_time() - middle)
    theirs = [float(kolmogorov(np.sqrt(ROWS / 2) * d)) for d in exact]
    print(f"\nBAR drift 1,000,000 × 20, CPU against numpy's exact KS: {ratio:.2f} (bar 0.5)")
    assert ((holm(ours) <= LEVEL) == (holm(theirs) <= LEVEL)).all()


def test_refresh_of_a_hundred_workspaces_on_two_threads() -> None:
    """A first model each; a week later half of them live in another world."""
    warehouse = open_warehouse()
    names = [f"workspace-{i:03}" for i in range(101)]
    for i, name in enumerate(names):
        store_content(warehouse, posts(300, seed=i, workspace_id=name))
    updater = ModelUpdater(warehouse=warehouse)
    refresh(updater, names[0])  # imports MLflow and makes its store
    assert refreshed("first models", updater, names[1:]) == {"first_champion": 100}
    for i, name in enumerate(names):
        store_content(warehouse, posts(60, start=300, seed=i, workspace_id=name, video=0.9 if i % 2 else -1.5))
    found = refreshed("a week later (60 rows more, half of them of another world)", updater, names[1:])
    assert found["no_retrain_needed"] >= 45
    assert found["promoted"] + found["challenger"] >= 45
    assert refreshed("nothing new", updater, names[1:])["unchanged"] == found["promoted"]


def refresh(updater: ModelUpdater, name: str) -> str:
    found = asyncio.run(updater.check_and_update_models(name, [ModelType.ENGAGEMENT_PREDICTOR]))
    return found["ENGAGEMENT_PREDICTOR"]["status"]


def refreshed(what: str, updater: ModelUpdater, names: list[str]) -> Counter[str]:
    """Refresh them all; says how long it took, and what became of them."""
    wall, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(2) as threads:
        found = Counter(threads.map(lambda name: refresh(updater, name), names))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    figures = f"{wall / 60:.2f} min wall, {cpu / 60:.2f} min CPU (stated) {dict(found)}"
    print(f"\nBAR refresh of {len(names)} workspaces × 1 type, {what}: {figures}")
    return found
