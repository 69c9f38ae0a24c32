"""The ballots of a debate under its rule: the experts', and a person's."""

from __future__ import annotations

from tasks.swarm.consensus import Count, majority_vote, weighted_vote
from tasks.swarm.messages import Turns
from tasks.swarm.performance import PRIOR
from tasks.swarm.positions import ballots
from tasks.swarm.records import Brief, ConsensusStrategy

HUMAN = "human"


def counted(brief: Brief, turns: Turns) -> Count:
    """The ballots under the debate's rule; synthesis and moderator close a weighted vote, they do not replace it."""
    cast, menu = ballots(brief, turns), [option.id for option in brief.options]
    if brief.strategy is ConsensusStrategy.MAJORITY_VOTE:
        return majority_vote(cast, menu)
    weights = {expert.agent_id: expert.weight for expert in brief.experts} | {HUMAN: PRIOR.log_odds}
    return weighted_vote(cast, menu, weights)
