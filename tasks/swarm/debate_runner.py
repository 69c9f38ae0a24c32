"""Holds a debate: takes every turn that is due, those of a stage in parallel, and stores each as it arrives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeVar

from tasks.errors import UnknownNameError
from tasks.swarm.counting import HUMAN
from tasks.swarm.debate_service import DebateService, DebateState
from tasks.swarm.endpoint_http import open_client
from tasks.swarm.errors import DebateHeldError, DebateOvertakenError
from tasks.swarm.leases import LEASE_SECONDS, Lease, LeaseAnswer
from tasks.swarm.limits import Allowance, Limits
from tasks.swarm.llm import Endpoint, LanguageModel
from tasks.swarm.llm_deliberator import Exchange, LLMDeliberator
from tasks.swarm.lookups import Lookup, LookupAnswer
from tasks.swarm.messages import Turn, TurnRequest, Turns, Vote
from tasks.swarm.panel import EvidencePanel
from tasks.swarm.protocol import due, plans_of, turn_of_part, with_options
from tasks.swarm.question import Question
from tasks.swarm.records import Brief
from tasks.swarm.tracing import trace_debate
from tasks.warehouse import Warehouse

Take = Callable[[], Awaitable[Turn]]
Around = Callable[[Take, TurnRequest], Awaitable[Turn]]
AskPerson = Callable[[Brief, Turns], Awaitable[str | None]]
TAKEN_BY_NO_EXPERT = (HUMAN, "part")
RENEWED_EACH_SECONDS = LEASE_SECONDS / 3
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.1, 2.0

P = ParamSpec("P")
T = TypeVar("T")


async def directly(take: Take, _request: TurnRequest) -> Turn:
    """A turn taken as it is; Prefect's steps wrap each in a task instead."""
    return await take()


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Blocking work beside the event loop: a debate's one door to the warehouse, and to the reading of certificates."""
    return await asyncio.to_thread(work, *args, **kwargs)


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; where this is cancelled, only after the work, which a thread does not leave half done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


class Deliberator(Protocol):
    """One that answers turns; `keeps_turns` where it stores each as it arrives, because it is paid for."""

    keeps_turns: bool

    async def answer(self, brief: Brief, turns: Turns, request: TurnRequest) -> Turn:
        """One turn; a turn that cannot be had comes back as failed, with its excuse."""

    def wait_out(self, seconds: float) -> None:
        """Let the debate's deadline be so much later."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """What the turns of one stage have in common."""

    deliberator: Deliberator
    brief: Brief
    turns: Turns
    limits: Limits
    allowance: Allowance


@dataclass(frozen=True, slots=True)
class DebateRunner:
    """What it takes to hold a debate.

    Attributes:
        endpoint: where the experts' language model answers; None lets the evidence panel answer.
        around: wraps the taking of each turn.
        ask_person: asks a person for a vote; gives an option id, or None to abstain.
    """

    service: DebateService
    endpoint: Endpoint | None
    limits: Limits
    around: Around
    ask_person: AskPerson | None

    async def hold(self, question: Question, roles: Sequence[Any], run_id: str | None) -> dict[str, Any]:
        """Hold the debate on a question, or go on with it, and give its result.

        Where another run holds the same debate, its end is awaited, and its result given.

        Raises:
            DebateHeldError: if that one is not over when this one would have to be.
        """
        warehouse = await in_thread(self.service.warehouse)
        model = self.endpoint.model if self.endpoint else None
        async with _kept_open(warehouse):
            brief = await in_thread(self.service.prepare, question, roles, model)
            return await self._hold(brief, run_id, self.limits, Allowance.of(self.limits))

    async def _hold(self, brief: Brief, run_id: str | None, limits: Limits, allowance: Allowance) -> dict[str, Any]:
        debate = await in_thread(self.service.begin, brief, run_id)
        if debate.is_over:
            return await in_thread(self.service.conclude, debate)
        async with self._alone(debate.brief, allowance):
            debate = await in_thread(self.service.resume, debate.brief)
            if debate.is_over:  # by the run that held it until now
                return await in_thread(self.service.conclude, debate)
            parts = len(debate.brief.parts) or len(debate.brief.teams)
            try:
                await self._take_turns(debate, limits.shared_by(1 + parts), allowance)
                result = await in_thread(self.service.conclude, debate)
            except Exception as crash:
                await in_thread(self.service.fail, debate, crash)
                raise
        await in_thread(trace_debate, result)
        return result

    @asynccontextmanager
    async def _alone(self, brief: Brief, allowance: Allowance) -> AsyncIterator[None]:
        """This run alone holds the debate: two that pay an endpoint for the same turns would pay twice.

        A part is held by whoever holds its whole, and the panel's turns cost nothing.

        Raises:
            DebateOvertakenError: if another run took it over, because this one did not renew its lease in time.
        """
        if brief.engine == "evidence_panel" or brief.part_of is not None:
            yield
            return
        lease = Lease.of_this_process()
        renewing: asyncio.Task[None] | None = None
        alone: asyncio.Timeout | None = None
        try:
            allowance.was_left_behind = await self._take_lease(brief.debate_id, lease, allowance) == "left behind"
            async with asyncio.timeout(None) as alone:
                renewing = asyncio.create_task(self._renew(brief.debate_id, lease, alone))
                yield
        except TimeoutError:
            if alone is None or not alone.expired():
                raise
            raise DebateOvertakenError(brief.debate_id) from None
        finally:
            await _to_its_end(self._let_go(brief.debate_id, lease, renewing))

    async def _take_lease(self, debate_id: str, lease: Lease, allowance: Allowance) -> LeaseAnswer:
        look = FIRST_LOOK_SECONDS
        while (answer := await _to_its_end(in_thread(self.service.take_lease, debate_id, lease))) == "held":
            if allowance.left() <= look:
                raise DebateHeldError(debate_id, allowance.seconds)
            await asyncio.sleep(look)
            look = min(2.0 * look, LONGEST_LOOK_SECONDS)
        return answer

    async def _let_go(self, debate_id: str, lease: Lease, renewing: asyncio.Task[None] | None) -> None:
        if renewing is not None:
            renewing.cancel()
            await asyncio.wait([renewing])
        await in_thread(self.service.end_lease, debate_id, lease)

    async def _renew(self, debate_id: str, lease: Lease, alone: asyncio.Timeout) -> None:
        """Renew the lease until another run has it; then this one ends."""
        answer: LeaseAnswer = "given"
        while answer != "held":
            await asyncio.sleep(RENEWED_EACH_SECONDS)
            answer = await _to_its_end(in_thread(self.service.take_lease, debate_id, lease))
        alone.reschedule(asyncio.get_running_loop().time())

    async def _take_turns(self, debate: DebateState, limits: Limits, allowance: Allowance) -> None:
        """Take turns until none is due, adding them to those there are."""
        brief, turns = debate.brief, debate.turns
        under_way = {one.key for one in due(brief, turns)} if allowance.was_left_behind else set()
        held = _deliberator_for(brief, under_way, self.endpoint, limits, allowance, self.service)
        async with held as deliberator:
            while requests := due(brief, turns):
                stage = _Stage(deliberator, with_options(brief, turns), dict(turns), limits, allowance)
                started = time.monotonic()
                ended = await asyncio.gather(*(self._take(stage, one) for one in requests), return_exceptions=True)
                broken = [one for one in ended if isinstance(one, BaseException)]
                if broken:  # only now, when the others' replies are in: they are paid
                    raise broken[0]
                if requests[0].phase == HUMAN:  # people take their time, and meanwhile the debate's clock stands still
                    deliberator.wait_out(time.monotonic() - started)
                taken = [one for one in ended if isinstance(one, Turn)]
                turns |= {turn.key: turn for turn in taken}
                if not deliberator.keeps_turns:
                    await in_thread(self.service.save_turns, brief.debate_id, taken)

    async def _take(self, stage: _Stage, request: TurnRequest) -> Turn:
        if request.phase not in TAKEN_BY_NO_EXPERT:
            return await self.around(partial(stage.deliberator.answer, stage.brief, stage.turns, request), request)
        turn = await (self._ask_person(stage, request) if request.phase == HUMAN else self._hold_part(stage, request))
        await in_thread(self.service.save_turns, stage.brief.debate_id, [turn])
        return turn

    async def _hold_part(self, stage: _Stage, request: TurnRequest) -> Turn:
        plan = next(one for one in plans_of(stage.brief, stage.turns) if one.name == request.agent_id)
        part = await in_thread(self.service.prepare_part, stage.brief, plan)
        return turn_of_part(request, plan, await self._hold(part, None, stage.limits, stage.allowance.for_parts()))

    async def _ask_person(self, stage: _Stage, request: TurnRequest) -> Turn:
        assert self.ask_person is not None, "a brief asks a person only where one can be asked"
        choice = await self.ask_person(stage.brief, stage.turns)
        known = {option.id for option in stage.brief.options}
        if choice is not None and choice not in known:
            raise UnknownNameError("option", choice, known)
        return Turn(**request.model_dump(), message=Vote(option=choice, reason="a person's vote"))


class TurnWriter:
    """Stores what arrives; what arrives together is one transaction, and no turn goes on before its own is stored."""

    def __init__(self, service: DebateService, debate_id: str) -> None:
        self._service, self._debate_id = service, debate_id
        self._one_at_a_time = asyncio.Lock()
        self._exchanges: list[Exchange] = []
        self._turns: list[Turn] = []

    async def write(self, exchange: Exchange | None, turn: Turn | None) -> None:
        """Store an exchange, and the turn it completes."""
        self._exchanges += [] if exchange is None else [exchange]
        self._turns += [] if turn is None else [turn]
        async with self._one_at_a_time:
            exchanges, turns = self._exchanges, self._turns
            if exchanges or turns:  # else the holder of the lock has stored ours with its own
                self._exchanges, self._turns = [], []
                await in_thread(self._service.record_exchanges, self._debate_id, exchanges, turns)


@asynccontextmanager
async def _deliberator_for(
    brief: Brief,
    under_way: set[str],
    endpoint: Endpoint | None,
    limits: Limits,
    allowance: Allowance,
    service: DebateService,
) -> AsyncIterator[Deliberator]:
    """The deliberator of this brief's engine, closed when the debate is over.

    Args:
        under_way: turns whose requests an earlier run may have sent before it was killed.
    """
    if brief.engine == "evidence_panel":
        yield EvidencePanel()
        return
    assert endpoint is not None, "the fingerprint holds the engine: a model's debate is resumed by a model"
    recorded = await in_thread(service.exchanges, brief.debate_id)
    client = await in_thread(open_client, endpoint.base_url, limits.call_seconds)
    async with LanguageModel(client, endpoint, limits, allowance) as model:
        write = TurnWriter(service, brief.debate_id).write
        yield LLMDeliberator(model, limits, allowance, recorded, under_way, write, partial(_look_up, service))


async def _look_up(service: DebateService, brief: Brief, lookup: Lookup) -> LookupAnswer:
    return await in_thread(service.look_up, brief, lookup)


@asynccontextmanager
async def _kept_open(warehouse: Warehouse) -> AsyncIterator[None]:
    """The warehouse ready for many small transactions; waiting for it does not block the event loop."""
    opened = ExitStack()
    await in_thread(opened.enter_context, warehouse.kept_open())
    try:
        yield
    finally:
        await in_thread(opened.close)
