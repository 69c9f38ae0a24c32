"""Who answers the turns of a debate: the configured language model, or the evidence panel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from tasks.swarm import store
from tasks.swarm.endpoint import Endpoint
from tasks.swarm.limits import Limits
from tasks.swarm.messages import Turn, TurnRequest
from tasks.swarm.panel import EvidencePanel
from tasks.swarm.positions import Turns
from tasks.swarm.records import Brief
from tasks.warehouse import Warehouse


class Deliberator(Protocol):
    """One that answers turns; `keeps_turns` where it stores each as it arrives, because it is paid for."""

    keeps_turns: bool

    async def answer(self, brief: Brief, turns: Turns, request: TurnRequest) -> Turn:
        """One turn; a turn that cannot be had comes back as failed, with its excuse."""

    def wait_out(self, seconds: float) -> None:
        """Let the debate's deadline be so much later."""


class Keeper:
    """Stores what arrives; what arrives together is one transaction, and nobody goes on before theirs is stored."""

    def __init__(self, warehouse: Warehouse, debate_id: str) -> None:
        self._warehouse, self._debate_id = warehouse, debate_id
        self._one_at_a_time = asyncio.Lock()
        self._exchanges: list[store.Exchange] = []
        self._turns: list[Turn] = []

    async def keep(self, exchange: store.Exchange | None, turn: Turn | None) -> None:
        """Store an exchange, and the turn it completes."""
        self._exchanges += [] if exchange is None else [exchange]
        self._turns += [] if turn is None else [turn]
        async with self._one_at_a_time:
            exchanges, turns = self._exchanges, self._turns
            if exchanges or turns:  # else whoever held the lock has stored ours with theirs
                self._exchanges, self._turns = [], []
                await asyncio.to_thread(store.keep, self._warehouse, self._debate_id, exchanges, turns)


@asynccontextmanager
async def deliberator_for(
    brief: Brief, endpoint: Endpoint | None, limits: Limits, warehouse: Warehouse
) -> AsyncIterator[Deliberator]:
    """The deliberator of this brief's engine, closed when the debate is over."""
    if brief.engine == "evidence_panel":
        yield EvidencePanel()
        return
    assert endpoint is not None, "the fingerprint holds the engine: a model's debate is resumed by a model"
    from tasks.swarm.llm import LanguageModel
    from tasks.swarm.llm_deliberator import LLMDeliberator

    keeper = Keeper(warehouse, brief.debate_id)

    recorded = await asyncio.to_thread(store.exchanges_of, warehouse, brief.debate_id)
    async with LanguageModel(endpoint, limits) as model:
        yield LLMDeliberator(model, limits, recorded, keeper.keep)
