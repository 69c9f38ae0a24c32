"""What a refresh tells people, in a table, and other programs, by events. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tasks.models import drift
from tasks.models.records import DriftReport, UpdateResult
from tasks.models.reports import LOOKED_AT
from tasks.warehouse.outcomes import Outcome

REGISTERED_AS = ("first_champion", "promoted", "challenger", "canary")
ASKED_FLOW = "model-refresh"


def events_of(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What other programs may wait for, each with the resource it is about and a payload.

    A refresh acts on the drift it finds. Only a look, which acts on nothing, asks for one, so that no refresh starts
    another. `tasks.reporting` owns the events' names, and refuses to emit any other.
    """
    for found in _results(outcomes):
        about = f"model.{found['workspace_id']}.{found['model_type']}"
        whose = {"workspace_id": found["workspace_id"], "model_type": found["model_type"]}
        report, status, reason = found["drift"], found["status"], found["reason"]
        if report and report["drift_status"] in (drift.WARNING, drift.CRITICAL):
            yield "raptorflow.drift.detected", about, whose | _drift(report, asks=status == LOOKED_AT)
        if status in REGISTERED_AS and found["candidate_version"]:
            yield "raptorflow.model.registered", about, whose | {"version": found["candidate_version"]}
        if status in ("first_champion", "promoted"):
            yield "raptorflow.model.promoted", about, whose | {"version": found["model_version"], "reason": reason}
        if status == "rolled_back":
            gone = {"version": found["model_version"], "from_version": found["candidate_version"], "reason": reason}
            yield "raptorflow.model.rolled-back", about, whose | gone


def _drift(report: DriftReport, *, asks: bool) -> dict[str, Any]:
    names = ("drift_status", "drift_score", "p_value", "recommendation", "reasons")
    told: dict[str, Any] = {name: report[name] for name in names}  # type: ignore[literal-required]
    return told | ({"asks_for": ASKED_FLOW} if asks and report["recommendation"] == drift.NOW else {})


def _results(outcomes: Sequence[Outcome]) -> Iterator[UpdateResult]:
    for outcome in outcomes:
        yield from outcome.result.get("models", {}).values()
