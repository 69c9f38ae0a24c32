"""The service delivers webhooks by itself."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from service import hook_courier
from tasks.hooks import HookService
from tasks.settings import get_settings
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import WebhookMessage
from tests.service.conftest import ARMS, serve_customers

NOBODY = "http://127.0.0.1:1/in"


def test_an_experiment_that_is_decided_over_http_is_told_by_the_service(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook_courier, "SECONDS_BETWEEN_ROUNDS", 0.05)
    monkeypatch.setenv("RAPTORFLOW_HOOK_NETWORKS", "127.0.0.1")
    get_settings.cache_clear()
    for served in serve_customers(sqlite_warehouse):
        HookService(sqlite_warehouse).create("acme", NOBODY)
        key = served.key("admin")
        one = f"/v1/experiments/{served.experiment(key)}"
        ended = served.client.post(f"{one}/decide", headers=key, json={"winner": ARMS[0]["name"]})
        assert ended.status_code == 200
        query = select(WebhookMessage.event, WebhookMessage.problem).where(WebhookMessage.attempts == 1)
        until = time.monotonic() + 30
        while not (tried := sqlite_warehouse.rows(query)) and time.monotonic() < until:
            time.sleep(0.05)
        assert [row["event"] for row in tried] == ["raptorflow.experiment.decided"]
        assert "no connection to 127.0.0.1:1" in tried[0]["problem"]
