"""Learnings and their words in the warehouse; every read is within a scope."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, text, update

from tasks.learnings.search_words import scope_key
from tasks.learnings.store.search import change_counts, finish_index, index_rows
from tasks.warehouse import Warehouse
from tasks.warehouse.schema import Learning, Workspace
from tasks.warehouse.scope import EvidenceScope

AT_A_TIME = 500
Row = dict[str, Any]


def save_learnings(warehouse: Warehouse, workspace_id: str | None, rows: Sequence[Row]) -> int:
    """Write the learnings of one workspace that are new or say something else now; returns how many those are.

    The same learning is one row however often it is learned, and the index follows in the same transaction.
    """
    written = 0
    with warehouse.begin() as connection:
        _wait_for_others(connection, workspace_id)
        for start in range(0, len(rows), AT_A_TIME):
            written += _save_some(warehouse, connection, workspace_id, rows[start : start + AT_A_TIME])
        if written:
            finish_index(warehouse, connection)
    return written


def _save_some(warehouse: Warehouse, connection: Connection, workspace_id: str | None, rows: Sequence[Row]) -> int:
    table = Learning
    ids = [row["learning_id"] for row in rows]
    stored = warehouse.rows(select(table.__table__).where(table.learning_id.in_(ids)), connection)
    known = {row["learning_id"]: row for row in stored}
    changed = [row for row in rows if _says_otherwise(known.get(row["learning_id"]), row)]
    other_words = [row for row in changed if known.get(row["learning_id"], {}).get("words") != row["words"]]
    scope = scope_key(workspace_id)
    before = [known[row["learning_id"]]["words"] for row in other_words if row["learning_id"] in known]
    change_counts(warehouse, connection, scope, before, [row["words"] for row in other_words])
    index_rows(warehouse, connection, [row | {"scope": scope} for row in other_words])
    warehouse.upsert(connection, table, changed)
    return len(changed)


def _says_otherwise(stored: Row | None, row: Row) -> bool:
    return stored is None or any(stored[name] != value for name, value in row.items() if name != "run_id")


def _wait_for_others(connection: Connection, workspace_id: str | None) -> None:
    """Two that write one workspace's learnings count its words one after the other."""
    if workspace_id is None:
        if connection.dialect.name != "sqlite":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('raptorflow learnings'))"))
        return
    connection.execute(select(Workspace.name).where(Workspace.workspace_id == workspace_id).with_for_update())


def mark_not_seen(warehouse: Warehouse, workspace_id: str, kind: str, seen: Sequence[str], reason: str) -> None:
    """Say of a workspace's learnings of a kind that its newest answers no longer hold them."""
    table = Learning
    mine = (table.workspace_id == workspace_id, table.kind == kind, table.standing == "current")
    with warehouse.begin() as connection:
        held = {row[0] for row in connection.execute(select(table.learning_id).where(*mine))}
        gone = sorted(held - set(seen))
        for start in range(0, len(gone), AT_A_TIME):
            some = table.learning_id.in_(gone[start : start + AT_A_TIME])
            values = {"standing": "not_seen_again", "standing_reason": reason}
            connection.execute(update(table).where(*mine, some).values(**values))


def untold_learnings(warehouse: Warehouse) -> list[Row]:
    """Learnings that still hold and that operators have not read of: by workspace, what rests on most first."""
    table = Learning
    columns = (table.learning_id, table.workspace_id, table.kind, table.statement)
    effects = (table.effect, table.effect_low, table.effect_high, table.interval_level)
    wanted = select(*columns, *effects).where(table.told_at.is_(None), table.standing == "current")
    return warehouse.rows(wanted.order_by(table.workspace_id, table.kind, table.learned_at.desc(), table.learning_id))


def note_told(warehouse: Warehouse, learning_ids: Sequence[str], now: datetime) -> None:
    """Remember that operators read of these."""
    with warehouse.begin() as connection:
        for start in range(0, len(learning_ids), AT_A_TIME):
            some = Learning.learning_id.in_(learning_ids[start : start + AT_A_TIME])
            connection.execute(update(Learning).where(some, Learning.told_at.is_(None)).values(told_at=now))


def learnings_of(
    warehouse: Warehouse, connection: Connection, scope: EvidenceScope, learning_ids: Sequence[str]
) -> dict[str, Row]:
    """Those of the ids that the scope may read, by id.

    Read by key and then told apart: SQLite would rather go through all of a workspace's rows than a few keys.
    """
    rows = warehouse.rows(select(Learning.__table__).where(Learning.learning_id.in_(learning_ids)), connection)
    return {row["learning_id"]: row for row in rows if may_read(scope, row["workspace_id"])}


def newest_of(warehouse: Warehouse, workspace_id: str, limit: int) -> list[Row]:
    """A workspace's own learnings, those that were learned or confirmed last first."""
    mine = select(Learning.__table__).where(Learning.workspace_id == workspace_id)
    return warehouse.rows(mine.order_by(Learning.confirmed_at.desc(), Learning.learning_id).limit(limit))


def may_read(scope: EvidenceScope, workspace_id: str | None) -> bool:
    """Whether a scope holds a workspace's learnings, or those of none where one organization is alone here."""
    return workspace_id in scope.workspace_ids if workspace_id is not None else scope.kind == "organisation"
