"""`/metrics` says how the platform is, to those who know the login; rules and dashboard ask for what is there."""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from flows.platform.catalogue import FOLDER
from service.app import create_app
from tasks.warehouse import Warehouse
from tests.running_platform import RunningPlatform

OURS = re.compile(r"\braptorflow_\w+")
FUNCTIONS = {"min", "max", "sum", "increase", "rate", "histogram_quantile", "by", "or"}
LABELS = {"part", "job", "step", "status", "state", "level"}
OF_SERVICE = {"route", "status", "queue", "type", "level", "le"}


@pytest.fixture
def scraped(platform: RunningPlatform) -> str:
    platform.cli("init")
    request = urllib.request.Request(f"{platform.prefect}/metrics")
    request.add_header("Authorization", platform.login.header)
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return str(answer.read().decode())


@pytest.fixture
def scraped_of_service(sqlite_warehouse: Warehouse) -> Iterator[str]:
    with TestClient(create_app(sqlite_warehouse)) as client:
        client.get("/health")
        yield client.get("/metrics").text


def expressions() -> list[str]:
    rules = yaml.safe_load((FOLDER / "monitoring" / "alerts.yaml").read_text())
    panels = json.loads((FOLDER / "monitoring" / "grafana-dashboard.json").read_text())["panels"]
    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return asked + [target["expr"] for panel in panels for target in panel["targets"]]


def test_whoever_does_not_know_the_login_reads_nothing(platform: RunningPlatform) -> None:
    for header in ({}, {"Authorization": "Basic " + base64.b64encode(b"raptorflow:wrong").decode()}):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(urllib.request.Request(f"{platform.prefect}/metrics", headers=header))


def test_every_name_that_rules_and_dashboard_ask_for_is_exported(scraped: str, scraped_of_service: str) -> None:
    exported = set(re.findall(r"^# TYPE (\w+)", scraped + scraped_of_service, re.MULTILINE))
    asked = {name.removesuffix("_bucket") for expression in expressions() for name in OURS.findall(expression)}
    assert asked == exported, "what is exported is watched, and what is watched is exported"


def test_every_label_that_rules_and_dashboard_name_is_one_and_none_is_a_customers(
    scraped: str, scraped_of_service: str
) -> None:
    for text, known in ((scraped, LABELS), (scraped_of_service, OF_SERVICE)):
        families = list(text_string_to_metric_families(text))
        assert {label for family in families for sample in family.samples for label in sample.labels} <= known
    for expression in expressions():
        words = set(re.findall(r"[a-z_]+", re.sub(r'"[^"]*"|\[\w+\]|raptorflow_\w+', "", expression)))
        assert words <= FUNCTIONS | LABELS | OF_SERVICE | {"up"}, expression


def test_the_parts_can_be_asked_and_queues_are_counted(scraped: str) -> None:
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(scraped)
        for sample in family.samples
    }
    assert samples["raptorflow_up", "prefect"] == samples["raptorflow_up", "warehouse"] == 1.0
    assert samples["raptorflow_runs", "late"] >= 0
    assert samples["raptorflow_events_lost_total",] == 0
    assert samples["raptorflow_models_drift", "critical"] == 0
