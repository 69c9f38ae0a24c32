"""An experiment's page shows what a look would say now, and keeps none; hostile names stay text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tasks.effects.loop.drafts import LoopTerms
from tasks.experiments.orchestration_service import OrchestrationService
from tasks.experiments.records import ExperimentRecord, ExperimentType
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.generators.agencies import HOSTILE, write_agency
from tests.tasks.experiments.test_orchestration import NOW, write_open_questions

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


def contextual(warehouse: Warehouse, units: int) -> str:
    """Units with a context, which an arm suits, in two batches; the second comes under a policy of the first."""
    store(warehouse, Workspace, [workspace_row()])
    service = ExperimentService(warehouse=warehouse)
    variants = [{"name": "Short <b>"}, {"name": "Long"}]
    design = {"metric_kind": "binary", "context": ["device"], "salt": "of the tests"}
    made = service.create_experiment("teaser", "acme", variants, "clicked", ExperimentType.CONTEXTUAL, **design)
    service.start_experiment(made.experiment_id)
    random = np.random.default_rng(1)
    for part in range(2):
        names = [f"u{part}-{k}" for k in range(units)]
        contexts = [{"device": str(device)} for device in random.choice(["phone", "desk"], units)]
        arms = service.assign_variants(made.experiment_id, names, contexts=contexts)
        suits = [(arm == "Long") == (context["device"] == "desk") for arm, context in zip(arms, contexts, strict=True)]
        outcomes = [
            {"unit_id": name, "outcome": float(random.random() < (0.5 if good else 0.1))}
            for name, good in zip(names, suits, strict=True)
        ]
        service.record_outcomes(made.experiment_id, outcomes)
        service.analyze_experiment(made.experiment_id)
    return made.experiment_id


def test_a_contextual_experiment_says_what_following_the_context_brings(warehouse: Warehouse, pages: Pages) -> None:
    identifier = contextual(warehouse, UNITS)
    text = pages(warehouse).get("/experiment", params={"id": identifier}).text
    policy = ExperimentService(warehouse=warehouse).preview_experiment(identifier).policy
    assert policy is not None
    assert "the context matters: no one arm is best in every context" in text
    section = text.split("Following the context</h2>")[1].split("<h2>")[0]
    assert section.count('<svg class="interval"') == 2
    for gain in ("gain_over_best_arm", "gain_over_served"):
        assert str(policy[gain]["than"]).replace("<b>", "&lt;b&gt;") in section
    assert f"{policy['value']:.3g} [" in section
    assert "It looks at device" in section
    assert "Short &lt;b&gt;" in text
    assert "nan %" not in text


@pytest.mark.parametrize("units", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 3))])
def test_a_contextual_experiment_of_few_units_is_a_page(units: int, sqlite_warehouse: Warehouse, pages: Pages) -> None:
    answer = pages(sqlite_warehouse).get("/experiment", params={"id": contextual(sqlite_warehouse, units)})
    assert answer.status_code == 200
    assert "Following the context</h2>" in answer.text
    assert "too few units" in answer.text


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


def test_what_the_loop_made_says_how_its_approval_is_withdrawn(sqlite_warehouse: Warehouse, pages: Pages) -> None:
    write_open_questions(sqlite_warehouse, "acme")
    loop, terms = OrchestrationService(warehouse=sqlite_warehouse), LoopTerms(most_running=2)
    loop.loop.answer(loop.propose("acme", terms, NOW), "ann", "worth a try", NOW, yes=True)
    rows = loop.carry_out("acme", LoopTerms(most_running=1), NOW)
    waits = next(row["experiment_id"] for row in rows if row["state"] == "waiting")
    browser = pages(sqlite_warehouse)
    text = browser.get("/experiment", params={"id": waits}).text
    assert f"raptorflow experiment withdraw {waits} --workspace acme --reason WHY" in text
    loop.withdraw("acme", waits, "ann", "another season", NOW)
    text = browser.get("/experiment", params={"id": waits}).text
    assert "It was withdrawn" in text
    assert "experiment withdraw" not in text


def test_the_list_begins_with_what_waits(sqlite_warehouse: Warehouse, pages: Pages) -> None:
    write_agency(sqlite_warehouse, 20, nights=1)
    browser = pages(sqlite_warehouse)
    text = browser.get("/experiments").text
    assert "wait for a decision" in text
    tags = text.index("ship it"), text.index("not looked at yet") if "not looked at yet" in text else len(text)
    assert tags[0] < tags[1]
    assert browser.get("/experiments?q=client-0003+test").text.count('<th scope="row">') == 1
    assert 'scope="row"' not in browser.get("/experiments?q=no-such").text


def test_an_unknown_experiment_is_a_page(warehouse: Warehouse, pages: Pages) -> None:
    browser = pages(warehouse)
    for experiment_id in ("no-such", "a\0b", "..", "<b>"):
        answer = browser.get("/experiment", params={"id": experiment_id})
        assert answer.status_code == 404
        assert "There is no experiment of this id" in answer.text
