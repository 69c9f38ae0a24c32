"""Answers that stand: what a step found for a workspace is not worked out again while all it rested on is the same.

An answer rests on the workspace's row, on its rows in the window (their fingerprint, asked of the database), on the
step's settings, on the code that computes, and on what the step reads besides rows or has written itself (`state`: an
analysis that was deleted, a champion that was changed). What depends on the clock belongs to the state too. All of it
is one hash, the basis, stored with the answer after it was recorded: a run that is killed before has to answer again.
A failure is never remembered.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, delete, select

from tasks.warehouse.database import Warehouse
from tasks.warehouse.extraction import freeze, row_fingerprints
from tasks.warehouse.outcomes import FAILED, Outcome
from tasks.warehouse.schema import StandingAnswer, Workspace
from tasks.warehouse.snapshots import ChunkSnapshot

# What a step's answers rest on beside rows and settings, by workspace; None where it may never stand.
State = Callable[[Warehouse, Sequence[str]], Mapping[str, str | None]]


@dataclass(frozen=True)
class StepQuestion:
    """What a step is asked, the same for every workspace.

    Attributes:
        step: as in outcomes.
        settings: everything that may change an answer, as JSON holds it.
        code: hash of the code that answers, see `code_version`.
        kinds: which rows it reads: `content`, `touch`.
        state: see `State`; a function of a module, because a question is sent to other processes.
    """

    step: str
    settings: Mapping[str, Any]
    code: str
    kinds: tuple[str, ...]
    state: State

    @property
    def variant(self) -> str:
        """Short name of the settings: answers to other settings stand beside it."""
        return _sha256(dict(self.settings))[:16]

    def bases(self, warehouse: Warehouse, workspace_ids: Sequence[str], rows: Rows) -> dict[str, str]:
        """What the answers for these workspaces rest on now; none for a workspace whose answer cannot stand."""
        ids = [name for name in workspace_ids if name in rows]
        known = warehouse.rows(select(Workspace.__table__).where(Workspace.workspace_id.in_(ids)))
        about = {row["workspace_id"]: [row[name] for name in sorted(row) if name != "run_id"] for row in known}
        state = self.state(warehouse, ids)
        return {
            name: _sha256(
                [about[name], [rows[name][kind] for kind in self.kinds], dict(self.settings), self.code, state[name]]
            )
            for name in ids
            if name in about and state.get(name) is not None
        }


# Fingerprints of a workspace's rows in the window, by kind.
Rows = Mapping[str, Mapping[str, str]]


class StandingOutcomes:
    """A question put to the workspaces of a chunk: whose answers stand, and the rows of the others."""

    def __init__(self, warehouse: Warehouse, question: StepQuestion, chunk: ChunkSnapshot) -> None:
        self._warehouse, self._question, self._rows = warehouse, question, chunk.fingerprints
        self.outcomes: dict[str, Outcome] = {}
        if not chunk.is_asked_anew:
            self.outcomes = standing_answers(warehouse, question, chunk.workspace_ids, self._rows)
        self.chunk = self._with_rows(chunk)

    def _with_rows(self, chunk: ChunkSnapshot) -> ChunkSnapshot:
        """The chunk, with rows of every workspace that has to be answered: one that changed since the rows were frozen
        (a person promoted a model, say) has them frozen now."""
        changed = [name for name in chunk.workspace_ids if name not in self.outcomes]
        if chunk.frozen is None or set(changed) <= set(chunk.frozen):
            return chunk
        folder, window = chunk.content.path.parent, chunk.content.window
        rows = row_fingerprints(self._warehouse, changed, window)
        self._rows = {**self._rows, **rows}
        return replace(freeze(self._warehouse, changed, window, folder), workspace_ids=chunk.workspace_ids)

    def remember(self, outcomes: Sequence[Outcome], run_id: str) -> None:
        """Keep answers, with what they rest on now; forget those of workspaces that failed."""
        new = {outcome.workspace_id: outcome for outcome in outcomes if outcome.unchanged_since is None}
        if not new:
            return
        bases = self._question.bases(self._warehouse, list(new), self._rows)
        step, variant, now = self._question.step, self._question.variant, datetime.now(UTC)
        rows: list[dict[str, Any]] = [
            {"workspace_id": name, "step": step, "variant": variant, "basis": bases[name], "status": outcome.status}
            | {"reason": outcome.reason, "result": _packed(outcome.result), "since": now, "run_id": run_id}
            for name, outcome in new.items()
            if name in bases and outcome.status != FAILED
        ]
        gone = sorted(new.keys() - {row["workspace_id"] for row in rows})
        table = StandingAnswer
        with self._warehouse.begin() as connection:
            self._warehouse.upsert(connection, table, rows)
            connection.execute(delete(table).where(table.step == step, table.workspace_id.in_(gone)))


def standing_answers(
    warehouse: Warehouse, question: StepQuestion, workspace_ids: Sequence[str], rows: Rows
) -> dict[str, Outcome]:
    """The answers that stand, by workspace."""
    table = StandingAnswer
    named = (table.step == question.step, table.variant == question.variant, table.workspace_id.in_(workspace_ids))
    known = {row["workspace_id"]: row for row in warehouse.rows(select(table.__table__).where(*named))} if rows else {}
    if not known:
        return {}
    bases = question.bases(warehouse, list(known), rows)
    return {name: _outcome(known[name]) for name, basis in bases.items() if basis == known[name]["basis"]}


def stored_state(warehouse: Warehouse, workspace_ids: Sequence[str], *selects: Select[Any]) -> dict[str, str]:
    """A hash a workspace of what some selects answer; each names the workspace, as `workspace_id`."""
    lines: dict[str, list[str]] = defaultdict(list)
    for number, statement in enumerate(selects):
        workspace = statement.selected_columns["workspace_id"]
        for row in warehouse.rows(statement.where(workspace.in_(workspace_ids))):
            lines[row["workspace_id"]].append(f"{number} {sorted(row.items())}")
    return {name: _sha256(sorted(lines[name])) for name in workspace_ids}


def _outcome(row: Mapping[str, Any]) -> Outcome:
    result = json.loads(zlib.decompress(row["result"]))
    return Outcome(row["workspace_id"], row["status"], row["reason"], result, row["since"])


def _packed(result: Mapping[str, Any]) -> bytes:
    return zlib.compress(json.dumps(result, default=_plain).encode(), 1)


def _plain(value: Any) -> Any:
    """What JSON does not know: instants as text, arrays and their numbers as Python's."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, default=_plain, sort_keys=True).encode()).hexdigest()
