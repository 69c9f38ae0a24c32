"""The events other programs and automations may wait for, by name."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from prefect.events import emit_event

from tasks.warehouse.outbox import HookEvent


class Event(StrEnum):
    """Every event of the platform; nothing else can be emitted. Those that webhooks are told too stand there."""

    DRIFT_DETECTED = HookEvent.DRIFT_DETECTED.value
    MODEL_REGISTERED = "raptorflow.model.registered"
    MODEL_PROMOTED = HookEvent.MODEL_PROMOTED.value
    MODEL_ROLLED_BACK = HookEvent.MODEL_ROLLED_BACK.value
    MODEL_WITHDRAWN = "raptorflow.model.withdrawn"
    EXPERIMENT_DECIDED = HookEvent.EXPERIMENT_DECIDED.value
    DEBATE_CONCLUDED = "raptorflow.debate.concluded"
    INPUT_STOPPED = "raptorflow.input.stopped"
    FINDINGS_TOLD = "raptorflow.findings.told"


def emit(event: str, about: str, payload: dict[str, Any]) -> None:
    """Emit one summarized event about one thing, such as `workspace.acme`.

    Words in the payload are labels of the resource too: automations match labels, and cannot look into a payload.

    Args:
        event: a member of `Event`, or its name.
        about: the thing.
        payload: what became of it.

    Raises:
        ValueError: if there is no such event.
    """
    labels = {name: value for name, value in payload.items() if isinstance(value, str)}
    resource = labels | {"prefect.resource.id": f"raptorflow.{about}"}
    emit_event(event=Event(event).value, resource=resource, payload=payload)
