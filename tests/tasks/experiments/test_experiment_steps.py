from __future__ import annotations

import numpy as np

from tasks.experiments import ExperimentEngine
from tasks.experiments.steps import analyze_experiments, reports_of, running_experiments
from tasks.reporting.experiment_report import experiment_report
from tasks.warehouse import Warehouse, open_warehouse
from tasks.warehouse.outcomes import outcomes_of
from tasks.warehouse.schema import Workspace
from tests.factories import store, workspace_row

PNG = b"\x89PNG"


async def filled(warehouse: Warehouse, name: str, workspace_id: str, rate: float) -> str:
    engine = ExperimentEngine(warehouse=warehouse)
    arms = [{"name": "control"}, {"name": "bold"}]
    made = await engine.create_experiment(name, workspace_id, arms, "clicked", auto_complete=True)
    await engine.start_experiment(made.experiment_id)
    units = [f"u{i}" for i in range(800)]
    rng = np.random.default_rng(2)
    got = await engine.assign_variants(made.experiment_id, units)
    rows = [
        {"unit_id": unit, "outcome": int(rng.random() < (rate if arm == "bold" else 0.1))}
        for unit, arm in zip(units, got, strict=True)
    ]
    await engine.record_outcomes(made.experiment_id, rows)
    return made.experiment_id


async def test_the_nightly_look_completes_what_is_answered_and_asked_to() -> None:
    warehouse = open_warehouse()
    store(warehouse, Workspace, [workspace_row(), workspace_row(workspace_id="beta")])
    clear, open_one = await filled(warehouse, "clear", "acme", 0.4), await filled(warehouse, "open", "beta", 0.1)
    chunks = await asyncio_run(lambda: running_experiments.fn([], 1))
    assert chunks == [{"acme": [clear]}, {"beta": [open_one]}]
    chunks[1]["beta"].append("exp_gone")
    outcomes = [o for chunk in chunks for o in await asyncio_run(lambda c=chunk: analyze_experiments.fn(c, True, "r1"))]
    reports = {report["analysis"].name: report for report in reports_of(outcomes)}
    assert reports["clear"]["ended"].winner == "bold"
    assert reports["open"]["ended"] is None
    assert all(report["picture"].startswith(PNG) for report in reports.values())
    words = experiment_report(reports["clear"]["analysis"], completed=True)
    assert "**Ship bold: +" in words
    assert "units arrived as promised" in words
    assert "What to do" not in words, "it is done"
    assert words.index("Ship bold") < words.index("## Against the control") < words.index("| control |")
    told = {row["workspace_id"]: (row["status"], row["reason"]) for row in outcomes_of(warehouse, "r1")}
    assert told["acme"] == ("done", None)
    assert told["beta"][0] == "failed"
    assert "exp_gone" in str(told["beta"][1])


async def asyncio_run(work: object) -> object:
    """Steps start their own event loop, as they do in a flow's thread."""
    import asyncio

    return await asyncio.to_thread(work)  # type: ignore[arg-type]
