"""A password may hold any sign, and nobody but the program it is for sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import make_url, select, text

from flows.platform import mlflow_server
from flows.platform.addresses import Addresses, answers
from flows.platform.environment import environment, mlflow_store
from flows.platform.errors import OpenAddressError
from flows.platform.up import _servers, _workers
from tasks.models.errors import RegistryUnreachableError
from tasks.settings import Settings, encoded, get_settings, hidden, without_password
from tasks.warehouse import Warehouse, migration, upgrade
from tasks.warehouse.schema import Workspace
from tests.postgres_databases import POSTGRES_URL, postgres_database

ROOT = Path(__file__).resolve().parents[2]
SECRET = "p%a$s@w/o:r?d#1!%zz"
WRITTEN = [SECRET, quote(SECRET, safe="")]


def address_with(password: str, database: str = "db") -> str:
    server = make_url(POSTGRES_URL)
    return f"postgresql+psycopg://{server.username}:{password}@{server.host}:{server.port or 5432}/{database}"


@pytest.mark.parametrize("written", WRITTEN)
def test_addresses_mean_what_was_written(written: str) -> None:
    assert make_url(encoded(address_with(written))).password == SECRET
    assert SECRET not in without_password(address_with(written))
    assert without_password(address_with(written)).count("***") == 1
    assert hidden(f"cannot reach {address_with(written)}, {SECRET}!", address_with(written)).count("***") == 2


@pytest.mark.parametrize("plain", ["sqlite:////a/b@c.db", "http://127.0.0.1:5000", "postgresql+psycopg://u@h/d", ""])
def test_addresses_without_a_password_stay(plain: str) -> None:
    assert encoded(plain) == without_password(plain) == plain
    assert hidden("a message", plain) == "a message"


@pytest.mark.postgres
@pytest.mark.parametrize("written", WRITTEN)
def test_the_warehouse_takes_it(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres_database() as name:
        monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", address_with(written, name))
        get_settings.cache_clear()
        warehouse = Warehouse()
        upgrade(warehouse)
        with warehouse.connect() as connection:
            assert connection.connection.driver_connection is not None
            assert connection.connection.driver_connection.info.password == SECRET
            connection.execute(text("select 1"))
        assert warehouse.read(select(Workspace)).is_empty(), "through Arrow as well"
        assert SECRET not in warehouse.address
        warehouse.engine.dispose()


def test_a_checkout_with_a_percent_sign_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = tmp_path / "50%s" / "migrations"
    scripts.parent.mkdir()
    scripts.symlink_to(migration.SCRIPTS)
    monkeypatch.setattr(migration, "SCRIPTS", scripts)
    assert migration._config().get_main_option("script_location") == str(scripts)


def test_nobody_reads_it_on_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address_with(SECRET))
    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", address_with(SECRET))
    monkeypatch.setenv("RAPTORFLOW_AUTH", f"admin:{SECRET}")
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", f"postgresql+asyncpg://u:{SECRET}@h/d")
    get_settings.cache_clear()
    children = [*_servers(Addresses()), *_workers(Addresses())]
    assert [child for child in children if SECRET in " ".join(child.arguments)] == []
    prefect, mlflow, *_ = (child.environment for child in children)
    assert make_url(mlflow["MLFLOW_BACKEND_STORE_URI"]).password == SECRET
    assert make_url(prefect["PREFECT_SERVER_DATABASE_CONNECTION_URL"]).password == SECRET
    assert prefect["PREFECT_API_AUTH_STRING"] == f"admin:{SECRET}"
    assert mlflow["MLFLOW_TRACKING_PASSWORD"] == SECRET
    assert mlflow_store()["MLFLOW_BACKEND_STORE_URI"] == mlflow["MLFLOW_BACKEND_STORE_URI"]


def test_no_message_tells_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address_with(SECRET))
    monkeypatch.setenv("RAPTORFLOW_AUTH", f"admin:{SECRET}")
    assert SECRET not in repr(Settings())
    assert quote(SECRET, safe="%") not in repr(Settings())
    assert SECRET not in str(RegistryUnreachableError(address_with(SECRET), f"no route to {address_with(SECRET)}"))
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", address_with(SECRET))

    def broken(store: str) -> None:
        raise ValueError(f"invalid interpolation syntax in '{store}' at position 30")

    monkeypatch.setattr(mlflow_server, "_prepare", broken)
    with pytest.raises(SystemExit) as ended:
        mlflow_server.serve("127.0.0.1", 5000, 1)
    assert SECRET not in str(ended.value)
    assert "invalid interpolation syntax" in str(ended.value)


def test_a_server_that_is_not_ours_is_not_told_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.org")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    get_settings.cache_clear()
    told = environment(Addresses())
    assert told["MLFLOW_TRACKING_USERNAME"] == "me"
    assert "MLFLOW_TRACKING_PASSWORD" not in told


def test_what_a_person_has_set_for_prefect_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("PREFECT_SERVER_UI_API_URL", "https://x/api"),
        ("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", "https://y"),
    ):
        monkeypatch.setenv(name, value)
        assert environment(Addresses())[name] == value
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "me:own")
    assert environment(Addresses())["PREFECT_API_AUTH_STRING"] == "me:own"
    with pytest.raises(OpenAddressError):
        environment(Addresses(host="0.0.0.0"))


def test_the_temporary_server_of_a_run_by_hand_asks_for_the_login_and_ends_with_it(home: Path) -> None:
    """It listens on a port while a flow runs, and keeps what it is told in the platform's own database."""
    script = """
import os, sys, urllib.request, urllib.error
from flows import runtime
said = runtime.run_by_hand("housekeeping", [])
address = os.environ["PREFECT_API_URL"]
assert "prefect.server.api.server" not in sys.modules, "the server's code is the server's"
for path in ("/work_pools/filter", "/admin/settings"):
    try:
        data = b"{}" if "filter" in path else None
        urllib.request.urlopen(urllib.request.Request(address + path, data=data))
    except urllib.error.HTTPError as error:
        print(error.code)
from tasks.reporting.links import report_link
print(report_link("raptorflow", "reports"), address)
"""
    unset = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=unset, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr.count("Error")) == (0, 0), ran.stderr
    *said, address = ran.stdout.split()
    assert said == ["401", "401", "reports"], "a report of today links to no server that is gone tomorrow"
    assert not answers(f"{address}/health")
