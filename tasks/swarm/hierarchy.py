"""Teams of teams: a problem in parts, each debated by its own team at the same time, then the whole by the leads.

The same protocol twice: what a part decided is one more finding for the leads, with its confidence, never an order.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.errors import InputError, require_between
from tasks.swarm.agent_debate_orchestrator import AgentDebateOrchestrator
from tasks.swarm.evidence import tags_of
from tasks.swarm.records import EvidenceRef

MOST_PARTS = 6
SPREAD = 0.1  # of effects, where nothing else is known; as in a brief


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a problem, and the team that debates it."""

    problem: str
    agent_roles: Sequence[str]
    options: Sequence[Any] | None = None


async def debate_in_parts(
    orchestrator: AgentDebateOrchestrator, problem: str, leads: Sequence[str], parts: Sequence[Part], **rest: Any
) -> dict[str, Any]:
    """Debate the parts in parallel, then the whole.

    Args:
        leads: roles or agent ids that decide the whole.
        rest: as of `orchestrate_debate`, for the whole; `workspace_id`, `run_id`, `rounds` and `context` hold for the
            parts, too. The limits of the orchestrator hold for each debate by itself.

    Returns:
        The whole's result, with `parts`: those of the sub-debates. A part without a decision is shown as such and
        gives the leads nothing.

    Raises:
        InputError: for no parts or too many, and whatever `orchestrate_debate` refuses.
    """
    if not parts:
        raise InputError("no parts: give at least one Part, or call `orchestrate_debate` for an undivided problem")
    require_between("number of parts", len(parts), 1, MOST_PARTS)
    shared = {key: rest[key] for key in ("workspace_id", "run_id", "rounds", "context") if key in rest}
    below = await asyncio.gather(
        *(
            orchestrator.orchestrate_debate(part.problem, part.agent_roles, options=part.options, **shared)
            for part in parts
        )
    )
    told = [_finding(part, result) for part, result in zip(parts, below, strict=True) if result["option"] is not None]
    known = (*rest.pop("extra_evidence", ()), *told)
    whole = await orchestrator.orchestrate_debate(problem, leads, extra_evidence=known, **rest)
    return whole | {"parts": list(below)}


def _finding(part: Part, result: dict[str, Any]) -> EvidenceRef:
    """A part's decision as a finding: the surer it was, the more of the usual spread it is expected to be worth."""
    confidence = float(result["confidence"])
    return EvidenceRef(
        id=f"part-{result['debate_id'][-24:]}",
        kind="debate",
        statement=f"on '{part.problem}' the part's team decided '{result['label']}' (confidence {confidence:.0%})",
        metric="decision of a part",
        effect=math.log1p(SPREAD) * confidence,
        se=SPREAD,
        terms=(str(result["label"]),),
        tags=tags_of([]),
    )
