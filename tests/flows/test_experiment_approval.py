"""experiment-analysis ends nothing by itself when asked to ask first, and then what the person says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flows.experiment_analysis import experiment_analysis
from flows.parameters import ExperimentAnalysis
from tasks.errors import UnknownNameError
from tasks.experiments import ExperimentEngine
from tasks.experiments.steps import end_experiments
from tasks.warehouse import open_warehouse
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row
from tests.pausing import answered
from tests.tasks.experiments.test_experiment_steps import filled

pytestmark = pytest.mark.usefixtures("at_prefect_api")


def states(names: list[str]) -> list[tuple[str, str | None]]:
    async def read() -> list[tuple[str, str | None]]:
        engine = ExperimentEngine()
        found = [await engine.get_experiment(name) for name in names]
        return [(one.status, one.winner) for one in found]

    return asyncio.run(read())


def test_answered_experiments_wait_for_a_person_who_lets_one_go_on() -> None:
    warehouse = open_warehouse()
    store(warehouse, Workspace, [workspace_row()])
    named = [("clear", 0.4), ("as clear", 0.45), ("open", 0.1)]
    ids = [asyncio.run(filled(warehouse, name, "acme", rate)) for name, rate in named]

    def nothing_ended(form: tuple[str, dict[str, Any]]) -> None:
        said, schema = form
        assert f"**clear · acme**: bold wins, 800 units, `{ids[0]}`" in said
        assert "open" not in said
        assert sorted(schema["properties"]["leave_running"]["items"]["enum"]) == sorted(ids[:2])
        assert states(ids) == [("running", None)] * 3

    options = ExperimentAnalysis(needs_approval=True)
    answered(experiment_analysis, options, nothing_ended, end_them=False)
    assert states(ids) == [("running", None)] * 3
    answered(experiment_analysis, options, nothing_ended, end_them=True, leave_running=[ids[1]])
    assert states(ids) == [("completed", "bold"), ("running", None), ("running", None)]
    with pytest.raises(UnknownNameError, match="leave running"):
        end_experiments.fn([{"experiment_id": ids[1], "winner": "bold"}], ["exp_of_nobody"])
    assert states(ids)[1] == ("running", None)
