"""The loop's experiments: drafted with a plan, created once they are approved, started as far as there is room.

Every step follows from what is stored: killed anywhere and run again, it goes on where it was. What is approved is
frozen with the answer; its experiment is known by its name, so that none is made twice; starting twice changes nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from tasks.effects.loop.drafts import DraftedExperiment, LoopTerms
from tasks.effects.loop.service import LoopService
from tasks.effects.loop.store import APPROVED, DECLINED
from tasks.effects.loop.worth import HORIZON_WEEKS
from tasks.errors import InputError, UnknownNameError
from tasks.experiments.definition import COMPLETED, DRAFT, RUNNING
from tasks.experiments.errors import DamagedExperimentError, InvalidDesignError, WrongStateError
from tasks.experiments.records import ExperimentRecord
from tasks.experiments.service import ExperimentService
from tasks.warehouse import Warehouse, open_warehouse

Row = dict[str, Any]
DAYS_OF_HORIZON = 7 * HORIZON_WEEKS
OVERDUE = 2  # times its planned days
SILENT_DAYS = 3  # without an outcome: no application shows its arms
WAITING = "waiting"  # approved, and not started yet
GONE = "its experiment is not in the warehouse any more"


class OrchestrationService:
    """One warehouse's loops, a workspace at a time; the warehouse is opened by the first method that needs it."""

    def __init__(self, *, warehouse: Warehouse | None = None) -> None:
        self._given = warehouse

    @cached_property
    def experiments(self) -> ExperimentService:
        """The experiments."""
        return ExperimentService(warehouse=open_warehouse(self._given))

    @cached_property
    def loop(self) -> LoopService:
        """What is worth a test, and what was answered."""
        return LoopService(open_warehouse(self._given))

    def propose(self, workspace_id: str, terms: LoopTerms, now: datetime) -> list[DraftedExperiment]:
        """The best drafts for which there is room, with their sizes; those that would not end in time are passed over.

        Raises:
            UnknownNameError: if there is no such workspace.
        """
        defined = {row["name"]: row for row in self.experiments.list_metrics(workspace_id)}
        room = terms.most_running - len(self._open(workspace_id))
        drafts = self.loop.drafts(workspace_id, terms, defined, now) if room > 0 else []
        return [one for one, _ in zip(self._planned(drafts), range(room), strict=False)]

    def _planned(self, drafts: Sequence[DraftedExperiment]) -> Iterator[DraftedExperiment]:
        for one in drafts:
            wanted = one.definition
            design = {name: wanted[name] for name in ("min_effect_size", "confidence_level", "power", "daily_units")}
            baseline = (wanted["baseline"][0], wanted["baseline"][1])
            plan = self.experiments.plan_experiment(baseline, wanted.get("metric_kind"), **design)
            if plan.expected_days is None or plan.expected_days < DAYS_OF_HORIZON:
                yield one.with_plan(plan.units_per_arm, plan.expected_days)

    def _open(self, workspace_id: str) -> list[Row]:
        """What was approved and has not ended; nor what is not there any more, which never would."""
        approved = self._approved(workspace_id)
        status = self._status_of_each(workspace_id)
        return [
            row
            for row in approved
            if row["experiment_id"] is None or status.get(row["experiment_id"], COMPLETED) != COMPLETED
        ]

    def _status_of_each(self, workspace_id: str) -> dict[str, str]:
        """By experiment. Read after approvals, which name none before it is there."""
        known = self.experiments.store.definitions.experiments(workspace_id)
        return {row["experiment_id"]: row["status"] for row in known}

    def carry_out(self, workspace_id: str, terms: LoopTerms, now: datetime) -> list[Row]:
        """Create what is approved, start what there is room for, and say how everything stands that was answered.

        Returns:
            A row each: `name`, `key`, `state` (waiting, running, completed, declined, or left), `needs` (what a person
            has to do, or None), `why` it stands so, `claim` in words, `experiment_id`.
        """
        approved = self._approved(workspace_id)
        status = self._status_of_each(workspace_id)
        approved = [row for row in approved if not (self._rests_as_gone(row, status, now) or self._is_left(row))]
        known = {row["proposal_key"]: made for row in approved if (made := self._created(row)) is not None}
        approved = [row for row in approved if row["proposal_key"] in known]
        running = sum(isinstance(one, ExperimentRecord) and one.status == RUNNING for one in known.values())
        stand = []
        for row in approved:
            made, why = known[row["proposal_key"]], None
            if isinstance(made, ExperimentRecord) and made.status == DRAFT:
                made, why = self._started(made, running < terms.most_running)
                running += made.status == RUNNING
            stand.append(self._standing(row, made, why, now))
        shown = {row["proposal_key"] for row in approved}
        answers = (row for row in self.loop.answers(workspace_id) if row["answer"] != APPROVED)
        others = [row for row in answers if row["proposal_key"] not in shown]
        return stand + [_answered(row, row["answer"], row["reason"]) for row in others]

    def withdraw(self, workspace_id: str, which: str, actor: str, reason: str, now: datetime) -> Row:
        """Take back an approval of what has not started: it rests like what was declined, and is then proposed again.

        Killed in between, it is simply withdrawn again.

        Args:
            workspace_id: whose it is.
            which: its name, the key of what it would settle, or its experiment's id.
            actor, reason: who takes it back, and why.
            now: from when on it rests.

        Raises:
            UnknownNameError: if nothing by this name is approved.
            WrongStateError: if it runs or has ended; names what to do instead.
        """
        while True:  # again, where a run made its experiment since it was read
            approved = self._approved(workspace_id)
            about = ("name", "proposal_key", "experiment_id")
            row = next((row for row in approved if which in [row[name] for name in about]), None)
            if row is None:
                raise UnknownNameError("approved experiment", which, [row["name"] for row in approved])
            made = row["experiment_id"] or self._made_unkept(row)
            if made is not None and made in self._status_of_each(workspace_id):
                self.experiments.withdraw_draft(made, actor, reason)
            if self.loop.withdraw(row, actor, reason, now):
                return _answered(row, DECLINED, reason)

    def how_to_withdraw(self, record: ExperimentRecord) -> str | None:
        """The command that takes an approval back whose experiment has not started; None of one that has no such."""
        waits = record.status == DRAFT and record.conclusion is None
        approved = self._approved(record.workspace_id) if waits else []
        if record.experiment_id not in [row["experiment_id"] for row in approved]:
            return None
        which = [record.experiment_id, "--workspace", record.workspace_id, "--reason", "WHY"]
        return shlex.join(["raptorflow", "experiment", "withdraw", *which])

    def _made_unkept(self, row: Row) -> str | None:
        """The experiment that a run made of an approved draft, and was killed before it could keep its id."""
        there = self.experiments.store.definitions.named(row["workspace_id"], row["name"])
        is_made = there and there[0]["hypothesis"] == row["definition"].get("hypothesis")
        return str(there[0]["experiment_id"]) if is_made else None

    def _approved(self, workspace_id: str) -> list[Row]:
        return [row for row in self.loop.answers(workspace_id) if row["answer"] == APPROVED]

    def _is_left(self, row: Row) -> bool:
        """What somebody began to test by another experiment, before this one was made, is left to that one."""
        workspace_id, key, name = row["workspace_id"], row["proposal_key"], row["name"]
        if row["experiment_id"] is not None or self._made_unkept(row) is not None:
            return False
        there = self.experiments.store.definitions.named(workspace_id, name)
        other = name if there else self.loop.tested_elsewhere(workspace_id, key, name)
        if other is not None:
            self.loop.leave(workspace_id, key, f"'{other}' tests it already")
        return other is not None

    def _created(self, row: Mapping[str, Any]) -> ExperimentRecord | str | None:
        """The experiment of an approved draft, made if need be; or, in words, why there is none.

        None where the approval was taken back meanwhile.
        """
        definitions, workspace_id = self.experiments.store.definitions, row["workspace_id"]
        if row["experiment_id"] is not None:
            return self._as_stored(row["experiment_id"])
        there = definitions.named(workspace_id, row["name"])
        if not there:
            try:
                self.experiments.create_experiment(workspace_id=workspace_id, **row["definition"])
            except (InputError, TypeError) as error:  # a metric that was defined anew, a draft that is damaged
                return f"it cannot be created: {error}"
            there = definitions.named(workspace_id, row["name"])
        made = there[0]["experiment_id"]
        if not self.loop.became(workspace_id, row["proposal_key"], made):
            self.experiments.withdraw_draft(made, row["actor"], "the approval was taken back as it was made")
            return None
        return self._as_stored(made)

    def _as_stored(self, experiment_id: str) -> ExperimentRecord | str:
        """The experiment; in words, where what is stored of it is damaged: the others go on."""
        try:
            return self.experiments.get_experiment(experiment_id)
        except DamagedExperimentError as error:
            return str(error)

    def _rests_as_gone(self, row: Row, status: Mapping[str, str], now: datetime) -> bool:
        """Let an approval rest whose experiment is in the warehouse no more: nobody can wait for it, or end it."""
        is_gone = row["experiment_id"] is not None and row["experiment_id"] not in status
        if is_gone:
            self.loop.withdraw(row, row["actor"], GONE, now)
        return is_gone

    def _started(self, made: ExperimentRecord, there_is_room: bool) -> tuple[ExperimentRecord, str | None]:
        """The experiment, running if there is room; else why it waits."""
        if not there_is_room:
            return made, "waits until another one ends"
        try:
            return self.experiments.start_experiment(made.experiment_id, though_withdrawn=False), None
        except (InvalidDesignError, WrongStateError) as error:
            return made, str(error)

    def _standing(self, row: Row, made: ExperimentRecord | str, why: str | None, now: datetime) -> Row:
        if isinstance(made, str):
            return _answered(row, WAITING, made) | {"needs": made}
        state = WAITING if made.status == DRAFT else made.status
        about: Row = {"experiment_id": made.experiment_id, "started_at": made.started_at, "conclusion": made.conclusion}
        about |= {"winner": made.winner, "units_per_arm": made.planned_units_per_arm, "days": made.expected_days}
        needs = self._overdue(made, now) if state == RUNNING else None
        return _answered(row, state, why) | about | {"needs": needs}

    def _overdue(self, made: ExperimentRecord, now: datetime) -> str | None:
        """What a person has to do about one that runs and comes to nothing."""
        assert made.started_at is not None
        since = now - made.started_at
        look = self.experiments.last_result(made.experiment_id)
        if look["n"] == 0 and since > timedelta(days=SILENT_DAYS):
            return f"runs for {since.days} days and has no outcome: let your application ask it for arms, or stop it"
        if made.expected_days is not None and since > OVERDUE * timedelta(days=made.expected_days):
            return f"runs for {since.days} days of {made.expected_days} planned and has no answer: stop or decide it"
        return None


def _answered(row: Row, state: str, why: str | None) -> Row:
    about = {"workspace_id": row["workspace_id"], "name": row["name"], "key": row["proposal_key"], "state": state}
    about |= {"why": why, "claim": row["claim"]["words"], "actor": row["actor"], "answered_at": row["answered_at"]}
    nothing = dict.fromkeys(("needs", "experiment_id", "started_at", "conclusion", "winner", "units_per_arm", "days"))
    return nothing | about | {"experiment_id": row["experiment_id"], "by_lot": row["by_lot"]}
