"""Debates in the warehouse, synchronously: prepared, recorded turn by turn, concluded, read again, graded.

What waits for an endpoint is not here: `tasks.swarm.debate_runner` takes the turns, and calls this to read and write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.effects.loop.service import LoopService
from tasks.errors import InputError, UnknownNameError
from tasks.learnings import LearningService
from tasks.swarm import store
from tasks.swarm.counting import final_ballots
from tasks.swarm.decision import decide
from tasks.swarm.errors import DebateMismatchError
from tasks.swarm.evidence import answered_by
from tasks.swarm.fencing import storable
from tasks.swarm.leases import Lease, LeaseAnswer
from tasks.swarm.lookups import FINDINGS, Lookup, LookupAnswer, beside_draft, findings_about, prediction
from tasks.swarm.messages import Turn
from tasks.swarm.posterior import standings
from tasks.swarm.preparation import TASK_TYPE, Findings, Roster, are_texts, debate_brief, learned_from, part_brief
from tasks.swarm.protocol import with_options
from tasks.swarm.question import Question
from tasks.swarm.records import Brief, PartPlan, Recollection
from tasks.swarm.registry_service import RegistryService
from tasks.swarm.result import result_of
from tasks.warehouse import Warehouse
from tasks.warehouse.scope import EvidenceScope, scope_of, workspace_owners

LONGEST_REASON = 1_000
MOST_RECALLED = 5


@dataclass(slots=True)
class DebateState:
    """A debate as it stands: what it began with, its turns by key (new ones are added here), whether it is over.

    One that is over keeps the decision it was given, whatever rules have come since.
    """

    brief: Brief
    turns: dict[str, Turn]
    is_over: bool
    decision: dict[str, Any] | None = None


class DebateService:
    """Debates of the warehouse that holds their experts."""

    def __init__(self, registry: RegistryService) -> None:
        self.registry = registry

    def warehouse(self) -> Warehouse:
        """The experts' warehouse, opened."""
        return self.registry.warehouse()

    def prepare(self, question: Question, roles: Sequence[Any], model: str | None) -> Brief:
        """The brief of a debate; reads, writes nothing.

        Raises:
            InputError: if a role, an agent or the workspace is not known, or an agent is named twice.
        """
        warehouse = self.warehouse()
        scope = scope_of(workspace_owners(warehouse), question.workspace_id)
        rows = store.result_rows(warehouse, scope)
        if are_texts(question.options):
            rows["decided_arm"] = store.decided_arms(warehouse, scope)
        findings = Findings(scope, rows, datetime.now(UTC))
        brief = debate_brief(question, roles, self._roster(), findings, model)
        seen = self._impressions(scope.workspace_id, findings.as_of)
        known = {"recalled": self._recalled(question.problem, scope), "impressions_a_week": seen}
        return brief.model_copy(update=known)

    def prepare_part(self, whole: Brief, plan: PartPlan) -> Brief:
        """The brief of a part's debate, from the whole's."""
        return part_brief(whole, plan, self._roster())

    def look_up(self, brief: Brief, lookup: Lookup) -> LookupAnswer:
        """What an expert asks for, of the debate's own workspace; reads, writes nothing."""
        if lookup.kind in FINDINGS:
            return findings_about(brief, lookup)
        options = beside_draft(brief, lookup)
        learned = None
        if brief.workspace_id is not None:
            warehouse, scope = self.warehouse(), EvidenceScope("workspace", (brief.workspace_id,))
            rows = {
                "decided_arm": store.decided_arms(warehouse, scope),
                "debate": store.graded_debates(warehouse, scope),
            }
            learned = learned_from(rows, options, brief.experts, brief.evidence, brief.prior_sd)
        scores, count = (learned.scores, learned.findings_count) if learned else ({}, 1.0)
        ranked = standings(options, brief.evidence, brief.prior_sd, scores, count)
        return prediction(options, ranked, learned.right if learned else None)

    def begin(self, brief: Brief, run_id: str | None) -> DebateState:
        """The debate as it stands, written where it is new.

        Raises:
            DebateMismatchError: if its id belongs to another question.
        """
        row = store.begin_debate(self.warehouse(), brief, run_id)
        if row["fingerprint"] != brief.fingerprint:
            raise DebateMismatchError(row["debate_id"])
        return self._state(row)

    def resume(self, brief: Brief) -> DebateState:
        """The debate as it stands for the one run that holds it; turns that got no answer are due again."""
        return self._state(store.resume_debate(self.warehouse(), brief.debate_id))

    def take_lease(self, debate_id: str, lease: Lease) -> LeaseAnswer:
        """Give the debate to this lease for a while, unless another one holds it."""
        return store.take_lease(self.warehouse(), debate_id, lease)

    def end_lease(self, debate_id: str, lease: Lease) -> None:
        """Let other runs hold the debate."""
        store.end_lease(self.warehouse(), debate_id, lease)

    def fail(self, debate: DebateState, crash: Exception) -> None:
        """Write that the debate broke off, and why; it can be gone on with."""
        reason = storable(" ".join(f"{type(crash).__name__}: {crash}".split()))[:LONGEST_REASON]
        ended = {"status": "failed", "reason": reason, "option": None, "confidence": None, "agreement": None}
        try:
            store.conclude_debate(self.warehouse(), debate.brief.debate_id, ended)
        except Exception as second:  # noqa: BLE001 - the first crash is the one to tell, and says this beside it
            crash.add_note(f"and it could not be written down ({type(second).__name__}: {second})")
            raise crash from None

    def exchanges(self, debate_id: str) -> dict[str, list[dict[str, Any]]]:
        """Requests to a model and its replies so far, by turn."""
        return store.exchanges_of(self.warehouse(), debate_id)

    def record_exchanges(self, debate_id: str, exchanges: Iterable[store.Exchange], turns: Iterable[Turn]) -> None:
        """Write requests with their replies, and the turns they complete, in one transaction."""
        store.record_exchanges(self.warehouse(), debate_id, exchanges, turns)

    def save_turns(self, debate_id: str, turns: Iterable[Turn]) -> None:
        """Write turns behind which there is no paid reply."""
        store.save_turns(self.warehouse(), debate_id, turns)

    def conclude(self, debate: DebateState) -> dict[str, Any]:
        """The result of a debate that has no turns left to take; its decision is written where it was not over."""
        decision = debate.decision or decide(debate.brief, debate.turns)
        if not debate.is_over:
            store.conclude_debate(self.warehouse(), debate.brief.debate_id, decision)
        return self._result(debate, decision)

    def read(self, debate_id: str) -> dict[str, Any]:
        """The debate's result as it was decided; of one that is not over, as it stands.

        Raises:
            UnknownNameError: if there is no such debate.
        """
        debate = self._state(store.load_debate(self.warehouse(), debate_id))
        return self._result(debate, debate.decision or decide(debate.brief, debate.turns))

    def is_of(self, debate_id: str, workspace_ids: Collection[str]) -> bool:
        """Whether there is such a debate, of one of these workspaces."""
        return store.is_of(self.warehouse(), debate_id, workspace_ids)

    def is_over(self, debate_id: str) -> bool:
        """Whether nothing more comes of it.

        Raises:
            UnknownNameError: if there is no such debate.
        """
        return store.load_debate(self.warehouse(), debate_id)["status"] not in store.UNFINISHED

    def replay(self, debate_id: str) -> dict[str, Any]:
        """The debate's result from its record alone.

        Raises:
            UnknownNameError: if there is no such debate.
        """
        brief = self._brief(debate_id)
        return self.conclude(DebateState(brief, store.turns_of(self.warehouse(), debate_id), is_over=True))

    def recent(self, workspace_id: str | None, limit: int = 50) -> list[dict[str, Any]]:
        """The newest debates, of one workspace or of all: the problem, how it ended, how confident, and when."""
        rows = store.list_debates(self.warehouse(), workspace_id, limit)
        hidden = ("brief", "decision", "fingerprint")
        return [
            {"problem": row["brief"]["problem"], "label": (row["decision"] or {}).get("label")}
            | {key: value for key, value in row.items() if key not in hidden}
            for row in rows
        ]

    def grade(self, debate_id: str, right_option: str, source: str) -> dict[str, float]:
        """Record which option turned out right; the scores of the experts who held one.

        Raises:
            UnknownNameError: if there is no such debate, or it has no such option.
            InputError: if it has no options at all.
        """
        brief = self._brief(debate_id)
        turns = store.turns_of(self.warehouse(), debate_id)
        settled = with_options(brief, turns)
        known = {option.id for option in settled.options}
        if not known:
            raise InputError(
                f"debate '{debate_id}' had no options, so that none can have turned out right; ask it again with the "
                "answers to choose from (`raptorflow debate ask QUESTION --option … --option …`)"
            )
        if right_option not in known:
            raise UnknownNameError("option", right_option, known)
        held = {ballot.agent: ballot.option for ballot in final_ballots(settled, turns)}
        held = {expert.agent_id: held[expert.agent_id] for expert in brief.experts}
        scores = {agent: float(option == right_option) for agent, option in held.items() if option is not None}
        graded = {"task_type": TASK_TYPE, "about": debate_id}
        if scores:
            rows = [graded | {"agent_id": agent, "score": score} for agent, score in scores.items()]
            store.save_scores(self.warehouse(), rows)
        store.grade_debate(self.warehouse(), debate_id, right_option, source)
        return scores

    def grade_decided(self, workspace_id: str | None) -> dict[str, dict[str, float]]:
        """Grade the debates that an experiment has answered since; scores by agent, by debate id."""
        graded = {}
        for row, experiments in store.ungraded_debates(self.warehouse(), workspace_id):
            brief = Brief.model_validate(row["brief"])
            options = with_options(brief, store.turns_of(self.warehouse(), row["debate_id"])).options
            answers = ((one["experiment_id"], answered_by(options, one)) for one in experiments)
            experiment_id, option = next((pair for pair in answers if pair[1] is not None), (None, None))
            if option is not None:
                graded[row["debate_id"]] = self.grade(row["debate_id"], option, f"experiment {experiment_id}")
        return graded

    def _recalled(self, problem: str, scope: EvidenceScope) -> tuple[Recollection, ...]:
        """What was learned before about the problem; shown, and counted nowhere."""
        if scope.kind == "shared":
            return ()
        learnings = LearningService(self.warehouse()).recall(problem, scope.workspace_id, MOST_RECALLED)
        names = ("kind", "statement", "basis", "still_true", "standing")
        return tuple(Recollection(**{name: getattr(one, name) for name in names}) for one in learnings)

    def _impressions(self, workspace_id: str | None, now: datetime) -> float | None:
        """Of a workspace's posts in a week, of late; None where none were counted."""
        if workspace_id is None:
            return None
        return LoopService(self.warehouse()).traffic(workspace_id, now).impressions or None

    def _result(self, debate: DebateState, decision: dict[str, Any]) -> dict[str, Any]:
        return result_of(debate.brief, debate.turns, decision, self.exchanges(debate.brief.debate_id))

    def _state(self, row: dict[str, Any]) -> DebateState:
        turns, is_over = store.turns_of(self.warehouse(), row["debate_id"]), row["status"] not in store.UNFINISHED
        return DebateState(Brief.model_validate(row["brief"]), turns, is_over, row["decision"] if is_over else None)

    def _roster(self) -> Roster:
        agents = self.registry.agents()
        return Roster(agents, self.registry.performance([agent.agent_id for agent in agents], TASK_TYPE))

    def _brief(self, debate_id: str) -> Brief:
        return Brief.model_validate(store.load_debate(self.warehouse(), debate_id)["brief"])
