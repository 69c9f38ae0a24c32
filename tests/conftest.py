"""Fixtures every room uses: an empty home, and an empty warehouse on each database."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from tasks.settings import get_settings
from tasks.warehouse import Warehouse, upgrade

POSTGRES_URL = os.environ.get("RAPTORFLOW_TEST_POSTGRES_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/test")
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SHARED_CASES = SHARED_DATA.with_name("cases")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty RAPTORFLOW_HOME for each test, so that none sees another's state or the developer's."""
    for name in (
        "RAPTORFLOW_DATABASE_URL",
        "MLFLOW_TRACKING_URI",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_API_VERSION",
        "RAPTORFLOW_LLM_MODEL",
        "RAPTORFLOW_LLM_MAX_COMPLETION_TOKENS",
        "RAPTORFLOW_LLM_PROMPT_PRICE",
        "RAPTORFLOW_LLM_COMPLETION_PRICE",
        "RAPTORFLOW_LLM_MAX_COST",
        "RAPTORFLOW_LLM_LOOKUPS",
        "RAPTORFLOW_AUTH",
        "RAPTORFLOW_ALLOWED_HOSTS",
        "RAPTORFLOW_INPUT_FOLDERS",
        "RAPTORFLOW_TRUSTED_PROXIES",
        "RAPTORFLOW_ALLOWED_ORIGINS",
        "RAPTORFLOW_TRUSTED_RELEASES",
        "RAPTORFLOW_HOOK_NETWORKS",
        "PREFECT_SERVER_API_AUTH_STRING",
        "PREFECT_API_AUTH_STRING",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAPTORFLOW_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    mask = os.umask(0o022)  # the command line takes others' rights away, for its process and so for ours
    yield tmp_path / "home"
    os.umask(mask)
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty file that each test copies: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "warehouse.db"
    warehouse = Warehouse(f"sqlite:///{path}")
    upgrade(warehouse)
    warehouse.engine.dispose()
    return path


@pytest.fixture
def sqlite_warehouse(sqlite_template: Path, tmp_path: Path) -> Warehouse:
    """An empty embedded warehouse."""
    shutil.copy(sqlite_template, tmp_path / "warehouse.db")
    return Warehouse(f"sqlite:///{tmp_path / 'warehouse.db'}")


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[str]:
    """Name of a migrated, empty database that each test copies; skips where no server answers."""
    with postgres_database() as name:
        warehouse = Warehouse(postgres_url(name))
        upgrade(warehouse)
        warehouse.engine.dispose()
        yield name


@pytest.fixture
def postgres_warehouse(postgres_template: str) -> Iterator[Warehouse]:
    """An empty warehouse in a PostgreSQL database of its own."""
    with postgres_database(template=postgres_template) as name:
        warehouse = Warehouse(postgres_url(name))
        yield warehouse
        warehouse.engine.dispose()


def postgres_url(name: str) -> str:
    return make_url(POSTGRES_URL).set(database=name).render_as_string(hide_password=False)


@contextmanager
def postgres_database(template: str = "template1") -> Iterator[str]:
    name = f"raptorflow_{uuid.uuid4().hex[:12]}"
    admin = create_engine(POSTGRES_URL, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    except OperationalError as error:
        pytest.skip(f"no PostgreSQL at RAPTORFLOW_TEST_POSTGRES_URL ({type(error).__name__})")
    yield name
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    """The same test on both databases."""
    found: Warehouse = request.getfixturevalue(f"{request.param}_warehouse")
    return found


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data sets; skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data beside this checkout")
    return SHARED_DATA


@pytest.fixture
def shared_cases() -> Path:
    """The folder of exports and faulty files from outside; skips where it is absent."""
    if not SHARED_CASES.is_dir():
        pytest.skip("no ../shared/cases beside this checkout")
    return SHARED_CASES
