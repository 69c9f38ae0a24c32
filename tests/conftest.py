"""Fixtures every room uses: an empty home, and an empty warehouse on each database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.settings import get_settings
from tasks.warehouse import Warehouse, upgrade
from tests.postgres_databases import UsedDatabases, postgres_database, postgres_url

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


@pytest.fixture(scope="session")
def used_databases(postgres_template: str) -> Iterator[UsedDatabases]:
    """Databases that tests have left as empty as they were; making one anew takes ten times as long."""
    used = UsedDatabases(postgres_template)
    yield used
    used.drop()


@pytest.fixture
def postgres_warehouse(used_databases: UsedDatabases) -> Iterator[Warehouse]:
    """An empty warehouse in a PostgreSQL database of its own, whose name no test before it has seen."""
    name = used_databases.take()
    warehouse = Warehouse(postgres_url(name))
    yield warehouse
    warehouse.engine.dispose()
    used_databases.give_back(name)


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
