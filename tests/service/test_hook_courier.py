"""The service delivers webhooks by itself."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import select, update

from service import hook_courier
from service.hook_courier import HookCourier
from service.warehouse_access import WarehouseAccess
from tasks.hooks import HookService
from tasks.models.drift_alarm import DriftAlarm
from tasks.models.records import ModelKey, ModelType
from tasks.models.service import ModelService
from tasks.settings import get_settings
from tasks.warehouse import Warehouse
from tasks.warehouse.outbox import HookEvent
from tasks.warehouse.schema import WebhookMessage
from tests.service.conftest import ARMS, serve_customers
from tests.service.pages.test_drift_strip import write_days
from tests.tasks.models.served_versions import let_serve

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


def test_drift_that_is_seen_as_it_happens_is_told_once(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook_courier, "SECONDS_BETWEEN_ROUNDS", 0.05)
    monkeypatch.setenv("RAPTORFLOW_HOOK_NETWORKS", "127.0.0.1")
    get_settings.cache_clear()
    for _ in serve_customers(sqlite_warehouse):
        let_serve(sqlite_warehouse)
        HookService(sqlite_warehouse).create("acme", NOBODY, [HookEvent.DRIFT_DETECTED.value])
        write_days(sqlite_warehouse, [0.2] * 10 + [0.5] * 3)
        query = select(WebhookMessage.about, WebhookMessage.data).where(WebhookMessage.attempts == 1)
        until = time.monotonic() + 30
        while not (tried := sqlite_warehouse.rows(query)) and time.monotonic() < until:
            time.sleep(0.05)
        assert [(row["about"], row["data"]["drift_status"]) for row in tried] == [("CONVERSION_PREDICTOR", "critical")]
        assert "the mean loss is 150% above the one before" in tried[0]["data"]["reasons"][0]
    DriftAlarm(sqlite_warehouse).ring()  # as another process, which has told nobody
    assert len(sqlite_warehouse.rows(select(WebhookMessage.message_id))) == 1


def test_drift_is_told_to_nobody_who_did_not_ask(sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPTORFLOW_HOOK_NETWORKS", "127.0.0.1")
    get_settings.cache_clear()
    let_serve(sqlite_warehouse)
    write_days(sqlite_warehouse, [0.2] * 10 + [0.5] * 3)
    alarm = DriftAlarm(sqlite_warehouse)
    HookService(sqlite_warehouse).create("acme", NOBODY, [HookEvent.MODEL_PROMOTED.value])
    alarm.ring()
    assert sqlite_warehouse.rows(select(WebhookMessage.message_id)) == []
    HookService(sqlite_warehouse).create("acme", NOBODY, [HookEvent.DRIFT_DETECTED.value])
    alarm.ring()
    assert len(sqlite_warehouse.rows(select(WebhookMessage.message_id))) == 1


def test_model_that_cannot_be_looked_at_keeps_no_other_from_ringing_and_no_message_from_going(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RAPTORFLOW_HOOK_NETWORKS", "127.0.0.1")
    get_settings.cache_clear()
    for workspace in ("aaa", "acme"):
        let_serve(sqlite_warehouse, ModelKey(workspace, ModelType.CONVERSION_PREDICTOR))
        HookService(sqlite_warehouse).create(workspace, NOBODY)
        write_days(sqlite_warehouse, [0.2] * 10 + [0.5] * 3, workspace_id=workspace)
    looked_at = ModelService.drift_stream

    def broken(models: ModelService, key: ModelKey) -> Any:
        if key.workspace_id == "aaa":
            raise KeyError("loss")
        return looked_at(models, key)

    monkeypatch.setattr(ModelService, "drift_stream", broken)
    access = WarehouseAccess(sqlite_warehouse)
    courier = HookCourier(access)
    courier._round()
    query = select(WebhookMessage.workspace_id, WebhookMessage.attempts)
    assert sqlite_warehouse.rows(query) == [{"workspace_id": "acme", "attempts": 1}]
    assert caplog.text.count("cannot be told") == 1
    courier._round()
    assert caplog.text.count("cannot be told") == 1, "until something new is known of it"

    def away(_self: DriftAlarm) -> None:
        raise KeyError

    monkeypatch.setattr(DriftAlarm, "ring", away)
    with sqlite_warehouse.begin() as connection:
        connection.execute(update(WebhookMessage).values(next_at=WebhookMessage.occurred_at))
    courier._round()
    assert sqlite_warehouse.rows(query) == [{"workspace_id": "acme", "attempts": 2}]
    access.close()
