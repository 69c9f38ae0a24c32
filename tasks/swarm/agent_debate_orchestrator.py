"""The guide's AgentDebateOrchestrator: puts a question to experts, and decides from their stored turns."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.swarm.debate_runner import Around, AskPerson, DebateRunner, directly
from tasks.swarm.debate_service import DebateService
from tasks.swarm.expert_agent_registry import ExpertAgentRegistry
from tasks.swarm.fencing import storable_value
from tasks.swarm.limits import Limits, configured_limits
from tasks.swarm.llm import Endpoint, configured_endpoint
from tasks.swarm.question import MOST_ROUNDS, Part, Question, check_rounds, check_strategy
from tasks.swarm.records import ConsensusStrategy, EvidenceRef
from tasks.swarm.skills import AgentRole
from tasks.warehouse import Warehouse

__all__ = ["AgentDebateOrchestrator", "ConsensusStrategy"]  # as the guide imports them


class AgentDebateOrchestrator:
    """Puts a question to experts and comes back with a decision, its reasons and its price.

    With a model configured (RAPTORFLOW_LLM_MODEL and a key or an address) the experts are language models; without
    one the evidence panel answers, and the result says which it was. A model that fails is never silently replaced.

    Args:
        agent_registry: where the experts are; its warehouse keeps the debates.
        max_rounds: most rounds a debate may have, 1 to 5, and the number it has where none is given.
        default_consensus: how votes become a decision where no strategy is given.
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
        self.service = DebateService(self.registry.service)
        self.max_rounds = check_rounds(max_rounds, MOST_ROUNDS)
        self.default_consensus = check_strategy(default_consensus)
        self.endpoint = endpoint
        self.limits = limits or configured_limits()
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
            workspace_id: whose findings may be used. None means those no other organization owns: see
                `tasks.swarm.findings`.
            debate_id: goes on with this debate; None finds it by the question and its evidence.
            extra_evidence: findings beside the warehouse's, such as the decisions of sub-debates.
            stop_at_agreement: whether agreement ends a debate earlier; False has every round held, at its price.
            in_parts: sub-debates first, side by side: True lets the lead divide the problem, Parts say how. Their
                decisions are shown to the experts of the whole. Tokens and money are shared out evenly among the whole
                and its parts; the parts have half of the time, side by side, and the whole the rest.

        Returns:
            The guide's keys, and those of `tasks.swarm.decision.decide`.

        Raises:
            InputError: for anything wrong in the arguments; nothing was stored.
        """
        given: dict[str, Any] = {
            "problem": _storable(problem),
            "rounds": self.max_rounds if rounds is None else rounds,
            "strategy": consensus_strategy or self.default_consensus,
            "context": _storable(context),
            "options": _storable(options),
            "workspace_id": workspace_id,
            "debate_id": debate_id,
            "extra_evidence": extra_evidence,
            "asks_a_person": self.ask_person is not None,
            "stop_at_agreement": stop_at_agreement,
            "in_parts": in_parts,
        }
        question = Question.checked(given, self.max_rounds)
        endpoint = self.endpoint or configured_endpoint()
        runner = DebateRunner(self.service, endpoint, self.limits, self.around, self.ask_person)
        return await runner.hold(question, list(agent_roles), run_id)

    def replay(self, debate_id: str) -> dict[str, Any]:
        """The debate's result from its record alone; no expert is asked.

        Raises:
            UnknownNameError: if there is no such debate.
        """
        return self.service.replay(debate_id)

    async def grade_debate(self, debate_id: str, right_option: str, source: str) -> dict[str, float]:
        """Record which option turned out to be right and score each expert's own vote against it.

        Args:
            source: who says so, e.g. `experiment exp_12`; never the debate itself.

        Returns:
            Scores by agent: 1 right, 0 wrong; an expert who abstained gets none. Grading twice counts once.
        """
        return await asyncio.to_thread(self.service.grade, debate_id, right_option, source)

    async def grade_decided(self, workspace_id: str | None = None) -> dict[str, dict[str, float]]:
        """Grade debates whose question an experiment of the same workspace has answered since; by debate id.

        An experiment answers a debate if it was decided after it, and its winner and another of its arms are each
        named by exactly one of the debate's options.
        """
        return await asyncio.to_thread(self.service.grade_decided, workspace_id)

    def list_debates(self, workspace_id: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """The newest debates, of one workspace or of all: the problem, how it ended, how confident, and when."""
        return self.service.recent(workspace_id, limit)


def _storable(value: Any) -> Any:
    """What a caller wrote, as both databases keep it; what is nested too deep is refused by its own check."""
    try:
        return storable_value(value)
    except RecursionError:
        return value
