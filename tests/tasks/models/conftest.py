"""An MLflow store of its own for each test, copied from one made once: making one takes seconds."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tasks.models.registry.mlflow_registry import Registry


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    Registry(f"sqlite:///{path}")._client  # noqa: B018 - made at first use
    with closing(sqlite3.connect(path)) as connection:  # a copy of the file alone lacks what was written ahead
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def mlflow_store(home: Path, empty_mlflow: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(empty_mlflow, home / "mlflow.db"))
