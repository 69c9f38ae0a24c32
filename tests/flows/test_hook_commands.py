"""Whoever runs the platform makes, lists and ends webhooks in a terminal."""

from __future__ import annotations

import json

import pytest

from tasks.settings import get_settings
from tasks.warehouse import Warehouse
from tasks.warehouse.outbox import HookEvent, tell_hooks
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.flows.conftest import Command

NOBODY = "http://127.0.0.1:1/in"


def test_a_hook_from_its_secret_to_its_end(raptorflow: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPTORFLOW_HOOK_NETWORKS", "127.0.0.1")
    get_settings.cache_clear()
    assert raptorflow("init")[0] == 0
    warehouse = Warehouse()
    store(warehouse, Workspace, [workspace_row(workspace_id="acme")])
    made = json.loads(raptorflow("hooks", "create", NOBODY, "-w", "acme", "--json")[1])
    assert made["secret"].startswith("whsec_")
    status, printed, _ = raptorflow("hooks", "list")
    assert (status, made["hook_id"] in printed, "whsec_" in printed) == (0, True, False)
    with warehouse.begin() as connection:
        tell_hooks(warehouse, connection, HookEvent.MODEL_PROMOTED, "acme", ("model",), {})
    status, printed, _ = raptorflow("hooks", "deliver", "--json")
    assert (status, json.loads(printed)) == (0, {"delivered": 0, "later": 1, "failed": 0})
    assert "every message was taken, or is still tried" in raptorflow("hooks", "failed")[1]
    assert raptorflow("hooks", "revoke", made["hook_id"])[0] == 0
    status, _, complaint = raptorflow("hooks", "retry", "nobody")
    assert (status, "raptorflow hooks list" in complaint) == (2, True)
    status, _, complaint = raptorflow("hooks", "create", "https://169.254.169.254/", "-w", "acme")
    assert (status, "no public address" in complaint) == (2, True)
