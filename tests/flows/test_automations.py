"""What deployments/automations.yaml promises: every way a run can go wrong is told, and by a block that can tell it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from time import sleep
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import AutomationCore

from flows.platform.automations import _notifying, apply_automations
from flows.platform.catalogue import read_yaml
from tasks.reporting import Event
from tasks.settings import get_settings
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Learning
from tests.factories import START, store

chain = importlib.import_module("flows.meta_learning")  # whose flow has its name
ENTRIES = {entry["name"].partition(" · ")[2]: entry for entry in read_yaml("automations.yaml")["automations"]}
TELLING = [entry for entry in ENTRIES.values() if entry["actions"][0]["type"] == "send-notification"]
ENDS = {"Completed", "Failed", "Crashed", "Cancelled"}


def document(kind: str, *capabilities: str) -> Any:
    """A block document, of the fields that are looked at."""
    return SimpleNamespace(
        id=kind, block_type=SimpleNamespace(name=kind), block_schema=SimpleNamespace(capabilities=list(capabilities))
    )


def test_of_blocks_with_one_name_the_one_that_can_notify_is_taken() -> None:
    able, silent = document("Slack Webhook", "notify"), document("Webhook")
    assert _notifying([silent, able]) == (able, "")
    assert _notifying([]) == (None, "")
    found, problem = _notifying([silent])
    assert found is None
    assert "Custom Webhook" in problem
    assert "cannot notify" in problem
    assert "'Secret', which cannot notify" in _notifying([document("Secret")])[1]


def test_failed_crashed_late_stuck_cancelled_and_silent_input_are_told() -> None:
    told = {event for entry in TELLING for event in entry["trigger"].get("after", entry["trigger"]["expect"])}
    runs = {event.rpartition(".")[2] for event in told if event.startswith("prefect.flow-run.")}
    assert runs == {"Failed", "Crashed", "TimedOut", "Cancelled", "Late", "Running", "Cancelling"}
    assert {event for event in told if event.startswith("raptorflow.")} == {
        Event.INPUT_STOPPED.value,
        Event.FINDINGS_TOLD.value,
    }


@pytest.mark.parametrize("name", ENTRIES)
def test_what_waits_for_an_end_knows_every_end(name: str) -> None:
    trigger = ENTRIES[name]["trigger"]
    AutomationCore.model_validate(ENTRIES[name] | {"actions": []})
    if trigger["posture"] == "Proactive":
        expected = {event.rpartition(".")[2] for event in trigger["expect"]}
        assert expected >= ENDS, f"an end that it does not know would look like silence: {ENDS - expected}"
        assert trigger["for_each"] == ["prefect.resource.id"]


@pytest.fixture
def client(at_prefect_api: object) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as opened:
        yield opened


def test_a_webhook_is_refused_and_a_custom_webhook_taken(client: SyncPrefectClient) -> None:
    entry = TELLING[0] | {"name": "told · test"}
    Webhook(url="http://127.0.0.1:9/").save("told-by")
    entry["actions"] = [entry["actions"][0] | {"notification_block": "told-by"}]
    refused = list(apply_automations(client, [entry]))
    assert [change.refused for change in refused] == [True]
    assert str(refused[0]).startswith("notification block told-by: is a 'Webhook', which cannot notify")
    assert client.read_automations_by_name("told · test") == []
    CustomWebhookNotificationBlock(name="x", url="http://127.0.0.1:9/", json_data={"a": "{{body}}"}).save("told-by")
    taken = list(apply_automations(client, [entry]))
    assert [str(change) for change in taken] == ["automation told · test: created"]
    assert list(apply_automations(client, [entry])) == []


@pytest.fixture
def installed(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """What the flows open is this warehouse."""
    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", warehouse.url)
    get_settings.cache_clear()
    return warehouse


def test_two_nights_that_end_at_once_tell_each_finding_once(
    installed: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {"learning_id": "pattern-1", "workspace_id": "acme", "kind": "pattern", "subject": "asks", "words": "asks"}
    basis = {"statement": "asks", "basis": "association", "source_id": "1", "run_id": "r", "replications": 0}
    held = {"learned_at": START, "confirmed_at": START, "standing": "current", "standing_reason": ""}
    store(installed, Learning, [about | basis | held])
    waits, sent = Barrier(2), list[int]()

    def slow(_event: Event, _about: str, payload: dict[str, Any]) -> None:
        sleep(0.2)  # a server that takes its time: the other night looks meanwhile
        sent.append(payload["n_found"])

    def night(_number: int) -> None:
        waits.wait()
        chain.tell_of_findings()

    monkeypatch.setattr(chain, "emit", slow)
    for name in ("untold_findings", "critical_drift", "note_findings_told"):
        monkeypatch.setattr(chain, name, getattr(chain, name).fn)  # without a server
    with ThreadPoolExecutor(2) as nights:
        list(nights.map(night, range(2)))
    assert sent == [1]


def test_silence_is_one_message_a_night_and_remembered_after_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"w{number}: no posts since 2026-05-01, never more than 2 days before" for number in range(25)]
    did: list[str] = []

    def told(event: Event, about: str, payload: dict[str, Any]) -> None:
        did.append(f"{event.value} {about} {payload['n_stopped']} {payload['summary']}")

    def noted(now: datetime) -> None:
        did.append(f"noted {now.tzinfo}")

    monkeypatch.setattr(chain, "newly_silent", lambda now: lines)
    monkeypatch.setattr(chain, "note_silence_told", noted)
    monkeypatch.setattr(chain, "emit", told)
    chain.tell_of_silence()
    assert len(did) == 2
    assert did[0].startswith(f"raptorflow.input.stopped input 25 Input stopped arriving (25): {lines[0]}; ")
    assert did[0].endswith(f"{lines[19]}; and 5 more")
    assert did[1] == "noted UTC"
    monkeypatch.setattr(chain, "newly_silent", lambda now: [])
    did.clear()
    chain.tell_of_silence()
    assert did == ["noted UTC"], "nothing to tell is no message"


def test_what_was_found_is_one_message_a_night_and_remembered_after_it_was_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {"learning_id": "pattern-1", "workspace_id": "acme", "kind": "pattern", "statement": "asks", "effect": None}
    did: list[str] = []

    def told(event: Event, about: str, payload: dict[str, Any]) -> None:
        did.append(f"{event.value} {about} {payload['n_found']} {payload['summary']}")

    def noted(ids: list[str], now: datetime) -> None:
        did.append(f"noted {ids} {now.tzinfo}")

    monkeypatch.setattr(chain, "untold_findings", lambda: [found])
    monkeypatch.setattr(chain, "critical_drift", list)
    monkeypatch.setattr(chain, "note_findings_told", noted)
    monkeypatch.setattr(chain, "emit", told)
    chain.tell_of_findings()
    assert did == ["raptorflow.findings.told findings 1 1 new pattern\n- acme: asks", "noted ['pattern-1'] UTC"]
    monkeypatch.setattr(chain, "untold_findings", list)
    chain.tell_of_findings()
    assert len(did) == 2


def test_what_no_automation_hears_is_told_again_under_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"learning_id": "pattern-1", "workspace_id": "acme", "kind": "pattern", "statement": "asks", "effect": None}
    noted: list[object] = []
    monkeypatch.setattr(chain, "newly_silent", lambda _now: ["acme: no posts since 2026-05-01"])
    monkeypatch.setattr(chain, "note_silence_told", lambda _now: noted.append("silence"))
    monkeypatch.setattr(chain, "untold_findings", lambda: [found])
    monkeypatch.setattr(chain, "critical_drift", list)
    monkeypatch.setattr(chain, "emit", print)
    monkeypatch.setattr(chain, "note_findings_told", lambda ids, _now: noted.append(ids))
    monkeypatch.setattr(chain, "server_is_temporary", lambda: True)
    chain.tell_of_silence()
    chain.tell_of_findings()
    assert noted == []
    monkeypatch.setattr(chain, "server_is_temporary", lambda: False)
    chain.tell_of_silence()
    chain.tell_of_findings()
    assert noted == ["silence", ["pattern-1"]]
