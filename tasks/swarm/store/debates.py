"""Debates: what they began with, how they ended, and what turned out to be right."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, select, update

from tasks.errors import UnknownNameError
from tasks.swarm.records import Brief
from tasks.swarm.scope import Scope
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Debate, DebateTurn, Experiment, ExperimentVariant

RUNNING = "running"
UNFINISHED = (RUNNING, "failed", "budget_exhausted")


def begin_debate(warehouse: Warehouse, brief: Brief, run_id: str | None) -> dict[str, Any]:
    """The debate's row as it stands, written where it is new, with turns that got no answer due again.

    A run that has begun a debate on this question gets that one: findings may have come since, the debate is the same.
    """
    with warehouse.begin() as connection:
        debate_id = brief.debate_id
        if run_id is not None:
            mine = (Debate.run_id == run_id) & (Debate.fingerprint == brief.fingerprint)
            begun = select(Debate.debate_id).where(mine).order_by(Debate.created_at).limit(1)
            debate_id = connection.execute(begun).scalar() or debate_id
        row = _new_row(brief.model_copy(update={"debate_id": debate_id}), run_id)
        warehouse.upsert(connection, Debate, [row], keep_existing=True)
        found = warehouse.rows(select(Debate.__table__).where(Debate.debate_id == debate_id), connection)[0]
        if found["status"] in UNFINISHED and found["fingerprint"] == brief.fingerprint:
            unanswered = (DebateTurn.debate_id == debate_id) & (DebateTurn.status == "failed")
            connection.execute(delete(DebateTurn).where(unanswered))
        return found


def load_debate(warehouse: Warehouse, debate_id: str) -> dict[str, Any]:
    """The debate's row.

    Raises:
        UnknownNameError: if there is no such debate.
    """
    found = warehouse.rows(select(Debate.__table__).where(Debate.debate_id == debate_id))
    if not found:
        raise UnknownNameError("debate", debate_id, fix="list them with `raptorflow debate`")
    return found[0]


def list_debates(warehouse: Warehouse, workspace_id: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest debates, of one workspace or of all."""
    statement: Select[Any] = select(Debate.__table__).order_by(Debate.created_at.desc(), Debate.debate_id).limit(limit)
    return warehouse.rows(statement if workspace_id is None else statement.where(Debate.workspace_id == workspace_id))


def graded_debates(warehouse: Warehouse, scope: Scope, within: Connection | None = None) -> list[dict[str, Any]]:
    """Debates of the scope whose outcome is known, the oldest first."""
    whose: ColumnElement[bool] = Debate.workspace_id.in_(scope.workspace_ids)
    if scope.kind != "workspace":
        whose = whose | Debate.workspace_id.is_(None)
    statement = select(Debate.__table__).where(Debate.outcome_option.is_not(None)).where(whose)
    rows = warehouse.rows(statement.order_by(Debate.created_at, Debate.debate_id), within)
    # A debate held while one organisation was alone here knew that organisation's findings: it is no one else's.
    return [row for row in rows if scope.kind != "shared" or row["brief"].get("scope") == "shared"]


def ungraded_debates(
    warehouse: Warehouse, workspace_id: str | None
) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Debates with a decision and no known outcome, each with its workspace's experiments that were won since."""
    waiting: Select[Any] = select(Debate.__table__).where(Debate.outcome_option.is_(None), Debate.option.is_not(None))
    waiting = waiting.where(Debate.workspace_id.is_not(None)).order_by(Debate.created_at, Debate.debate_id)
    if workspace_id is not None:
        waiting = waiting.where(Debate.workspace_id == workspace_id)
    debates = warehouse.rows(waiting)
    won: Select[Any] = select(Experiment.__table__).where(Experiment.winner.is_not(None))
    won = won.where(Experiment.completed_at.is_not(None)).order_by(Experiment.completed_at, Experiment.experiment_id)
    if workspace_id is not None:
        won = won.where(Experiment.workspace_id == workspace_id)
    experiments = warehouse.rows(won) if debates else []
    for one in experiments:
        arms = select(ExperimentVariant.variant_id, ExperimentVariant.description)
        rows = warehouse.rows(arms.where(ExperimentVariant.experiment_id == one["experiment_id"]))
        one["arms"] = {row["variant_id"]: row["description"] for row in rows}
    return [(row, [one for one in experiments if _answers(one, row)]) for row in debates]


def _answers(experiment: dict[str, Any], debate: dict[str, Any]) -> bool:
    is_its_own = experiment["workspace_id"] == debate["workspace_id"]
    return is_its_own and bool(experiment["completed_at"] > debate["created_at"])


def conclude_debate(warehouse: Warehouse, debate_id: str, decision: dict[str, Any]) -> None:
    """Write how the debate ended."""
    values = {name: decision[name] for name in ("status", "option", "confidence", "agreement")}
    with warehouse.begin() as connection:
        connection.execute(
            update(Debate)
            .where(Debate.debate_id == debate_id)
            .values(**values, decision=decision, concluded_at=datetime.now(UTC))
        )


def grade_debate(warehouse: Warehouse, debate_id: str, option: str, source: str) -> None:
    """Write which option turned out to be right, and who says so."""
    with warehouse.begin() as connection:
        connection.execute(
            update(Debate)
            .where(Debate.debate_id == debate_id)
            .values(outcome_option=option, outcome_source=source, graded_at=datetime.now(UTC))
        )


def _new_row(brief: Brief, run_id: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "debate_id": brief.debate_id,
        "workspace_id": brief.workspace_id,
        "fingerprint": brief.fingerprint,
    }
    row |= {"engine": brief.engine, "status": RUNNING, "option": None, "confidence": None, "agreement": None}
    row |= {"brief": brief.model_dump(mode="json"), "decision": None, "outcome_option": None, "outcome_source": None}
    return row | {"created_at": datetime.now(UTC), "concluded_at": None, "graded_at": None, "run_id": run_id}
