"""What the warehouse tells Prometheus: the newest run of each step counts, and no label is a customer's."""

from __future__ import annotations

import time

import pytest

from tasks.reporting.metrics import warehouse_metrics
from tasks.warehouse import Warehouse
from tasks.warehouse.outcomes import DONE, FAILED, Outcome, newest_outcomes, record


def test_only_the_newest_run_of_a_step_counts(warehouse: Warehouse) -> None:
    record(warehouse, "first", "patterns", [Outcome("a", FAILED, "x"), Outcome("b", FAILED, "x")])
    time.sleep(0.01)
    record(warehouse, "second", "patterns", [Outcome("a", DONE)])
    record(warehouse, "second", "patterns", [Outcome("b", FAILED, "x"), Outcome("c", DONE)])
    record(warehouse, "first", "models", [Outcome("a", DONE)])
    assert newest_outcomes(warehouse) == {("patterns", DONE): 2, ("patterns", FAILED): 1, ("models", DONE): 1}


def test_an_empty_warehouse_says_zero_and_not_nothing(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.reporting.metrics.open_warehouse", lambda: sqlite_warehouse)
    samples = {
        s.name: s for metric in warehouse_metrics() for s in metric.samples if s.labels.get("level") == "critical"
    }
    assert samples["raptorflow_models_drift"].value == 0
