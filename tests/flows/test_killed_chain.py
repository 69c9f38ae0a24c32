"""Killed at any point and run again, the chain ends with the tables of a run that nobody disturbed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chain_homes import chain_environment, require_same, simulated_files, tables, take_in

ROOT = Path(__file__).resolve().parents[2]
WORKSPACES = 2
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


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two simulated workspaces ingested, copied by each run."""
    home = tmp_path_factory.mktemp("ingested")
    take_in(home, simulated_files(home / "sample", WORKSPACES))
    return home


def run_chain(environment: dict[str, str], *death: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", VICTIM, *(death or ("never", "nothing"))]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def undisturbed(ingested: Path, prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    """The tables after a run that nobody disturbed."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(ingested, home)
    ran = run_chain(chain_environment(prefect_api, home))
    assert ran.returncode == 0, ran.stderr
    return tables(home)


@pytest.mark.parametrize("death", DEATHS, ids=" ".join)
def test_a_killed_chain_is_simply_run_again(
    death: tuple[str, str], ingested: Path, undisturbed: dict[str, list[object]], prefect_api: str, tmp_path: Path
) -> None:
    home = tmp_path / "killed"
    shutil.copytree(ingested, home)
    killed = run_chain(chain_environment(prefect_api, home), *death)
    assert killed.returncode == -9, killed.stderr
    again = run_chain(chain_environment(prefect_api, home))
    assert again.returncode == 0, again.stderr
    require_same(tables(home), undisturbed)
