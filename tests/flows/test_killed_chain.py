"""Killed at any point and run again, the chain ends with the tables of a run that nobody disturbed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from mlflow import MlflowClient

from tasks.content.sample import simulate
from tasks.settings import get_settings
from tasks.warehouse.ingestion import ingest

ROOT = Path(__file__).resolve().parents[2]
WORKSPACES = 2
# Who wrote a row and when, not what: a model file names its own time of birth, and so its bytes differ.
INCIDENTAL = {"run_id", "version_name", "artifact_sha256", "recorded_at", "started_at", "finished_at"}
INCIDENTAL |= {"trained_at", "checked_at", "charged_at", "opened_at", "closed_at"}
NOISY = {"transfer_release", "transfer_sum"}  # drawn anew by design; that they are drawn once is transfer's own test

# Runs the chain and kills itself, without a goodbye: while it writes to a table, right after that was committed, or
# when MLflow has just made a version that our own tables do not know of yet.
VICTIM = """
import os, signal, sys
from contextlib import contextmanager
from sqlalchemy import Engine, event
from tasks.warehouse.database import Warehouse

when, what = sys.argv[1:]
written = []

def die():
    os.kill(os.getpid(), signal.SIGKILL)

@event.listens_for(Engine, "after_cursor_execute")
def executed(connection, cursor, statement, *rest):
    if f"INSERT INTO {what} " in statement:
        written.append(what)
        if when == "while-writing":
            die()

original = Warehouse.begin

@contextmanager
def begin(self):
    with original(self) as connection:
        yield connection
    if written and when == "after-writing":
        die()

Warehouse.begin = begin
if when == "registered":
    from mlflow import MlflowClient
    create = MlflowClient.create_model_version
    MlflowClient.create_model_version = lambda *args, **kwargs: (create(*args, **kwargs), die())

from flows import runtime
runtime.run_by_hand("meta-learning", ["lookback_days=200", "model_types=ENGAGEMENT_PREDICTOR"])
"""

DEATHS = [
    ("while-writing", "pattern_finding"),
    ("after-writing", "transfer_release"),
    ("registered", "version"),
    pytest.param(("after-writing", "transfer_estimate"), marks=pytest.mark.slow),
    pytest.param(("after-writing", "model_deployment"), marks=pytest.mark.slow),
]


def keep_few(files: Mapping[str, Path]) -> None:
    """Leave only the first workspaces in the sample's files."""
    names = pl.read_csv(files["workspaces"])["workspace_id"].sort().head(WORKSPACES)
    for path in files.values():
        rows = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
        few = rows.filter(pl.col("workspace_id").is_in(names.implode()))
        few.write_csv(path) if path.suffix == ".csv" else few.write_parquet(path)


def chain_of(prefect_api: str, home: Path) -> dict[str, str]:
    own = {"PREFECT_API_URL": prefect_api, "PREFECT_HOME": str(home / "prefect"), "RAPTORFLOW_HOME": str(home)}
    return {name: value for name, value in os.environ.items() if not name.startswith("RAPTORFLOW_")} | own


def tables(home: Path) -> dict[str, list[Any]]:
    """All rows of the warehouse, and the versions in MLflow, without what tells only when and by whom."""
    with closing(sqlite3.connect(home / "warehouse.db")) as warehouse:
        names = [row[0] for row in warehouse.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: stripped(warehouse, name) for name in names if name not in NOISY}
    with closing(sqlite3.connect(home / "mlflow.db")) as registry:
        found["mlflow"] = registry.execute("SELECT name, version FROM model_versions ORDER BY 1, 2").fetchall()
        found["aliases"] = registry.execute(
            "SELECT name, alias, version FROM registered_model_aliases ORDER BY 1, 2"
        ).fetchall()
    return found


def stripped(warehouse: sqlite3.Connection, table: str) -> list[Any]:
    columns = [row[1] for row in warehouse.execute(f"PRAGMA table_info({table})")]
    kept = [name for name in columns if name not in INCIDENTAL]
    rows = warehouse.execute(f"SELECT DISTINCT {', '.join(kept)} FROM {table}").fetchall()
    return sorted(rows, key=repr)


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two simulated workspaces ingested, copied by each run."""
    home = tmp_path_factory.mktemp("ingested")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAPTORFLOW_HOME", str(home))
        get_settings.cache_clear()
        sample = simulate(home / "sample")
        keep_few(sample.files)
        for kind, path in sample.files.items():
            ingest(kind, [path])
        # An MLflow store takes seconds to create: the runs get it with the copy.
        MlflowClient(get_settings().mlflow_tracking_uri).search_experiments()
    get_settings.cache_clear()
    return home


def run_chain(environment: dict[str, str], *death: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", VICTIM, *(death or ("never", "nothing"))]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def undisturbed(ingested: Path, prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    """The tables after a run that nobody disturbed."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(ingested, home)
    ran = run_chain(chain_of(prefect_api, home))
    assert ran.returncode == 0, ran.stderr
    return tables(home)


@pytest.mark.parametrize("death", DEATHS, ids=" ".join)
def test_a_killed_chain_is_simply_run_again(
    death: tuple[str, str], ingested: Path, undisturbed: dict[str, list[object]], prefect_api: str, tmp_path: Path
) -> None:
    home = tmp_path / "killed"
    shutil.copytree(ingested, home)
    killed = run_chain(chain_of(prefect_api, home), *death)
    assert killed.returncode == -9, killed.stderr
    again = run_chain(chain_of(prefect_api, home))
    assert again.returncode == 0, again.stderr
    after = tables(home)
    assert after.keys() == undisturbed.keys()
    for name, rows in undisturbed.items():
        assert after[name] == rows, name
