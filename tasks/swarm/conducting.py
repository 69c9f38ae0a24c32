"""Takes every turn that is due, those of a stage in parallel, and stores each as it arrives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tasks.errors import UnknownNameError
from tasks.swarm import store
from tasks.swarm.deliberators import Deliberator, deliberator_for
from tasks.swarm.endpoint import Endpoint
from tasks.swarm.limits import Limits
from tasks.swarm.messages import Turn, TurnRequest, Vote
from tasks.swarm.parts import plans_of, turn_of_part
from tasks.swarm.positions import Turns
from tasks.swarm.protocol import HUMAN, due, with_options
from tasks.swarm.records import Brief, PartPlan
from tasks.warehouse import Warehouse

Take = Callable[[], Awaitable[Turn]]
Around = Callable[[Take, TurnRequest], Awaitable[Turn]]
AskPerson = Callable[[Brief, Turns], Awaitable[str | None]]
HoldPart = Callable[[Brief, PartPlan], Awaitable[Mapping[str, Any]]]
# People take their time, and parts have limits of their own: meanwhile the debate's clock stands still.
OWN_CLOCK = (HUMAN, "part")


async def directly(take: Take, _request: TurnRequest) -> Turn:
    """A turn taken as it is; Prefect's steps wrap each in a task instead."""
    return await take()


@dataclass(frozen=True, slots=True)
class Conductor:
    """What it takes to hold a debate.

    Attributes:
        around: wraps the taking of each turn.
        ask_person: asks a person for a vote; gives an option id, or None to abstain.
        hold_part: holds the debate of a part and gives its result.
    """

    warehouse: Warehouse
    limits: Limits
    around: Around
    ask_person: AskPerson | None
    hold_part: HoldPart

    async def conduct(self, brief: Brief, turns: dict[str, Turn], endpoint: Endpoint | None) -> None:
        """Take turns until none is due, adding them to those there are."""
        async with deliberator_for(brief, endpoint, self.limits, self.warehouse) as speaker:
            while requests := due(brief, turns):
                settled, so_far, started = with_options(brief, turns), dict(turns), time.monotonic()
                taking = (self._take(speaker, settled, so_far, one) for one in requests)
                ended = await asyncio.gather(*taking, return_exceptions=True)
                broken = [one for one in ended if isinstance(one, BaseException)]
                if broken:  # only now, when the others' replies are in: they are paid
                    raise broken[0]
                if requests[0].phase in OWN_CLOCK:
                    speaker.wait_out(time.monotonic() - started)
                taken = [one for one in ended if isinstance(one, Turn)]
                turns |= {turn.key: turn for turn in taken}
                if not speaker.keeps_turns:
                    await asyncio.to_thread(store.save_turns, self.warehouse, brief.debate_id, taken)

    async def _take(self, speaker: Deliberator, brief: Brief, turns: Turns, request: TurnRequest) -> Turn:
        if request.phase not in OWN_CLOCK:
            return await self.around(lambda: speaker.answer(brief, turns, request), request)
        turn = await (self._ask if request.phase == HUMAN else self._part)(brief, turns, request)
        await asyncio.to_thread(store.save_turns, self.warehouse, brief.debate_id, [turn])
        return turn

    async def _part(self, brief: Brief, turns: Turns, request: TurnRequest) -> Turn:
        plan = next(one for one in plans_of(brief, turns) if one.name == request.agent_id)
        return turn_of_part(request, plan, await self.hold_part(brief, plan))

    async def _ask(self, brief: Brief, turns: Turns, request: TurnRequest) -> Turn:
        assert self.ask_person is not None, "a brief asks a person only where one can be asked"
        choice = await self.ask_person(brief, turns)
        known = {option.id for option in brief.options}
        if choice is not None and choice not in known:
            raise UnknownNameError("option", choice, known)
        return Turn(**request.model_dump(), message=Vote(option=choice, reason="a person's vote"))


@asynccontextmanager
async def kept_open(warehouse: Warehouse) -> AsyncIterator[None]:
    """The warehouse ready for many small transactions; waiting for it does not block the event loop."""
    opened = ExitStack()
    await asyncio.to_thread(opened.enter_context, warehouse.kept_open())
    try:
        yield
    finally:
        await asyncio.to_thread(opened.close)
