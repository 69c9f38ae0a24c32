"""An experiment's page shows what a look would say now, and keeps none; hostile names stay text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tasks.experiments.records import ExperimentRecord
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.generators.agencies import HOSTILE, write_agency

Pages = Callable[[Warehouse], TestClient]
UNITS = 600


def running(warehouse: Warehouse, name: str = "a question in the title") -> ExperimentRecord:
    """Two arms, the second clearly better, that has been looked at twice."""
    store(warehouse, Workspace, [workspace_row()])
    service = ExperimentService(warehouse=warehouse)
    variants = [{"name": "control"}, {"name": "question", "description": HOSTILE}]
    made = service.create_experiment(name, "acme", variants, "clicked", metric_kind="binary", hypothesis=HOSTILE)
    service.start_experiment(made.experiment_id)
    random = np.random.default_rng(1)
    for part in range(2):
        units = [f"u{part}-{k}" for k in range(UNITS)]
        arms = service.assign_variants(made.experiment_id, units)
        rates = [0.45 if arm == "question" else 0.2 for arm in arms]
        outcomes = [
            {"unit_id": unit, "outcome": float(random.random() < rate)} for unit, rate in zip(units, rates, strict=True)
        ]
        service.record_outcomes(made.experiment_id, outcomes)
        if part == 0:
            service.analyze_experiment(made.experiment_id)
    return made


def test_reading_the_page_changes_nothing_and_says_what_a_look_says(warehouse: Warehouse, pages: Pages) -> None:
    made = running(warehouse)
    service, browser = ExperimentService(warehouse=warehouse), pages(warehouse)
    before = service.looks(made.experiment_id), service.decisions(made.experiment_id)
    text = browser.get("/experiment", params={"id": made.experiment_id}).text
    assert (service.looks(made.experiment_id), service.decisions(made.experiment_id)) == before
    assert "Ship question" in text
    assert "raptorflow experiment decide" in text
    assert text.count('<figure class="chart">') == 2  # effects over looks, and the plan's power
    assert service.analyze_experiment(made.experiment_id).winner == "question"
    assert "<script>alert" not in text
    assert "<img" not in text


def test_a_draft_shows_its_plan_and_how_to_start(sqlite_warehouse: Warehouse, pages: Pages) -> None:
    store(sqlite_warehouse, Workspace, [workspace_row()])
    service = ExperimentService(warehouse=sqlite_warehouse)
    made = service.create_experiment(
        HOSTILE[:100], "acme", [{"name": "a"}, {"name": "b"}], "clicked", metric_kind="binary", baseline=0.1
    )
    text = pages(sqlite_warehouse).get("/experiment", params={"id": made.experiment_id}).text
    assert "has not started" in text
    assert f"{made.planned_units_per_arm:,} units" in text
    assert "<script>alert" not in text


def test_the_list_begins_with_what_waits(sqlite_warehouse: Warehouse, pages: Pages) -> None:
    write_agency(sqlite_warehouse, 20, nights=1)
    browser = pages(sqlite_warehouse)
    text = browser.get("/experiments").text
    assert "wait for a decision" in text
    tags = text.index("ship it"), text.index("not looked at yet") if "not looked at yet" in text else len(text)
    assert tags[0] < tags[1]
    assert browser.get("/experiments?q=client-0003+test").text.count('<th scope="row">') == 1
    assert 'scope="row"' not in browser.get("/experiments?q=no-such").text


@pytest.mark.parametrize("experiment_id", ["no-such", "a\0b", "..", "<b>"])
def test_an_unknown_experiment_is_a_page(experiment_id: str, warehouse: Warehouse, pages: Pages) -> None:
    answer = pages(warehouse).get("/experiment", params={"id": experiment_id})
    assert answer.status_code == 404
    assert "There is no experiment of this id" in answer.text
