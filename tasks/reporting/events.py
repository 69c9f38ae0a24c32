"""The events other programs and automations may wait for, by name."""

from __future__ import annotations

from typing import Any, Literal

from prefect.events import emit_event

EventName = Literal[
    "raptorflow.drift.detected",
    "raptorflow.model.registered",
    "raptorflow.model.promoted",
    "raptorflow.model.rolled-back",
    "raptorflow.experiment.decided",
    "raptorflow.debate.concluded",
]


def emit(event: EventName, about: str, payload: dict[str, Any]) -> None:
    """Emit one summarised event about one thing, such as `workspace.acme`.

    Words in the payload are labels of the resource too: automations match labels, and cannot look into a payload.
    """
    labels = {name: value for name, value in payload.items() if isinstance(value, str)}
    emit_event(event=event, resource=labels | {"prefect.resource.id": f"raptorflow.{about}"}, payload=payload)
