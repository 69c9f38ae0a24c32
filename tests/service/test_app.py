"""The service before any route: it starts light, every answer is guarded, and every error is a problem."""

from __future__ import annotations

import subprocess
import sys

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from flows.platform.errors import NoKeysError, OpenAddressError
from flows.platform.front_door import FrontDoor
from flows.platform.login import login
from flows.platform.service_server import behind_front_door, serve_by_hand
from flows.platform.up import may_serve
from service.app import create_app
from tasks.access import AccessService
from tasks.errors import InputError, RaptorflowError, UnknownNameError, WarehouseUnreachableError
from tasks.settings import get_settings
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row

HEAVY = "prefect", "mlflow", "pandas", "polars", "sklearn", "matplotlib"
SECRET = "postgresql://raptor:swordfish@db/warehouse"


class Draft(BaseModel):
    title: str = Field(max_length=5)


def client(app: FastAPI | FrontDoor) -> TestClient:
    return TestClient(app, raise_server_exceptions=False, base_url="http://127.0.0.1:4300", follow_redirects=False)


def failing(error: Exception) -> TestClient:
    app = create_app()

    @app.get("/fails")
    def fails() -> None:
        raise error

    @app.post("/with-fields")
    def draft(draft: Draft) -> None:
        """Take a draft."""

    return client(app)


def test_it_starts_without_what_takes_seconds_to_import() -> None:
    script = f"import sys, service.app; service.app.create_app(); print([n for n in {HEAVY} if n in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"


@pytest.mark.parametrize("own_process", [True, False])
def test_what_it_imports_is_not_walked_for_garbage_while_answers_wait(own_process: bool) -> None:
    script = f"""
import gc, sys, time
from starlette.testclient import TestClient
from service import app as application

application.SECONDS_BEFORE_WARMING = 0.0
with TestClient(application.create_app(own_process={own_process})):
    until = time.monotonic() + 30.0
    while not (gc.get_freeze_count() or not {own_process}) and time.monotonic() < until:
        time.sleep(0.01)
    print(gc.get_freeze_count() > 10 * len(gc.get_objects()), sys.getswitchinterval() < 0.001)
"""
    ran = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert ran.split() == [str(own_process)] * 2


@pytest.mark.parametrize("path", ["/health", "/there/is/nothing"])
def test_every_answer_forbids_scripts_in_text_and_frames(path: str) -> None:
    headers = client(create_app()).get(path).headers
    assert "script-src 'self';" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("k must be above 0"), 422),
        (UnknownNameError("experiment", "x"), 404),
        (RaptorflowError("it runs already"), 409),
        (WarehouseUnreachableError(SECRET, "refused"), 503),
        (OperationalError(SECRET, None, Exception("database is locked")), 503),
        (ZeroDivisionError(SECRET), 500),
    ],
)
def test_every_error_is_a_problem_without_a_secret(error: Exception, status: int) -> None:
    answer = failing(error).get("/fails")
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "swordfish" not in answer.text
    assert "Traceback" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


def test_bad_input_names_the_field_and_what_it_should_be() -> None:
    answer = failing(ZeroDivisionError()).post("/with-fields", json={"title": "too long"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "body.title", "problem": "String should have at most 5 characters"}]


def test_an_unreachable_warehouse_is_no_reason_not_to_start() -> None:
    app = create_app(Warehouse("postgresql+psycopg://postgres@127.0.0.1:1/none"))
    assert client(app).get("/health").json() == {"status": "ok"}


def test_pages_ask_who_is_there_and_what_programs_call_asks_itself() -> None:
    asked = client(behind_front_door(create_app()))
    assert asked.get("/anything").status_code == 401
    assert asked.get("/anything", headers={"accept": "text/html"}).text.startswith("<!doctype html>")
    assert asked.get("/anything", headers={"authorization": login().header}).status_code == 404
    assert asked.get("/v1/anything").headers["content-type"] == "application/problem+json"
    assert asked.get("/health").status_code == 200


def test_declared_pages_of_others_may_ask_with_a_key_and_no_other_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPTORFLOW_ALLOWED_ORIGINS", "https://shop.example")
    get_settings.cache_clear()
    asked = client(behind_front_door(create_app()))
    wants = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    path = "/ofrep/v1/evaluate/flags"
    allowed = asked.options(path, headers=wants | {"origin": "https://shop.example"})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://shop.example")
    assert asked.options(path, headers=wants | {"origin": "https://evil.example"}).status_code == 403
    assert asked.get("/", headers={"origin": "https://shop.example"}).status_code == 401


def test_a_proxys_network_that_is_none_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPTORFLOW_TRUSTED_PROXIES", "10.0.0.0/8, the proxy")
    get_settings.cache_clear()
    with pytest.raises(ValueError, match="RAPTORFLOW_TRUSTED_PROXIES"):
        create_app()


def test_beyond_this_machine_it_starts_with_a_login_and_a_key_alone(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", sqlite_warehouse.url)
    get_settings.cache_clear()
    with pytest.raises(OpenAddressError):
        serve_by_hand("0.0.0.0", 1, print)
    monkeypatch.setenv("RAPTORFLOW_AUTH", "admin:a-long-password")
    get_settings.cache_clear()
    with pytest.raises(NoKeysError, match="raptorflow keys create"):
        serve_by_hand("0.0.0.0", 1, print)
    assert not may_serve("0.0.0.0")
    store(sqlite_warehouse, Workspace, [workspace_row()])
    AccessService(sqlite_warehouse).create("shop", ["read"], workspace_id="acme")
    assert may_serve("0.0.0.0")
    assert may_serve("127.0.0.1")


@pytest.mark.parametrize("path", ["/", "/v1/anything", "/ofrep/v1/evaluate/flags/x", "/health"])
def test_a_foreign_name_that_points_here_is_not_answered(path: str) -> None:
    answer = client(behind_front_door(create_app())).get(path, headers={"host": "evil.example"})
    assert (answer.status_code, "RAPTORFLOW_ALLOWED_HOSTS" in answer.text) == (403, True)
