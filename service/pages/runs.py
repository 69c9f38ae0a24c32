"""Runs: the newest, by how they ended; and one, with the workspaces for which a step did not go well."""

from __future__ import annotations

from typing import Any

from service.pages.names import require_storable_id, unknown
from tasks.warehouse import Warehouse
from tasks.warehouse.latest_outcomes import outcome_counts, recent_runs
from tasks.warehouse.outcomes import DONE, FAILED, SKIPPED, outcomes_of

RUNS_SHOWN, ROWS_SHOWN = 50, 300
STATUSES = (DONE, SKIPPED, FAILED)


def runs_context(warehouse: Warehouse) -> dict[str, Any]:
    """The newest runs that have outcomes."""
    runs = recent_runs(warehouse, RUNS_SHOWN)
    counts = outcome_counts(warehouse, [run["run_id"] for run in runs])
    return {"most": RUNS_SHOWN, "runs": [run | _summed(counts.get(run["run_id"], {})) for run in runs]}


def run_context(warehouse: Warehouse, run_id: str) -> dict[str, Any]:
    """One run.

    Raises:
        ProblemError: 404 where nothing is known of it.
    """
    require_storable_id(run_id, "run")
    counts = outcome_counts(warehouse, [run_id]).get(run_id)
    if not counts:
        raise unknown("run")
    rows = sorted((row for row in outcomes_of(warehouse, run_id) if row["status"] != DONE), key=_failed_first)
    steps = sorted({step for step, _ in counts})
    table = [{"step": step} | {status: counts.get((step, status), 0) for status in STATUSES} for step in steps]
    return {"more": max(len(rows) - ROWS_SHOWN, 0), "rows": rows[:ROWS_SHOWN], "run_id": run_id, "steps": table}


def _summed(counts: dict[tuple[str, str], int]) -> dict[str, Any]:
    sums = {status: sum(n for (_, other), n in counts.items() if other == status) for status in STATUSES}
    return {"counts": sums, "steps": sorted({step for step, _ in counts})}


def _failed_first(row: dict[str, Any]) -> tuple[bool, str, str]:
    return row["status"] != FAILED, row["step"], row["workspace_id"]
