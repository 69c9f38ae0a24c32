"""Killed at any step and run again, the loop has each experiment once, and the default that it proved."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.parameters import ExperimentOrchestration
from tasks.effects.loop.drafts import LoopTerms
from tasks.experiments.orchestration_service import OrchestrationService
from tasks.warehouse import Warehouse, upgrade
from tests.chain_homes import at_home
from tests.flows.test_experiment_orchestration import fill
from tests.tasks.experiments.test_orchestration import write_open_questions
from tests.victim import When, run_chain

pytestmark = pytest.mark.slow
LOOP = ExperimentOrchestration(needs_approval=False)
STEPS = {
    "answered": ("while-writing", "experiment_proposal"),
    "approved": ("after-writing", "experiment_proposal"),
    "creating": ("while-writing", "experiment"),
    "created": ("after-writing", "experiment"),
    "holding its units": ("after-writing", "experiment_range"),
    "starting": ("after-writing", "experiment_epoch"),
}
ENDINGS = {
    "looked at": ("after-writing", "experiment_look"),
    "ending": ("while-writing", "experiment_decision"),
    "ended": ("after-writing", "experiment_decision"),
    "kept": ("after-writing", "defaults"),
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with open questions of two workspaces."""
    home = tmp_path_factory.mktemp("begun")
    with at_home(home):
        warehouse = Warehouse()
        upgrade(warehouse)
        for name in ("acme", "zenith"):
            write_open_questions(warehouse, name)
    return home


def stands(home: Path) -> list[Any]:
    """What there is: experiments as they stand, each decision once, answers and defaults."""
    with at_home(home):
        service = OrchestrationService()
        rows = []
        for name in ("acme", "zenith"):
            made = service.experiments.list_experiments(name)
            rows += sorted((name, one["name"], one["status"], one["winner"]) for one in made)
            for one in made:
                log = service.experiments.decisions(one["experiment_id"])
                assert len({row["action"] for row in log}) == len(log), "each thing was decided once"
            rows += [(row["name"], row["answer"], row["experiment_id"]) for row in service.loop.answers(name)]
            rows += [(row["statement"], row["standing"]) for row in service.loop.defaults(name)]
        return rows


def fill_first(home: Path) -> None:
    """Outcomes of one experiment, which prove it."""
    with at_home(home):
        service = OrchestrationService()
        running = [
            row for row in service.carry_out("acme", LoopTerms(), datetime.now(UTC)) if row["state"] == "running"
        ]
        fill(service, min(row["experiment_id"] for row in running))


@pytest.fixture(scope="module")
def undisturbed(begun: Path, prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(begun, home)
    assert run_chain(home, prefect_api, LOOP) == 0, (home / "stderr").read_text()
    return stands(home)


@pytest.mark.parametrize("step", STEPS)
def test_a_loop_killed_while_it_begins_is_simply_run_again(
    step: str, begun: Path, undisturbed: list[Any], prefect_api: str, tmp_path: Path
) -> None:
    death: tuple[When, str] = STEPS[step]  # type: ignore[assignment]
    home = tmp_path / "killed"
    shutil.copytree(begun, home)
    assert run_chain(home, prefect_api, LOOP, death) == -9, (home / "stderr").read_text()
    assert stands(home) != undisturbed, "it was cut off in the middle"
    assert run_chain(home, prefect_api, LOOP) == 0, (home / "stderr").read_text()
    assert stands(home) == undisturbed
    assert run_chain(home, prefect_api, LOOP) == 0, (home / "stderr").read_text()
    assert stands(home) == undisturbed, "and once more changes nothing"


@pytest.mark.parametrize("step", ENDINGS)
def test_a_loop_killed_while_it_decides_is_simply_run_again(
    step: str, begun: Path, prefect_api: str, tmp_path: Path
) -> None:
    death: tuple[When, str] = ENDINGS[step]  # type: ignore[assignment]
    home = tmp_path / "killed"
    shutil.copytree(begun, home)
    assert run_chain(home, prefect_api, LOOP) == 0, (home / "stderr").read_text()
    fill_first(home)
    assert run_chain(home, prefect_api, LOOP, death) == -9, (home / "stderr").read_text()
    assert run_chain(home, prefect_api, LOOP) == 0, (home / "stderr").read_text()
    rows = stands(home)
    assert sum(row[2:] == ("completed", "treatment") for row in rows) == 1
    assert sum(row[1:] == ("current",) for row in rows) == 1
    assert sum(row[2:3] == ("running",) for row in rows) == 4, "and the next one has its place"
