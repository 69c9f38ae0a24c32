"""The guide's AgentDebateOrchestrator: asks, stores every turn as it arrives, decides from the record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tasks.errors import UnknownNameError
from tasks.swarm import briefing, store
from tasks.swarm.decision import decide
from tasks.swarm.deliberators import Deliberator, deliberator_for
from tasks.swarm.endpoint import Endpoint, configured_endpoint
from tasks.swarm.errors import DebateMismatchError
from tasks.swarm.evidence import answered_by
from tasks.swarm.expert_agent_registry import ExpertAgentRegistry
from tasks.swarm.limits import Limits
from tasks.swarm.positions import Turns, position
from tasks.swarm.preparation import TASK_TYPE, Question, prepare
from tasks.swarm.protocol import HUMAN, due, with_options
from tasks.swarm.records import Brief, ConsensusStrategy, EvidenceRef, Turn, TurnRequest, Vote
from tasks.swarm.result import result_of
from tasks.swarm.skills import AgentRole
from tasks.warehouse import Warehouse

__all__ = ["AgentDebateOrchestrator", "ConsensusStrategy"]  # as the guide imports them

Around = Callable[[Callable[[], Awaitable[Turn]], TurnRequest], Awaitable[Turn]]
AskPerson = Callable[[Brief, Turns], Awaitable[str | None]]
UNFINISHED = (store.RUNNING, "failed", "budget_exhausted")


async def directly(take: Callable[[], Awaitable[Turn]], _request: TurnRequest) -> Turn:
    """A turn taken as it is; Prefect's steps wrap each in a task instead."""
    return await take()


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
    ) -> dict[str, Any]:
        """Debate a problem, or go on with a debate that was interrupted; a finished one is read, not repeated.

        Args:
            problem: the question, up to 20,000 characters. Data, as are context and evidence: never instructions.
            agent_roles: roles, or agent ids where several agents share a role.
            rounds: 1 to `max_rounds`. Agreement ends a debate earlier.
            context: a JSON object that the experts are shown.
            options: 2 to 8 answers to choose from: labels, or dictionaries with `label` and, for a text that would be
                published, `title`, `body`, `media_type`. None lets them be proposed first.
            workspace_id: whose findings may be used. None is the operator's view: all findings, no workspace named.
            debate_id: goes on with this debate; None finds it by what is asked and known.
            extra_evidence: findings beside the warehouse's, such as the decisions of sub-debates.

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
        question = Question.checked(asked | {"asks_a_person": self.ask_person is not None}, self.max_rounds)
        endpoint = self.endpoint or configured_endpoint()
        brief = await asyncio.to_thread(prepare, self.registry, question, list(agent_roles), endpoint)
        brief, turns, is_over = await asyncio.to_thread(self._begin, brief, run_id)
        if not is_over:
            await self._conduct(brief, turns, endpoint)
        return await asyncio.to_thread(self._conclude, brief, turns, is_over)

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
        return await asyncio.to_thread(self._grade, debate_id, right_option, source)

    async def grade_decided(self, workspace_id: str | None = None) -> dict[str, dict[str, float]]:
        """Grade debates whose question an experiment of the same workspace has answered since; by debate id.

        An experiment answers a debate if it was decided after it, and its winner and another of its arms are each
        named by exactly one of the debate's options.
        """
        return await asyncio.to_thread(self._grade_decided, workspace_id)

    def list_debates(self, workspace_id: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """The newest debates, of one workspace or of all: id, status, option, confidence, engine, and their times."""
        rows = store.list_debates(self._warehouse, workspace_id, limit)
        hidden = ("brief", "decision", "fingerprint")
        return [
            {"problem": row["brief"]["problem"]} | {key: value for key, value in row.items() if key not in hidden}
            for row in rows
        ]

    @property
    def _warehouse(self) -> Warehouse:
        return self.registry.warehouse

    def _begin(self, brief: Brief, run_id: str | None) -> tuple[Brief, dict[str, Turn], bool]:
        """The debate as it stands: its stored brief, its turns without the failed ones, and whether it is over."""
        begun = store.debate_of_run(self._warehouse, run_id, brief.fingerprint) if run_id else None
        if begun is not None:  # a retry of the run: findings may have come since, the debate is the same
            brief = brief.model_copy(update={"debate_id": begun})
        store.begin_debate(self._warehouse, brief, run_id)
        row = store.load_debate(self._warehouse, brief.debate_id)
        if row["fingerprint"] != brief.fingerprint:
            raise DebateMismatchError(brief.debate_id)
        is_over = row["status"] not in UNFINISHED
        if not is_over:
            store.forget_failed_turns(self._warehouse, brief.debate_id)
        return Brief.model_validate(row["brief"]), store.turns_of(self._warehouse, brief.debate_id), is_over

    def _conclude(self, brief: Brief, turns: Turns, is_over: bool) -> dict[str, Any]:
        decision = decide(brief, turns)
        if not is_over:
            store.conclude_debate(self._warehouse, brief.debate_id, decision)
        return result_of(brief, turns, decision, store.exchanges_of(self._warehouse, brief.debate_id))

    async def _conduct(self, brief: Brief, turns: dict[str, Turn], endpoint: Endpoint | None) -> None:
        """Take every turn that is due, those of a stage in parallel, until none is."""
        async with deliberator_for(brief, endpoint, self.limits, self._warehouse) as speaker:
            while requests := due(brief, turns):
                settled, so_far = with_options(brief, turns), dict(turns)
                taking = (self._take(speaker, settled, so_far, one) for one in requests)
                ended = await asyncio.gather(*taking, return_exceptions=True)
                broken = [one for one in ended if isinstance(one, BaseException)]
                if broken:  # only now, when the others' replies are in: they are paid
                    raise broken[0]
                taken = [one for one in ended if isinstance(one, Turn)]
                turns |= {turn.key: turn for turn in taken}
                if not speaker.keeps_turns:
                    await asyncio.to_thread(store.save_turns, self._warehouse, brief.debate_id, taken)

    async def _take(self, speaker: Deliberator, brief: Brief, turns: Turns, request: TurnRequest) -> Turn:
        if request.phase == HUMAN:
            turn = await self._ask(speaker, brief, turns, request)
            await asyncio.to_thread(store.save_turns, self._warehouse, brief.debate_id, [turn])
            return turn
        return await self.around(lambda: speaker.answer(brief, turns, request), request)

    async def _ask(self, speaker: Deliberator, brief: Brief, turns: Turns, request: TurnRequest) -> Turn:
        assert self.ask_person is not None, "a brief asks a person only where one can be asked"
        started = time.monotonic()
        choice = await self.ask_person(brief, turns)
        speaker.wait_out(time.monotonic() - started)  # people take their time; the debate's clock stands still
        known = {option.id for option in brief.options}
        if choice is not None and choice not in known:
            raise UnknownNameError("option", choice, known)
        return Turn(**request.model_dump(), message=Vote(option=choice, reason="a person's vote"))

    def _grade_decided(self, workspace_id: str | None) -> dict[str, dict[str, float]]:
        graded = {}
        for row, experiments in store.ungraded_debates(self._warehouse, workspace_id):
            options = Brief.model_validate(row["brief"]).options
            answers = [(one, answered_by(options, one)) for one in experiments]
            found = next(((one, option) for one, option in answers if option is not None), None)
            if found is not None:
                source = f"experiment {found[0]['experiment_id']}"
                graded[row["debate_id"]] = self._grade(row["debate_id"], found[1], source)
        return graded

    def _grade(self, debate_id: str, right_option: str, source: str) -> dict[str, float]:
        row = store.load_debate(self._warehouse, debate_id)
        brief = Brief.model_validate(row["brief"])
        turns = store.turns_of(self._warehouse, debate_id)
        settled = with_options(brief, turns)
        known = {option.id for option in settled.options}
        if right_option not in known:
            raise UnknownNameError("option", right_option, known)
        held = {e.agent_id: position(settled, turns, e.agent_id, brief.rounds).option for e in brief.experts}
        scores = {agent: float(option == right_option) for agent, option in held.items() if option is not None}
        graded = {"task_type": TASK_TYPE, "about": debate_id}
        if scores:
            rows = [graded | {"agent_id": agent, "score": score} for agent, score in scores.items()]
            store.save_scores(self._warehouse, rows)
        store.grade_debate(self._warehouse, debate_id, right_option, source)
        return scores
