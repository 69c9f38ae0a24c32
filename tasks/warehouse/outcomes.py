"""How a step ended for each workspace: one that fails is recorded with its reason, and the rest goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from polars.exceptions import PanicException
from sqlalchemy import func, select

from tasks.errors import RaptorflowError, reason_of
from tasks.memory import give_back
from tasks.warehouse.database import Warehouse
from tasks.warehouse.schema import StepOutcome

logger = logging.getLogger("raptorflow")

DONE, SKIPPED, FAILED = "done", "skipped", "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One workspace's end of one step.

    Attributes:
        status: `done`, `skipped` (with the reason, such as too few rows) or `failed` (with the error).
        result: what the work returned.
        unchanged_since: when it was worked out, if that was in an earlier run and it stands.
    """

    workspace_id: str
    status: str
    reason: str | None = None
    result: dict[str, Any] = field(default_factory=dict)
    unchanged_since: datetime | None = None


Work = Callable[[str], Outcome]


class EarlierOutcomes(Protocol):
    """Outcomes of earlier runs that stand, and where new ones are kept."""

    outcomes: dict[str, Outcome]

    def remember(self, outcomes: Sequence[Outcome], run_id: str) -> None:
        """Keep those that were worked out in this run."""
        ...


def each_workspace(
    warehouse: Warehouse,
    run_id: str,
    step: str,
    workspace_ids: Sequence[str],
    work: Work,
    standing: EarlierOutcomes | None = None,
) -> list[Outcome]:
    """Do the work for each workspace and record how it ended; never raises for one workspace's sake.

    Work that was recorded as done by an earlier, killed attempt is done again: every write is idempotent, and an
    outcome alone does not prove that its results are from the same input. What does prove it is `standing`: a workspace
    whose answer stands keeps it, with the day it is from, and its work is not done.
    """
    stands = standing.outcomes if standing else {}
    # Some fifty small questions a workspace, for each of which SQLite's file would be opened. PostgreSQL's pool sees to
    # it that a connection still stands: one that was cut while a model was trained fails no workspace.
    with warehouse.one_connection() if warehouse.is_sqlite else nullcontext():
        outcomes = [stands.get(name) or _attempt(work, name, step) for name in workspace_ids]
    record(warehouse, run_id, step, outcomes)
    if standing:
        standing.remember(outcomes, run_id)
    give_back()
    return outcomes


def record(warehouse: Warehouse, run_id: str, step: str, outcomes: Sequence[Outcome]) -> None:
    """Store outcomes; the last one of a workspace and step counts."""
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {
            "run_id": run_id,
            "step": step,
            "workspace_id": outcome.workspace_id,
            "status": outcome.status,
            "reason": outcome.reason,
            "unchanged_since": outcome.unchanged_since,
            "recorded_at": now,
        }
        for outcome in outcomes
    ]
    with warehouse.begin() as connection:
        warehouse.upsert(connection, StepOutcome, rows)


def outcomes_of(warehouse: Warehouse, run_id: str) -> list[dict[str, Any]]:
    """All outcomes of a run, by step and workspace."""
    table = StepOutcome.__table__
    return warehouse.rows(
        select(table).where(StepOutcome.run_id == run_id).order_by(StepOutcome.step, StepOutcome.workspace_id)
    )


def newest_outcomes(warehouse: Warehouse) -> dict[tuple[str, str], int]:
    """How many workspaces ended how in the newest run of each step: counts by step and status."""
    last = select(StepOutcome.step, func.max(StepOutcome.recorded_at).label("at")).group_by(StepOutcome.step).subquery()
    newest = select(StepOutcome.step, StepOutcome.run_id).join(
        last, (StepOutcome.step == last.c.step) & (StepOutcome.recorded_at == last.c.at)
    )
    runs = newest.distinct().subquery()
    counted = (
        select(StepOutcome.step, StepOutcome.status, func.count().label("n"))
        .join(runs, (StepOutcome.step == runs.c.step) & (StepOutcome.run_id == runs.c.run_id))
        .group_by(StepOutcome.step, StepOutcome.status)
    )
    return {(row["step"], row["status"]): row["n"] for row in warehouse.rows(counted)}


def _attempt(work: Work, workspace_id: str, step: str) -> Outcome:
    try:
        return work(workspace_id)
    except RaptorflowError as error:
        return Outcome(workspace_id, FAILED, str(error))
    except (Exception, PanicException) as error:  # polars panics at instants that no calendar holds
        logger.exception("%s failed for one workspace", step)
        return Outcome(workspace_id, FAILED, reason_of(error))
