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
NOTIFY = "notify"  # what Prefect calls a block's being able to


def apply_automations(client: SyncPrefectClient, entries: list[dict[str, Any]]) -> Iterator[DeploymentChange]:
    """Create what is absent, change what differs, leave the rest; one that a person switched off stays off.

    Those whose notification block is not there yet wait for it together. A block that cannot notify is refused: Prefect
    would take it, and fail in silence whenever somebody should be told.
    """
    wanted = {name for entry in entries for name in _named_blocks(entry)}
    blocks = {name: _notifying(_blocks(client, name)) for name in sorted(wanted)}
    able = {name: block.id for name, (block, _) in blocks.items() if block is not None}
    for entry in entries:
        if _named_blocks(entry) <= able.keys():
            actions = [_resolved(client, action, able) for action in entry["actions"]]
            change = _apply(client, entry | {"actions": actions})
            if change is not None:
                yield change
    for name, (block, problem) in blocks.items():
        if problem:
            yield DeploymentChange("notification block", name, problem, waits=True, refused=True)
        elif block is None:
            waiting = sum(name in _named_blocks(entry) for entry in entries)
            need = "wait for a notification block of that name (UI: Blocks): until then nobody is told of anything"
            yield DeploymentChange(f"{waiting} automations for", name, need, waits=True)


def _named_blocks(entry: dict[str, Any]) -> set[str]:
    return {action["notification_block"] for action in entry["actions"] if "notification_block" in action}


def _notifying(documents: list[Any]) -> tuple[Any | None, str]:
    """The block among those of one name that can notify, and what is wrong where none of them can."""
    able = [document for document in documents if NOTIFY in (document.block_schema.capabilities or [])]
    if able or not documents:
        return (able[0] if able else None), ""
    kind = documents[0].block_type.name
    instead = "a 'Custom Webhook'" if kind == "Webhook" else "a notification block, such as 'Slack Webhook'"
    return None, f"is a '{kind}', which cannot notify: nobody would be told of failures; make it {instead} (UI: Blocks)"


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


def _resolved(client: SyncPrefectClient, action: dict[str, Any], blocks: dict[str, Any]) -> dict[str, Any]:
    """The action with ids for names."""
    action = dict(action)
    if "deployment" in action:
        action["deployment_id"] = client.read_deployment_by_name(action.pop("deployment")).id
    if "notification_block" in action:
        action["block_document_id"] = blocks[action.pop("notification_block")]
    return action


def _blocks(client: SyncPrefectClient, name: str) -> list[Any]:
    """Block documents of that name, whatever service they notify."""
    response = client.request("POST", "/block_documents/filter", json={"include_secrets": False, "limit": 200})
    from prefect.client.schemas.objects import BlockDocument

    documents = [BlockDocument.model_validate(document) for document in response.json()]
    return [document for document in documents if document.name == name]
