"""Debates: what each began with, its turns and exchanges as they arrive, how it ended, what turned out right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, insert, select, update

from tasks.errors import UnknownNameError
from tasks.swarm.leases import Lease, LeaseAnswer, is_held
from tasks.swarm.messages import Turn
from tasks.swarm.records import Brief
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Debate, DebateExchange, DebateTurn, Experiment, ExperimentVariant
from tasks.warehouse.scope import EvidenceScope

Exchange = tuple[str, int, dict[str, Any]]  # turn key, number within the turn, request and reply

RUNNING = "running"
UNFINISHED = (RUNNING, "failed", "budget_exhausted")


def begin_debate(warehouse: Warehouse, brief: Brief, run_id: str | None) -> dict[str, Any]:
    """The debate's row as it stands, written where it is new.

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
        return warehouse.rows(select(Debate.__table__).where(Debate.debate_id == debate_id), connection)[0]


def resume_debate(warehouse: Warehouse, debate_id: str) -> dict[str, Any]:
    """The debate's row as it stands; where it is not over, turns that got no answer are due again."""
    with warehouse.begin() as connection:
        row = warehouse.rows(select(Debate.__table__).where(Debate.debate_id == debate_id), connection)[0]
        if row["status"] in UNFINISHED:
            unanswered = (DebateTurn.debate_id == debate_id) & (DebateTurn.status == "failed")
            connection.execute(delete(DebateTurn).where(unanswered))
        return row


def take_lease(warehouse: Warehouse, debate_id: str, lease: Lease) -> LeaseAnswer:
    """Give the debate to this lease; it gets it where it had it already, or where no other one stands."""
    with warehouse.begin() as connection:
        held = select(Debate.held_by, Debate.held_until).where(Debate.debate_id == debate_id).with_for_update()
        row = warehouse.rows(held, connection)[0]
        if row["held_by"] != lease.holder and is_held(row["held_by"], row["held_until"]):
            return "held"
        mine = update(Debate).where(Debate.debate_id == debate_id)
        connection.execute(mine.values(held_by=lease.holder, held_until=lease.until()))
        return "given" if row["held_by"] in (None, lease.holder) else "left behind"


def end_lease(warehouse: Warehouse, debate_id: str, lease: Lease) -> None:
    """Let others hold the debate."""
    with warehouse.begin() as connection:
        mine = update(Debate).where(Debate.debate_id == debate_id, Debate.held_by == lease.holder)
        connection.execute(mine.values(held_by=None, held_until=None))


def load_debate(warehouse: Warehouse, debate_id: str) -> dict[str, Any]:
    """The debate's row.

    Raises:
        UnknownNameError: if there is no such debate.
    """
    rows = warehouse.rows(select(Debate.__table__).where(Debate.debate_id == debate_id))
    if not rows:
        raise UnknownNameError("debate", debate_id, fix="list them with `raptorflow debate`")
    return rows[0]


def is_of(warehouse: Warehouse, debate_id: str, workspace_ids: Collection[str]) -> bool:
    """Whether there is such a debate, of one of these workspaces: one query, whatever it finds."""
    mine = (Debate.debate_id == debate_id) & Debate.workspace_id.in_(sorted(workspace_ids))
    return "\0" not in debate_id and bool(warehouse.rows(select(Debate.debate_id).where(mine)))


def list_debates(warehouse: Warehouse, workspace_id: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest debates, of one workspace or of all."""
    statement: Select[Any] = select(Debate.__table__).order_by(Debate.created_at.desc(), Debate.debate_id).limit(limit)
    return warehouse.rows(statement if workspace_id is None else statement.where(Debate.workspace_id == workspace_id))


def graded_debates(
    warehouse: Warehouse, scope: EvidenceScope, within: Connection | None = None
) -> list[dict[str, Any]]:
    """Debates of the scope whose outcome is known, the oldest first."""
    whose: ColumnElement[bool] = Debate.workspace_id.in_(scope.workspace_ids)
    if scope.kind != "workspace":
        whose = whose | Debate.workspace_id.is_(None)
    statement = select(Debate.__table__).where(Debate.outcome_option.is_not(None)).where(whose)
    rows = warehouse.rows(statement.order_by(Debate.created_at, Debate.debate_id), within)
    # A debate held while one organization was alone here knew that organization's findings: it is no one else's.
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


def save_turns(warehouse: Warehouse, debate_id: str, turns: Iterable[Turn]) -> None:
    """Write turns that cost nothing, a stage at a time."""
    rows = [_turn_row(debate_id, turn) for turn in turns]
    if rows:
        with warehouse.begin() as connection:
            warehouse.upsert(connection, DebateTurn, rows, keep_existing=True)


def record_exchanges(
    warehouse: Warehouse, debate_id: str, exchanges: Iterable[Exchange], turns: Iterable[Turn]
) -> None:
    """Write requests with their responses, and turns that are complete, in one transaction.

    Plain inserts, whose compiled SQL is cached: an upsert is compiled anew each time, which costs a debate 50 ms.
    """
    now = datetime.now(UTC)
    exchange_rows = [
        {"debate_id": debate_id, "turn_key": key, "attempt": attempt, "exchange": content, "recorded_at": now}
        for key, attempt, content in exchanges
    ]
    turn_rows = [_turn_row(debate_id, turn) for turn in turns]
    with warehouse.begin() as connection:
        if exchange_rows:
            connection.execute(insert(DebateExchange), exchange_rows)
        if turn_rows:
            connection.execute(insert(DebateTurn), turn_rows)


def turns_of(warehouse: Warehouse, debate_id: str) -> dict[str, Turn]:
    """The debate's turns by key."""
    rows = warehouse.rows(select(DebateTurn.__table__).where(DebateTurn.debate_id == debate_id))
    turns = [Turn.model_validate(row["turn"]) for row in rows]
    return {turn.key: turn for turn in turns}


def exchanges_of(warehouse: Warehouse, debate_id: str) -> dict[str, list[dict[str, Any]]]:
    """Requests and responses by turn, in order."""
    statement = select(DebateExchange.__table__).where(DebateExchange.debate_id == debate_id)
    exchanges: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in warehouse.rows(statement.order_by(DebateExchange.turn_key, DebateExchange.attempt)):
        exchanges[row["turn_key"]].append(row["exchange"])
    return dict(exchanges)


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
    """Write which option turned out to be right, and by which source."""
    with warehouse.begin() as connection:
        connection.execute(
            update(Debate)
            .where(Debate.debate_id == debate_id)
            .values(outcome_option=option, outcome_source=source, graded_at=datetime.now(UTC))
        )


def _answers(experiment: dict[str, Any], debate: dict[str, Any]) -> bool:
    is_its_own = experiment["workspace_id"] == debate["workspace_id"]
    return is_its_own and bool(experiment["completed_at"] > debate["created_at"])


def _new_row(brief: Brief, run_id: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "debate_id": brief.debate_id,
        "workspace_id": brief.workspace_id,
        "fingerprint": brief.fingerprint,
    }
    row |= {"engine": brief.engine, "status": RUNNING, "option": None, "confidence": None, "agreement": None}
    row |= {"brief": brief.model_dump(mode="json"), "decision": None, "outcome_option": None, "outcome_source": None}
    row |= {"held_by": None, "held_until": None}
    return row | {"created_at": datetime.now(UTC), "concluded_at": None, "graded_at": None, "run_id": run_id}


def _turn_row(debate_id: str, turn: Turn) -> dict[str, Any]:
    row = {"debate_id": debate_id, "turn_key": turn.key, "status": turn.status, "recorded_at": datetime.now(UTC)}
    return row | {"turn": turn.model_dump(mode="json")}
