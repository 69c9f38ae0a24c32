"""What was said in a debate: turns, and the exchanges with a model behind them, stored as they arrive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select

from tasks.swarm.messages import Turn
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import DebateExchange, DebateTurn

Exchange = tuple[str, int, dict[str, Any]]  # turn key, number within the turn, request and reply


def save_turns(warehouse: Warehouse, debate_id: str, turns: Iterable[Turn]) -> None:
    """Write turns that cost nothing, a stage at a time."""
    rows = [_turn_row(debate_id, turn) for turn in turns]
    if rows:
        with warehouse.begin() as connection:
            warehouse.upsert(connection, DebateTurn, rows, keep_existing=True)


def keep(warehouse: Warehouse, debate_id: str, exchanges: Iterable[Exchange], turns: Iterable[Turn]) -> None:
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
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in warehouse.rows(statement.order_by(DebateExchange.turn_key, DebateExchange.attempt)):
        found[row["turn_key"]].append(row["exchange"])
    return dict(found)


def _turn_row(debate_id: str, turn: Turn) -> dict[str, Any]:
    row = {"debate_id": debate_id, "turn_key": turn.key, "status": turn.status, "recorded_at": datetime.now(UTC)}
    return row | {"turn": turn.model_dump(mode="json")}
