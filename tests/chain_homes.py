"""Homes with a few simulated workspaces for the nightly chain, and what its tables say whenever and by whom written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient

from tasks.content.sample import simulate
from tasks.settings import get_settings
from tasks.warehouse import Warehouse, upgrade
from tasks.warehouse.ingestion import ingest
from tests.factories import content_row, store_content

# Who wrote a row and when, not what: a model file names its own time of birth, and so its bytes differ.
INCIDENTAL = {"run_id", "version_name", "artifact_sha256", "recorded_at", "started_at", "finished_at"}
INCIDENTAL |= {"unchanged_since", "trained_at", "checked_at", "charged_at", "opened_at", "closed_at"}
# Drawn anew by design (that they are drawn once is transfer's own test), and hashes of which run wrote what.
NOISY = {"transfer_release", "transfer_sum", "standing_answer"}
MEMORY = "learning"  # and its index: it names versions, and says when; that nothing is in it twice is its own test


def simulated_files(folder: Path, workspaces: int | Collection[str]) -> Mapping[str, Path]:
    """Files of the simulated sample with its first workspaces only, or with those named."""
    files = simulate(folder).files
    names = pl.read_csv(files["workspaces"])["workspace_id"].sort()
    names = names.head(workspaces) if isinstance(workspaces, int) else pl.Series(list(workspaces))
    for path in files.values():
        rows = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
        few = rows.filter(pl.col("workspace_id").is_in(names.implode()))
        few.write_csv(path) if path.suffix == ".csv" else few.write_parquet(path)
    return files


def take_in(home: Path, files: Mapping[str, Path]) -> None:
    """Ingest the files into a home, which gets an MLflow store too: creating one takes seconds, copies have it."""
    with at_home(home):
        for kind, path in files.items():
            mapping = path.with_suffix(".yaml")
            ingest(kind, [path], mapping=mapping if mapping.exists() else None)
        MlflowClient(get_settings().mlflow_tracking_uri).search_experiments()


def posts(workspaces: int, days: int, prefix: str = "w", *, first: int = 0, hours: float = 12) -> list[dict[str, Any]]:
    """Two posts a day, or one in so many hours, of workspaces, from this number on, whose questions double their
    engagement."""
    rng = np.random.default_rng(8 + first)
    asks = rng.integers(0, 2, (workspaces, 2 * days))
    engagements = rng.poisson(20 * (1 + asks))
    return [
        content_row(hours * i, workspace_id=f"{prefix}{first + w:03}", content_id=f"c{i}")
        | {"engagements": int(engagements[w, i]), "question_count": int(asks[w, i])}
        for w in range(workspaces)
        for i in range(2 * days)
    ]


def store_posts(home: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Put posts into a home's warehouse, which is made if need be."""
    home.mkdir(parents=True, exist_ok=True)
    with at_home(home):
        warehouse = Warehouse()
        upgrade(warehouse)
        store_content(warehouse, rows)
        warehouse.engine.dispose()


@contextmanager
def at_home(home: Path, **settings: str) -> Iterator[None]:
    """This process works in that home, with these variables."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ({"RAPTORFLOW_HOME": str(home)} | settings).items():
            patch.setenv(name, value)
        get_settings.cache_clear()
        yield
    get_settings.cache_clear()


def chain_environment(prefect_api: str, home: Path) -> dict[str, str]:
    """The environment of a process that runs the chain in a home."""
    own = {"PREFECT_API_URL": prefect_api, "PREFECT_HOME": str(home / "prefect"), "RAPTORFLOW_HOME": str(home)}
    return {name: value for name, value in os.environ.items() if not name.startswith("RAPTORFLOW_")} | own


def tables(home: Path, workspaces: str = "%") -> dict[str, list[Any]]:
    """All rows of the warehouse, and the versions in MLflow, without what tells only when and by whom.

    Args:
        home: whose.
        workspaces: SQL pattern; given, only rows that name such a workspace.
    """
    with closing(sqlite3.connect(home / "warehouse.db")) as warehouse:
        names = [row[0] for row in warehouse.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: _stripped(warehouse, name, workspaces) for name in names if _is_compared(name)}
    with closing(sqlite3.connect(home / "mlflow.db")) as registry:
        for name, columns in (
            ("model_versions", "name, version"),
            ("registered_model_aliases", "name, alias, version"),
        ):
            question = f"SELECT {columns} FROM {name} WHERE name LIKE ? ORDER BY {columns}"
            found[name] = registry.execute(question, [f"{workspaces}.%"]).fetchall()
    return found


def _is_compared(table: str) -> bool:
    return table not in NOISY and not table.startswith(MEMORY)


def require_same(after: Mapping[str, list[Any]], expected: Mapping[str, list[Any]]) -> None:
    """Fail with the first table that differs."""
    assert after.keys() == expected.keys()
    for name, rows in expected.items():
        assert after[name] == rows, name


def _stripped(warehouse: sqlite3.Connection, table: str, workspaces: str) -> list[Any]:
    columns = [row[1] for row in warehouse.execute(f"PRAGMA table_info({table})")]
    kept = [name for name in columns if name not in INCIDENTAL]
    question = f"SELECT DISTINCT {', '.join(kept)} FROM {table}"
    if workspaces != "%":
        question += " WHERE workspace_id LIKE :named" if "workspace_id" in columns else " WHERE :named IS NULL"
    return sorted(warehouse.execute(question, {"named": workspaces}).fetchall(), key=repr)
