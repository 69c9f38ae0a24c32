"""`/metrics` of the service: counted by route, never by address; drift by type of model, never by workspace."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from flows.platform.login import login
from flows.platform.service_server import behind_front_door
from service.app import create_app
from service.warehouse_access import WarehouseAccess
from tasks.warehouse import Warehouse
from tests.service.conftest import ADDRESS, Served
from tests.service.pages.test_drift_strip import write_days
from tests.tasks.models.served_versions import let_serve, predict

LABELS = {"route", "status", "queue", "type", "level", "le"}


def scraped(client: TestClient) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = [one for family in text_string_to_metric_families(answer.text) for one in family.samples]
    assert {label for one in samples for label in one.labels} <= LABELS
    assert "acme" not in answer.text
    return {(one.name, *(value for _, value in sorted(one.labels.items()))): one.value for one in samples}


def test_answers_outcomes_and_drift_are_counted(served: Served) -> None:
    let_serve(served.warehouse)
    write_days(served.warehouse, [0.2] * 10 + [0.6] * 4)
    predict(served.warehouse, {"t1": 0.5})
    key = served.key("write")
    outcome = {"outcomes": [{"row_id": "t1", "value": 1}]}
    served.client.post("/v1/predictions/CONVERSION_PREDICTOR/outcomes", headers=key, json=outcome)
    for made_up in ("/nothing/acme", "/v1/experiments/acme/results"):
        served.client.get(made_up, headers=key)
    served.client.get("/model?id=acme&type=CONVERSION_PREDICTOR")
    found = scraped(served.client)
    assert found["raptorflow_http_answers_total", "/v1/predictions/{model_type}/outcomes", "200"] == 1
    assert found["raptorflow_http_answers_total", "/model", "200"] == 1
    assert found["raptorflow_http_answers_total", "none", "404"] == 1
    assert found["raptorflow_http_seconds_count", "/model"] == 1
    assert found["raptorflow_http_seconds_bucket", "+Inf", "/model"] == 1
    assert 0 < found["raptorflow_http_seconds_sum", "/model"] < 60
    assert found["raptorflow_stored_total", "outcomes"] == 1
    assert found["raptorflow_waiting", "assignments"] == found["raptorflow_viewers",] == 0
    assert found["raptorflow_drift_now", "critical", "CONVERSION_PREDICTOR"] == 1
    assert found["raptorflow_drift_now", "no_drift", "CONVERSION_PREDICTOR"] == 0
    assert found["raptorflow_service_up",] == 1
    assert scraped(served.client)["raptorflow_http_answers_total", "/metrics", "200"] == 1


def test_without_a_warehouse_the_rest_is_told(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_access: WarehouseAccess) -> Warehouse:
        raise OSError("away")

    monkeypatch.setattr(WarehouseAccess, "open", away)
    found = scraped(served.client)
    assert found["raptorflow_service_up",] == 0
    assert not any(name == "raptorflow_drift_now" for name, *_ in found)


def test_whoever_does_not_know_the_login_reads_nothing(sqlite_warehouse: Warehouse) -> None:
    client = TestClient(behind_front_door(create_app(sqlite_warehouse)), base_url=ADDRESS)
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"authorization": "Bearer rf_made_up"}).status_code == 401
    assert client.get("/metrics", headers={"authorization": login().header}).status_code == 200
