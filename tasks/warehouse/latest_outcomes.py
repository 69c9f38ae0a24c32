"""How each step ended last for each workspace, whichever run that was in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import func, select

from tasks.warehouse.database import Warehouse
from tasks.warehouse.freshness import LOOKED
from tasks.warehouse.outcomes import DONE
from tasks.warehouse.schema import StepOutcome, Workspace

RUNS_AT_ONCE, RUNS_LOOKED_AT = 6, 60
WIDE = 0.5  # of all workspaces: a run that went over so many went over all


def unfinished_outcomes(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Steps that ended last as failed or skipped, by workspace and step, with the reason.

    Of each step the newest run over most workspaces is read, and the runs over a few of them since. So a run by hand
    over one workspace hides no failure of another one, and a year of nights costs what one costs.
    """
    runs = recent_runs(warehouse, RUNS_LOOKED_AT)
    wide, narrow = _newest_parts(warehouse, [run["run_id"] for run in runs])
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in [*_outcomes(warehouse, wide, only_unfinished=True), *_outcomes(warehouse, narrow)]:
        newest[row["workspace_id"], row["step"]] = row
    return [newest[key] for key in sorted(newest) if newest[key]["status"] != DONE]


def _outcomes(
    warehouse: Warehouse, parts: Collection[tuple[str, str]], *, only_unfinished: bool = False
) -> list[dict[str, Any]]:
    """Outcomes of some runs' steps, the oldest first."""
    table = StepOutcome
    columns = (table.workspace_id, table.step, table.status, table.reason, table.run_id, table.recorded_at)
    statement = select(*columns).where(table.run_id.in_({run_id for run_id, _ in parts}))
    statement = statement.where(table.status != DONE) if only_unfinished else statement
    rows = warehouse.rows(statement.order_by(table.recorded_at)) if parts else []
    return [row for row in rows if (row["run_id"], row["step"]) in parts]


def recent_runs(warehouse: Warehouse, limit: int) -> list[dict[str, Any]]:
    """The newest runs that have outcomes: `run_id` and an instant at which it worked, newest first."""
    table = StepOutcome
    # One look-up a run instead of a read of every row: the table's key begins with the run, and holds no instant.
    ids = select(func.min(table.run_id).label("run_id")).cte("runs", recursive=True)
    following = select(func.min(table.run_id)).where(table.run_id > ids.c.run_id).scalar_subquery()
    ids = ids.union_all(select(following).where(ids.c.run_id.is_not(None)))
    at = select(table.recorded_at).where(table.run_id == ids.c.run_id).limit(1).scalar_subquery().label("at")
    known = select(ids.c.run_id, at).where(ids.c.run_id.is_not(None), ids.c.run_id != LOOKED)
    return warehouse.rows(known.order_by(at.desc(), ids.c.run_id).limit(limit))


def outcome_counts(warehouse: Warehouse, run_ids: Sequence[str]) -> dict[str, dict[tuple[str, str], int]]:
    """How many workspaces ended how: counts by step and status, by run."""
    table = StepOutcome
    grouped = select(table.run_id, table.step, table.status, func.count().label("n")).where(table.run_id.in_(run_ids))
    counts: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for row in warehouse.rows(grouped.group_by(table.run_id, table.step, table.status)):
        counts[row["run_id"]][row["step"], row["status"]] = row["n"]
    return dict(counts)


def _newest_parts(warehouse: Warehouse, run_ids: Sequence[str]) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Run and step, of the runs given newest first: of each step the first wide one, and those that came after it.

    Where none is wide, the widest stands for it.
    """
    counts = _counts(warehouse, run_ids)
    wide: set[tuple[str, str]] = set()
    narrow: set[tuple[str, str]] = set()
    for step in {step for _, step in counts}:
        own = [run_id for run_id in run_ids if (run_id, step) in counts]
        widest = max(counts[run_id, step] for run_id in own)
        place = next(k for k, run_id in enumerate(own) if counts[run_id, step] >= WIDE * widest)
        wide.add((own[place], step))
        narrow |= {(run_id, step) for run_id in own[:place]}
    return wide, narrow


def _counts(warehouse: Warehouse, run_ids: Sequence[str]) -> dict[tuple[str, str], int]:
    """Workspaces by run and step, of the newest runs, until each step has a wide one."""
    table = StepOutcome
    least = WIDE * warehouse.rows(select(func.count().label("n")).select_from(Workspace))[0]["n"]
    counts: dict[tuple[str, str], int] = {}
    for start in range(0, len(run_ids), RUNS_AT_ONCE):
        some = run_ids[start : start + RUNS_AT_ONCE]
        grouped = select(table.run_id, table.step, func.count().label("n")).where(table.run_id.in_(some))
        rows = warehouse.rows(grouped.group_by(table.run_id, table.step))
        counts |= {(row["run_id"], row["step"]): row["n"] for row in rows}
        if {step for _, step in counts} == {step for (_, step), n in counts.items() if n >= least}:
            break
    return counts
