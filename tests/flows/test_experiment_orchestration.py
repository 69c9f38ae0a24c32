"""experiment-orchestration asks which experiments to run, runs those, decides them, and keeps what they prove."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from prefect.exceptions import FlowPauseTimeout

from flows import experiment_orchestration as orchestration
from flows.parameters import ExperimentOrchestration
from tasks.effects.loop.drafts import LoopTerms
from tasks.experiments.orchestration_service import OrchestrationService
from tasks.warehouse import Warehouse, open_warehouse
from tests.pausing import answered
from tests.tasks.experiments.test_orchestration import NOW, write_open_questions


def fill(service: OrchestrationService, experiment_id: str) -> None:
    """The treatment does four times as well."""
    rng = np.random.default_rng(2)
    units = [f"u{i}" for i in range(1600)]
    arms = service.experiments.assign_variants(experiment_id, units)
    rows = [
        {"unit_id": unit, "outcome": int(rng.random() < (0.4 if arm == "treatment" else 0.1))}
        for unit, arm in zip(units, arms, strict=True)
        if arm is not None
    ]
    service.experiments.record_outcomes(experiment_id, rows)


@pytest.mark.usefixtures("at_prefect_api")
def test_a_person_approves_one_of_two_and_declines_the_other() -> None:
    warehouse = open_warehouse()
    write_open_questions(warehouse, "acme")
    service = OrchestrationService(warehouse=warehouse)
    first, second = service.propose("acme", LoopTerms(), datetime.now(UTC))  # of this week, which the lot falls by

    def nothing_runs(form: tuple[str, dict[str, Any]]) -> None:
        words, schema = form
        for draft in (first, second):
            assert f"**acme · {draft.name}**: Claimed before the start: {draft.change}" in words
        assert f"{first.units_per_arm:,} impressions an arm" in words
        assert schema["properties"]["leave_out"]["items"]["enum"] == [f"acme · {one.name}" for one in (first, second)]
        assert service.experiments.list_experiments("acme") == []

    options = ExperimentOrchestration(workspace_ids=["acme"])
    answer = {"run_them": True, "leave_out": [f"acme · {second.name}"], "actor": "ann"}
    (outcome,) = answered(orchestration.experiment_orchestration, options, nothing_runs, **answer)
    assert {row["key"]: row["state"] for row in outcome.result["rows"]} == {
        first.key: "running",
        second.key: "declined",
    }


@pytest.mark.slow
@pytest.mark.usefixtures("at_prefect_api")
def test_what_an_experiment_proves_becomes_the_default() -> None:
    warehouse = open_warehouse()
    write_open_questions(warehouse, "acme")
    service = OrchestrationService(warehouse=warehouse)
    options = ExperimentOrchestration(workspace_ids=["acme"], needs_approval=False)
    (outcome,) = orchestration.experiment_orchestration(options)
    first, second = outcome.result["rows"]
    fill(service, first["experiment_id"])
    later = ExperimentOrchestration(workspace_ids=["acme"], propose=False)
    (outcome,) = orchestration.experiment_orchestration(later)
    stands = {row["key"]: (row["state"], row["conclusion"], row["winner"]) for row in outcome.result["rows"]}
    assert stands == {first["key"]: ("completed", "winner", "treatment"), second["key"]: ("running", None, None)}
    (default,) = outcome.result["defaults"]
    assert (default["standing"], [*default["does"]]) == ("current", [f"pattern:{first['key']}"])
    assert default["statement"] in first["name"].replace("social ", "")


def test_what_nobody_answers_is_not_declined(sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    write_open_questions(sqlite_warehouse, "acme")
    service = OrchestrationService(warehouse=sqlite_warehouse)
    drafts = service.propose("acme", LoopTerms(), NOW)

    def lapse(*_: Any) -> None:
        raise FlowPauseTimeout("nobody came")

    monkeypatch.setattr(orchestration, "ask", lapse)
    for name in ("publish", "announce"):
        monkeypatch.setattr(orchestration, name, print)
    assert not orchestration.asked(ExperimentOrchestration(), drafts, [])
    assert service.propose("acme", LoopTerms(), NOW) == drafts
