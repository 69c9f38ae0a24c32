"""Automations of deployments/automations.yaml, found again by their names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flows.platform.changes import DeploymentChange, different
from flows.platform.errors import DeploymentFileError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import AutomationCore

DECIDED_BY_FILE = ("description", "trigger", "actions")


def apply_automations(client: SyncPrefectClient, entries: list[dict[str, Any]]) -> Iterator[DeploymentChange]:
    """Create what is absent, change what differs, leave the rest; one that a person switched off stays off."""
    for entry in entries:
        actions = [_resolved(client, action) for action in entry["actions"]]
        waiting_for = [action["notification_block"] for action in actions if "notification_block" in action]
        if waiting_for:
            need = f"waits for a notification block named '{waiting_for[0]}' (UI: Blocks)"
            yield DeploymentChange("automation", entry["name"], need, waits=True)
            continue
        change = _apply(client, entry | {"actions": actions})
        if change is not None:
            yield change


def _apply(client: SyncPrefectClient, entry: dict[str, Any]) -> DeploymentChange | None:
    from prefect.events.schemas.automations import AutomationCore

    try:
        wanted = AutomationCore.model_validate(entry)
    except ValueError as error:
        raise DeploymentFileError(f"automation {entry['name']}", error) from error
    existing = client.read_automations_by_name(entry["name"])
    if not existing:
        client.create_automation(wanted)
        return DeploymentChange("automation", wanted.name, "created")
    fields = different(_comparable(wanted), _comparable(existing[0]))
    if not fields:
        return None
    client.update_automation(existing[0].id, wanted.model_copy(update={"enabled": existing[0].enabled}))
    return DeploymentChange("automation", wanted.name, "changed", fields)


def _comparable(automation: AutomationCore) -> dict[str, Any]:
    """What the file decides, without the ids the server gives to triggers."""
    return {name: _without_ids(automation.model_dump().get(name)) for name in DECIDED_BY_FILE}


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_ids(item) for name, item in value.items() if name != "id"}
    return [_without_ids(item) for item in value] if isinstance(value, list) else value


def _resolved(client: SyncPrefectClient, action: dict[str, Any]) -> dict[str, Any]:
    """The action with ids for names; a notification block that does not exist yet keeps its name."""
    action = dict(action)
    if "deployment" in action:
        action["deployment_id"] = client.read_deployment_by_name(action.pop("deployment")).id
    if block := action.get("notification_block"):
        documents = [document.id for document in _blocks(client, block)]
        if documents:
            del action["notification_block"]
            action["block_document_id"] = documents[0]
    return action


def _blocks(client: SyncPrefectClient, name: str) -> list[Any]:
    """Block documents of that name, whatever service they notify."""
    response = client.request("POST", "/block_documents/filter", json={"include_secrets": False, "limit": 200})
    from prefect.client.schemas.objects import BlockDocument

    documents = [BlockDocument.model_validate(document) for document in response.json()]
    return [document for document in documents if document.name == name]
