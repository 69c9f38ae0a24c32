"""Killed at any point and run again, the chain ends with the tables of a run that nobody disturbed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.parameters import MetaLearning
from tests.chain_homes import require_same, simulated_files, tables, take_in
from tests.victim import When, run_chain

WORKSPACES = 2
CHAIN = MetaLearning(lookback_days=200, model_types=["ENGAGEMENT_PREDICTOR"])
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


@pytest.fixture(scope="module")
def undisturbed(ingested: Path, prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The tables after a run that nobody disturbed."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(ingested, home)
    assert run_chain(home, prefect_api, CHAIN) == 0, (home / "stderr").read_text()
    return tables(home)


@pytest.mark.parametrize("death", DEATHS, ids=" ".join)
def test_a_killed_chain_is_simply_run_again(
    death: tuple[When, str], ingested: Path, undisturbed: dict[str, list[Any]], prefect_api: str, tmp_path: Path
) -> None:
    home = tmp_path / "killed"
    shutil.copytree(ingested, home)
    assert run_chain(home, prefect_api, CHAIN, death) == -9, (home / "stderr").read_text()
    assert tables(home) != undisturbed, "it was cut off in the middle"
    assert run_chain(home, prefect_api, CHAIN) == 0, (home / "stderr").read_text()
    require_same(tables(home), undisturbed)
