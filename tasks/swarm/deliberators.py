"""Who answers the turns of a debate: the configured language model, or the evidence panel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

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
    brief: Brief,
    endpoint: Endpoint | None,
    limits: Limits,
    warehouse: Warehouse,
) -> AsyncIterator[Deliberator]:
    """The deliberator of this brief's engine, closed when the debate is over."""
    if brief.engine == "evidence_panel" or endpoint is None:
        yield EvidencePanel()
        return
    raise NotImplementedError(f"{limits} {warehouse}")
