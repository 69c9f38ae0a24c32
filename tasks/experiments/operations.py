"""The engine's work, in a thread: each method of the engine has its synchronous half here or beneath."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from tasks.errors import UnknownNameError
from tasks.experiments import definition
from tasks.experiments.definition import Definition, as_record
from tasks.experiments.design import Design
from tasks.experiments.errors import WrongStateError
from tasks.experiments.findings import Analysis
from tasks.experiments.looking import COMPLETED, DRAFT, RUNNING
from tasks.experiments.records import ExperimentRecord
from tasks.experiments.store import Row
from tasks.experiments.traffic import Traffic
from tasks.warehouse.frames import find_workspace


class Operations(Traffic):
    """Experiments in one warehouse, from creation to completion."""

    def create(self, asked: Definition, salt: str | None) -> ExperimentRecord:
        """Write a new experiment, or find the one that is asked for again."""
        find_workspace(self.store.warehouse, asked.workspace_id)
        existing = self.store.named(asked.workspace_id, asked.name)
        done = [row for row in existing if row["status"] == COMPLETED]
        identifier = definition.experiment_id_of(asked.workspace_id, asked.name, len(done))
        if len(done) == len(existing):
            self.store.create(*asked.rows(identifier, salt or secrets.token_hex(16), datetime.now(UTC)))
        stored = self.store.find(identifier)
        asked.require_same(*stored)
        return as_record(*stored)

    def start(self, experiment_id: str) -> ExperimentRecord:
        """Freeze the design and put its weights in force."""
        experiment, variants, _ = self.store.find(experiment_id)
        if experiment["status"] == COMPLETED:
            raise WrongStateError(experiment_id, COMPLETED, "it cannot start again", "create a new one")
        now = datetime.now(UTC)
        first = {"experiment_id": experiment_id, "epoch": 0, "weights": [row["weight"] for row in variants]}
        self.store.add_epoch(first | {"reason": "as designed", "outcomes_before": 0, "started_at": now})
        if experiment["status"] == DRAFT:
            evidence = {"design": experiment["design"], "planned_units_per_arm": experiment["planned_units_per_arm"]}
            self.store.change(experiment_id, "started", now, evidence, status=RUNNING, started_at=now)
        return as_record(*self.store.find(experiment_id))

    def complete(self, experiment_id: str, winner: str | None) -> ExperimentRecord:
        """End the experiment."""
        experiment, variants, metrics = self.store.find(experiment_id)
        names = [row["variant_id"] for row in variants]
        if winner is not None and str(winner) not in names:
            raise UnknownNameError("variant", winner, names)
        if experiment["status"] == COMPLETED and winner in (None, experiment["winner"]):
            return as_record(experiment, variants, metrics)
        if experiment["status"] != RUNNING:
            raise WrongStateError(
                experiment_id, experiment["status"], "only a running one is completed", "see its record"
            )
        found = self.analyze(experiment_id)
        chosen = found.winner if winner is None else str(winner)
        now, columns = datetime.now(UTC), {"winner": chosen, "conclusion": definition.conclusion(found, chosen)}
        evidence: Row = {
            "status": found.status.value,
            "proven_winner": found.winner,
            "p_value": found.p_value,
            "n": found.n,
        }
        evidence |= columns | {"effects": [effect.as_dict() for effect in found.effects]}
        self.store.change(experiment_id, "completed", now, evidence, status=COMPLETED, completed_at=now, **columns)
        self._plans.pop(experiment_id, None)
        ended = as_record(*self.store.find(experiment_id))
        if ended.winner != chosen:
            told = f"another process was first and completed it with winner {ended.winner!r}, not {chosen!r}"
            raise WrongStateError(experiment_id, COMPLETED, told, "see its log of decisions")
        return ended

    def complete_if_decided(self, found: Analysis) -> ExperimentRecord | None:
        """End it if it has an answer and its creation asked for that."""
        experiment, _, _ = self.store.find(found.experiment_id)
        if not found.is_answered or not Design.from_json(experiment["design"]).auto_complete:
            return None
        return self.complete(found.experiment_id, found.winner)
