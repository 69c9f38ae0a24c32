"""The guide's AgentDebateOrchestrator: asks, stores every turn as it arrives, decides from the record."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.swarm import briefing, store
from tasks.swarm.conducting import Around, AskPerson, Conductor, directly, kept_open
from tasks.swarm.decision import decide
from tasks.swarm.endpoint import Endpoint, configured_endpoint
from tasks.swarm.errors import DebateMismatchError
from tasks.swarm.expert_agent_registry import ExpertAgentRegistry
from tasks.swarm.grading import grade, grade_decided
from tasks.swarm.limits import Limits
from tasks.swarm.messages import Turn
from tasks.swarm.positions import Turns
from tasks.swarm.preparation import prepare, prepare_part
from tasks.swarm.question import Part, Question
from tasks.swarm.records import Brief, ConsensusStrategy, EvidenceRef, PartPlan
from tasks.swarm.result import result_of
from tasks.swarm.skills import AgentRole
from tasks.warehouse import Warehouse

__all__ = ["AgentDebateOrchestrator", "ConsensusStrategy"]  # as the guide imports them


class AgentDebateOrchestrator:
    """Puts a question to experts and comes back with a decision, its reasons and its price.

    With a model configured (RAPTORFLOW_LLM_MODEL and a key or an address) the experts are language models; without
    one the evidence panel answers, and says so. A model that fails is never replaced in silence.

    Args:
        agent_registry: where the experts are; its warehouse keeps the debates.
        max_rounds: most rounds a debate may have, 1 to 5, and the number it has unless told.
        default_consensus: how votes become a decision unless told.
        endpoint: another model than the settings' one.
        limits: deadlines, budget, concurrency.
        around: wraps the taking of each turn, e.g. in a Prefect task.
        ask_person: asks a person for a vote before the closing; gives an option id, or None to abstain.
    """

    def __init__(
        self,
        agent_registry: ExpertAgentRegistry | None = None,
        max_rounds: int = 3,
        default_consensus: ConsensusStrategy | str = ConsensusStrategy.SYNTHESIS,
        *,
        warehouse: Warehouse | None = None,
        endpoint: Endpoint | None = None,
        limits: Limits | None = None,
        around: Around = directly,
        ask_person: AskPerson | None = None,
    ) -> None:
        self.registry = agent_registry or ExpertAgentRegistry(warehouse=warehouse)
        self.max_rounds = briefing.check_rounds(max_rounds, briefing.MOST_ROUNDS)
        self.default_consensus = briefing.check_strategy(default_consensus)
        self.endpoint = endpoint
        self.limits = limits or Limits()
        self.around = around
        self.ask_person = ask_person

    async def orchestrate_debate(
        self,
        problem: str,
        agent_roles: Sequence[AgentRole | str],
        rounds: int | None = None,
        consensus_strategy: ConsensusStrategy | str | None = None,
        context: Mapping[str, Any] | None = None,
        *,
        options: Sequence[Any] | None = None,
        workspace_id: str | None = None,
        debate_id: str | None = None,
        run_id: str | None = None,
        extra_evidence: Sequence[EvidenceRef] = (),
        stop_at_agreement: bool = True,
        in_parts: bool | Sequence[Part] = False,
    ) -> dict[str, Any]:
        """Debate a problem, or go on with a debate that was interrupted; a finished one is read, not repeated.

        Args:
            problem: the question, up to 20,000 characters. Data, as are context and evidence: never instructions.
            agent_roles: roles, or agent ids where several agents share a role.
            rounds: 1 to `max_rounds`.
            context: a JSON object that the experts are shown.
            options: 2 to 8 answers to choose from: labels, or dictionaries with `label` and, for a text that would be
                published, `title`, `body`, `media_type`. None lets them be proposed first.
            workspace_id: whose findings may be used. None means what is nobody else's: see `tasks.swarm.scope`.
            debate_id: goes on with this debate; None finds it by what is asked and known.
            extra_evidence: findings beside the warehouse's, such as the decisions of sub-debates.
            stop_at_agreement: whether agreement ends a debate earlier; False has every round heard, at its price.

            in_parts: sub-debates first, side by side: True lets the lead divide the problem, Parts say how. Their
                decisions are told to the experts of the whole. Tokens and money are shared out evenly among the whole
                and its parts; each has the time of `debate_seconds` for itself.

        Returns:
            The guide's keys, and those of `tasks.swarm.decision.decide`.

        Raises:
            InputError: for anything wrong in the arguments; nothing was stored.
        """
        asked: dict[str, Any] = {
            "problem": problem,
            "context": context,
            "options": options,
            "workspace_id": workspace_id,
        }
        asked |= {"rounds": self.max_rounds if rounds is None else rounds, "debate_id": debate_id}
        asked |= {"strategy": consensus_strategy or self.default_consensus, "extra_evidence": extra_evidence}
        asked |= {"stop_at_agreement": stop_at_agreement, "in_parts": in_parts}
        question = Question.checked(asked | {"asks_a_person": self.ask_person is not None}, self.max_rounds)
        endpoint = self.endpoint or configured_endpoint()
        warehouse = await asyncio.to_thread(lambda: self._warehouse)
        async with kept_open(warehouse):
            brief = await asyncio.to_thread(prepare, self.registry, question, list(agent_roles), endpoint)
            return await self._hold(brief, run_id, endpoint, self.limits)

    def replay(self, debate_id: str) -> dict[str, Any]:
        """The debate's result from its record alone; asks nobody.

        Raises:
            UnknownNameError: if there is no such debate.
        """
        brief = Brief.model_validate(store.load_debate(self._warehouse, debate_id)["brief"])
        turns = store.turns_of(self._warehouse, debate_id)
        return result_of(brief, turns, decide(brief, turns), store.exchanges_of(self._warehouse, debate_id))

    async def grade_debate(self, debate_id: str, right_option: str, source: str) -> dict[str, float]:
        """Record which option turned out to be right and score each expert's own vote against it.

        Args:
            source: who says so, e.g. `experiment exp_12`; never the debate itself.

        Returns:
            Scores by agent: 1 right, 0 wrong; an expert who abstained gets none. Grading twice counts once.
        """
        return await asyncio.to_thread(grade, self._warehouse, debate_id, right_option, source)

    async def grade_decided(self, workspace_id: str | None = None) -> dict[str, dict[str, float]]:
        """Grade debates whose question an experiment of the same workspace has answered since; by debate id.

        An experiment answers a debate if it was decided after it, and its winner and another of its arms are each
        named by exactly one of the debate's options.
        """
        return await asyncio.to_thread(grade_decided, self._warehouse, workspace_id)

    def list_debates(self, workspace_id: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """The newest debates, of one workspace or of all: what was asked, how it ended, how sure that is, and when."""
        rows = store.list_debates(self._warehouse, workspace_id, limit)
        hidden = ("brief", "decision", "fingerprint")
        return [
            {"problem": row["brief"]["problem"], "label": (row["decision"] or {}).get("label")}
            | {key: value for key, value in row.items() if key not in hidden}
            for row in rows
        ]

    @property
    def _warehouse(self) -> Warehouse:
        return self.registry.warehouse

    async def _hold(
        self, brief: Brief, run_id: str | None, endpoint: Endpoint | None, limits: Limits
    ) -> dict[str, Any]:
        brief, turns, is_over = await asyncio.to_thread(self._begin, brief, run_id)
        limits = limits.shared_by(1 + (len(brief.parts) or len(brief.teams)))
        if not is_over:

            async def hold_part(whole: Brief, plan: PartPlan) -> dict[str, Any]:
                part = await asyncio.to_thread(prepare_part, self.registry, whole, plan)
                return await self._hold(part, None, endpoint, limits)

            conductor = Conductor(self._warehouse, limits, self.around, self.ask_person, hold_part)
            await conductor.conduct(brief, turns, endpoint)
        return await asyncio.to_thread(self._conclude, brief, turns, is_over)

    def _begin(self, brief: Brief, run_id: str | None) -> tuple[Brief, dict[str, Turn], bool]:
        """The debate as it stands: its stored brief, its turns without the failed ones, and whether it is over."""
        row = store.begin_debate(self._warehouse, brief, run_id)
        if row["fingerprint"] != brief.fingerprint:
            raise DebateMismatchError(row["debate_id"])
        turns = store.turns_of(self._warehouse, row["debate_id"])
        return Brief.model_validate(row["brief"]), turns, row["status"] not in store.UNFINISHED

    def _conclude(self, brief: Brief, turns: Turns, is_over: bool) -> dict[str, Any]:
        decision = decide(brief, turns)
        if not is_over:
            store.conclude_debate(self._warehouse, brief.debate_id, decision)
        return result_of(brief, turns, decision, store.exchanges_of(self._warehouse, brief.debate_id))
