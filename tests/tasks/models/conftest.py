"""An MLflow store of its own for each test, copied from one made once: making one takes seconds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.models.registry import Registry


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    Registry(f"sqlite:///{path}")._client  # noqa: B018 - made at first use
    return path


@pytest.fixture
def mlflow_store(home: Path, empty_mlflow: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(empty_mlflow, home / "mlflow.db"))
