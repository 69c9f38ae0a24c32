"""Who answers the turns of a debate: the configured language model, or the evidence panel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from tasks.swarm import store
from tasks.swarm.endpoint import Endpoint
from tasks.swarm.limits import Limits
from tasks.swarm.panel import EvidencePanel
from tasks.swarm.positions import Turns
from tasks.swarm.records import Brief, Turn, TurnRequest
from tasks.warehouse import Warehouse


class Deliberator(Protocol):
    """One that answers turns; `is_paid` where a turn costs something and must not be taken twice."""

    is_paid: bool

    async def answer(self, brief: Brief, turns: Turns, request: TurnRequest) -> Turn:
        """One turn; a turn that cannot be had comes back as failed, with its excuse."""


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

    async def keep(turn_key: str, attempt: int, exchange: dict[str, Any]) -> None:
        await asyncio.to_thread(store.save_exchange, warehouse, brief.debate_id, turn_key, attempt, exchange)

    recorded = await asyncio.to_thread(store.exchanges_of, warehouse, brief.debate_id)
    async with LanguageModel(endpoint, limits) as model:
        yield LLMDeliberator(model, limits, recorded, keep)
