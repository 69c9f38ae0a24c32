"""Looks and decisions: an append-only log, each entry sealed by a hash over the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select

from tasks.experiments.definition import COMPLETED
from tasks.experiments.store.rows import Row, rows_of
from tasks.warehouse import Warehouse
from tasks.warehouse.outbox import HookEvent, tell_hooks
from tasks.warehouse.schema import Experiment, ExperimentDecision, ExperimentLook


class DecisionLog:
    """What was seen when, and what was decided on it, in one warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def looks(self, experiment_id: str) -> list[Row]:
        """All looks, in order."""
        return rows_of(self.warehouse, ExperimentLook, experiment_id, ExperimentLook.look)

    def counts(self, experiment_id: str) -> list[Row]:
        """When each look was taken and how many units it saw, in order."""
        table = ExperimentLook
        mine = select(table.looked_at, table.n).where(table.experiment_id == experiment_id)
        return self.warehouse.rows(mine.order_by(table.look))

    def last_look(self, experiment_id: str) -> Row | None:
        """The newest look."""
        table = ExperimentLook
        mine = select(table.__table__).where(table.experiment_id == experiment_id)
        newest = self.warehouse.rows(mine.order_by(table.look.desc()).limit(1))
        return newest[0] if newest else None

    def last_looks(self, workspace_id: str | None, found: Collection[str] = ()) -> dict[str, Row]:
        """What the newest look of every experiment came to, of a workspace or of all, by the experiment's id.

        The evidence that the next look goes on from stays where it is: it is most of a look, and no list shows it.

        Args:
            workspace_id: whose; None: everybody's.
            found: only looks that came to one of these, or proved several arms better than the control; empty: all.
        """
        table, newest = ExperimentLook, ExperimentLook.__table__.alias("newest")
        last = select(func.max(newest.c.look)).where(newest.c.experiment_id == table.experiment_id).scalar_subquery()
        texts = [table.result[name].as_string().label(name) for name in ("status", "headline", "winner")]
        better, p_value = table.result["better_than_control"].as_json(), table.result["p_value"].as_float()
        expected = table.result[("forecast", "by")].as_string().label("expected_at")
        columns = (table.experiment_id, table.n, table.looked_at, *texts, better.label("better_than_control"), expected)
        query = select(*columns, p_value.label("p_value")).where(table.look == last)
        if found:
            several = table.result["better_than_control"].as_string().like("%,%")
            query = query.where(or_(table.result["status"].as_string().in_(found), several))
        if workspace_id is not None:
            mine = select(Experiment.experiment_id).where(Experiment.workspace_id == workspace_id)
            query = query.where(table.experiment_id.in_(mine))
        return {row["experiment_id"]: row for row in self.warehouse.rows(query)}

    def add_look(self, look: Row) -> None:
        """Keep a look; the same data are one look."""
        with self.warehouse.begin() as connection:
            self.warehouse.upsert(connection, ExperimentLook, [look], keep_existing=True)

    def decisions(self, experiment_id: str) -> list[Row]:
        """The log, in order."""
        return rows_of(self.warehouse, ExperimentDecision, experiment_id, ExperimentDecision.sequence)

    def append(self, connection: Connection, experiment_id: str, action: str, now: datetime, evidence: Row) -> None:
        """Add a decision within a transaction.

        The experiment's row is locked first, so that two processes never continue the same entry.
        """
        mine = Experiment.experiment_id == experiment_id
        connection.execute(select(Experiment.status).where(mine).with_for_update())
        table = ExperimentDecision
        last = connection.execute(
            select(table.sequence, table.sha256)
            .where(table.experiment_id == experiment_id)
            .order_by(table.sequence.desc())
            .limit(1)
        ).first()
        sequence, before = (last[0] + 1, last[1]) if last else (0, "")
        entry = {"experiment_id": experiment_id, "sequence": sequence, "action": action, "actor": "engine"}
        entry |= {"evidence": _jsonable(evidence), "recorded_at": now}
        entry["sha256"] = sealed(entry, before)
        self.warehouse.upsert(connection, table, [entry], keep_existing=True)
        if action == COMPLETED:
            self._tell_hooks(connection, experiment_id, evidence)

    def _tell_hooks(self, connection: Connection, experiment_id: str, evidence: Row) -> None:
        mine = select(Experiment.workspace_id, Experiment.name).where(Experiment.experiment_id == experiment_id)
        workspace_id, name = connection.execute(mine).one()
        data = {"name": name} | {one: evidence.get(one) for one in ("conclusion", "winner", "p_value", "n")}
        tell_hooks(self.warehouse, connection, HookEvent.EXPERIMENT_DECIDED, workspace_id, (experiment_id,), data)


def sealed(entry: Mapping[str, Any], before: str) -> str:
    """Hash over an entry of the log and the entry before it: nothing in between can change unnoticed."""
    sealing = {name: entry[name] for name in ("experiment_id", "sequence", "action", "actor", "evidence")}
    text = json.dumps(sealing, sort_keys=True, default=str) + entry["recorded_at"].isoformat() + before
    return hashlib.sha256(text.encode()).hexdigest()


def _jsonable(evidence: Row) -> Row:
    plain: Row = json.loads(json.dumps(evidence, default=str))
    return plain
