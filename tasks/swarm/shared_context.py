"""What an expert is shown of the others: their proposals under anonymous names, and the findings they have raised."""

from __future__ import annotations

from hashlib import sha256

from tasks.swarm.messages import Critique, Proposal, TurnRequest, Turns, Vote, turn_key
from tasks.swarm.records import Brief, Expert


def shown_as(brief: Brief, turns: Turns, request: TurnRequest) -> dict[str, str]:
    """Anonymous names of the others' latest proposals, shuffled for each reader: P1 to agent, from ids alone."""
    salt = f"{brief.debate_id}|{request.key}"
    others = [expert.agent_id for expert in brief.experts if expert.agent_id != request.agent_id]
    proposers = [one for one in others if latest_proposal(turns, one, request.round) is not None]
    shuffled = sorted(proposers, key=lambda agent: sha256(f"{salt}|{agent}".encode()).hexdigest())
    return {f"P{place}": agent for place, agent in enumerate(shuffled, start=1)}


def latest_proposal(turns: Turns, agent_id: str, until_round: int) -> Proposal | None:
    """The expert's newest proposal that names an option."""
    for number in range(until_round, 0, -1):
        for phase in ("refine", "propose"):
            turn = turns.get(turn_key(number, phase, agent_id))
            if turn is not None and isinstance(turn.message, Proposal) and turn.message.option is not None:
                return turn.message
    return None


def shared_evidence(brief: Brief, turns: Turns, expert: Expert, until_round: int) -> tuple[str, ...]:
    """Findings that others have raised, in proposals or critiques before this round."""
    raised: set[str] = set()
    for turn in turns.values():
        if turn.agent_id == expert.agent_id or turn.round > until_round:
            continue
        if isinstance(turn.message, Proposal | Vote):
            raised |= set(turn.message.evidence_ids)
        if isinstance(turn.message, Critique) and turn.message.evidence_id:
            raised.add(turn.message.evidence_id)
    return tuple(item.id for item in brief.evidence if item.id in raised and item.id not in expert.evidence_ids)
