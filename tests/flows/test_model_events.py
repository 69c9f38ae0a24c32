"""A look asks for a refresh in the words the automation waits for; a refresh never asks for itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.models import ModelType
from tasks.models.drift.monitor import insufficient
from tasks.models.records import CONTINUE, NOW, DriftReport, ModelKey
from tasks.models.reports import drift_check_result, events_of
from tasks.models.steps import outcome
from tasks.reporting import emit
from tasks.warehouse.outcomes import Outcome

ROOT = Path(__file__).resolve().parents[2]
KEY = ModelKey("acme", ModelType.TONE_CLASSIFIER)


def report(status: str = "critical", recommendation: str = NOW) -> DriftReport:
    found = insufficient(KEY, "v_20260101_000000", 300, 50)
    found.update({"drift_status": status, "recommendation": recommendation, "reasons": ["the loss rose by 80%"]})
    return found


def resources(outcomes: list[Outcome], patch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """Names and labels of the events as Prefect would get them."""
    sent: list[tuple[str, dict[str, str]]] = []

    def catch(event: str, resource: dict[str, str], payload: dict[str, Any]) -> None:
        sent.append((event, resource))

    patch.setattr("tasks.reporting.events.emit_event", catch)
    for event, about, payload in events_of(outcomes):
        emit(event, about, payload)
    return sent


def awaited() -> tuple[list[str], dict[str, str]]:
    """Events and labels that the drift automation expects, as deployed."""
    found = yaml.safe_load((ROOT / "deployments" / "automations.yaml").read_text())["automations"]
    trigger = next(one["trigger"] for one in found if "critical drift" in one["name"])
    return trigger["expect"], {k: v for k, v in trigger["match"].items() if k != "prefect.resource.id"}


def test_a_look_that_finds_critical_drift_sends_what_the_automation_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ((event, resource),) = resources([outcome("acme", {"T": drift_check_result(report())})], monkeypatch)
    expected, labels = awaited()
    assert event in expected
    assert labels.items() <= resource.items()
    assert resource["prefect.resource.id"].startswith("raptorflow.")
    assert resource["workspace_id"] == "acme", "the automation hands it to model-refresh"


@pytest.mark.parametrize("seen", [report("warning"), report(recommendation=CONTINUE)])
def test_mild_drift_or_drift_that_retraining_does_not_help_asks_for_nothing(
    seen: DriftReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((_, resource),) = resources([outcome("acme", {"T": drift_check_result(seen)})], monkeypatch)
    assert not awaited()[1].items() <= resource.items()


@pytest.mark.parametrize(
    "status", ["promoted", "challenger", "canary", "no_retrain_needed", "not_better_than_baseline"]
)
def test_a_refresh_that_acted_on_drift_does_not_start_itself(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    acted = drift_check_result(report()) | {"status": status, "reason": "why", "model_version": "v_1"}
    sent = resources([outcome("acme", {"T": acted})], monkeypatch)
    assert "raptorflow.drift.detected" in [event for event, _ in sent]
    assert not any(awaited()[1].items() <= resource.items() for _, resource in sent)


def test_a_rollback_by_itself_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    undone = drift_check_result(report()) | {"status": "rolled_back", "reason": "it was slow", "drift": None}
    undone |= {"model_version": "v_1", "candidate_version": "v_2"}
    ((event, resource),) = resources([outcome("acme", {"T": undone})], monkeypatch)
    assert event == "raptorflow.model.rolled-back"
    assert (resource["version"], resource["from_version"], resource["reason"]) == ("v_1", "v_2", "it was slow")
