"""The ballots of a debate under its rule: the experts', and a person's; and those on what was merged of the options."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.swarm.consensus import Ballot, Count, majority_vote, weighted_vote
from tasks.swarm.messages import Turns, Vote
from tasks.swarm.performance import PRIOR
from tasks.swarm.positions import ballots
from tasks.swarm.records import Brief, ConsensusStrategy

HUMAN = "human"


def counted(brief: Brief, turns: Turns) -> Count:
    """The ballots that decide: those on a merged option where it has won, else those before it."""
    again = _count(brief, ballots_on_merger(brief, turns), rivals(brief, turns))
    return again if again.decision in merged_ids(brief) else first_count(brief, turns)


def first_count(brief: Brief, turns: Turns) -> Count:
    """The ballots before options were merged; synthesis and moderator close a weighted vote, they do not replace it."""
    merged = merged_ids(brief)
    return _count(brief, ballots(brief, turns), [option.id for option in brief.options if option.id not in merged])


def rivals(brief: Brief, turns: Turns) -> tuple[str, ...]:
    """What is voted on again: what was ahead, alone or together with others, and what was merged."""
    first = first_count(brief, turns)
    return (*((first.decision,) if first.decision else first.tied), *merged_ids(brief))


def final_ballots(brief: Brief, turns: Turns) -> list[Ballot]:
    """The ballots that decided."""
    has_won = counted(brief, turns).decision in merged_ids(brief)
    return ballots_on_merger(brief, turns) if has_won else ballots(brief, turns)


def merged_ids(brief: Brief) -> tuple[str, ...]:
    """Options that were put together from others."""
    return tuple(option.id for option in brief.options if option.merges)


def ballots_on_merger(brief: Brief, turns: Turns) -> list[Ballot]:
    """One ballot an expert on what was merged, and a person's for what it had chosen; none where nothing was."""
    again = {turn.agent_id: turn.message for turn in turns.values() if turn.phase == "ratify"}
    if not again:
        return []
    chosen = {agent: message.option for agent, message in again.items() if isinstance(message, Vote)}
    persons = [ballot for ballot in ballots(brief, turns) if ballot.agent == HUMAN]
    return [Ballot(agent=expert.agent_id, option=chosen.get(expert.agent_id)) for expert in brief.experts] + persons


def _count(brief: Brief, cast: Sequence[Ballot], menu: Sequence[str]) -> Count:
    if brief.strategy is ConsensusStrategy.MAJORITY_VOTE:
        return majority_vote(cast, menu)
    weights = {expert.agent_id: expert.weight for expert in brief.experts} | {HUMAN: PRIOR.log_odds}
    return weighted_vote(cast, menu, weights)
