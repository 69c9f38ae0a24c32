"""In which order an expert is shown the options, and who chooses by that order.

Models favor what stands first (Wang 2024, arXiv:2305.17926; Pezeshkpour 2024, arXiv:2308.11483). So the order differs
between experts and moves on with each ballot of one: whoever holds an option names it wherever it stands, and whoever
takes the first is seen to name another one each time. It costs no further call.
"""

from __future__ import annotations

from hashlib import sha256

from tasks.swarm.messages import Proposal, Turn, TurnRequest, Turns, Vote
from tasks.swarm.records import Brief, Option

BALLOTS = ("propose", "refine", "vote")
FEWEST_BALLOTS = 2
CHANCE = 0.05


def listed(brief: Brief, request: TurnRequest) -> tuple[Option, ...]:
    """The options in the order of one turn; a moderator is shown them as they are, and reversed."""
    if request.phase not in ("critique", "ratify", *BALLOTS):
        return brief.options[::-1] if request.phase == "moderate_reversed" else brief.options
    salt = f"{brief.debate_id}|{request.agent_id}"
    on_the_list = [option for option in brief.options if request.phase == "ratify" or not option.merges]
    shuffled = sorted(on_the_list, key=lambda option: sha256(f"{salt}|{option.id}".encode()).hexdigest())
    place = (request.round - 1 + (request.phase == "vote")) % max(len(shuffled), 1)
    return (*shuffled[place:], *shuffled[:place])


def order_flags(brief: Brief, turns: Turns) -> tuple[str, ...]:
    """Flags of what people should know before they trust a vote.

    `takes_first_option:AGENT` for who named the first option of every list; `choices_follow_order` for a team of which
    each named the first of its list, where that would be chance in less than one team of twenty.
    """
    if brief.engine != "llm" or len(brief.options) < FEWEST_BALLOTS:
        return ()
    cast = {expert.agent_id: _ballots(brief, turns, expert.agent_id) for expert in brief.experts}
    flags = tuple(
        f"takes_first_option:{agent}" for agent, own in cast.items() if len(own) >= FEWEST_BALLOTS and _follow(own)
    )
    first_of_each = [own[0] for own in cast.values() if own]
    is_rare = len(brief.options) ** -float(len(first_of_each)) <= CHANCE
    return (*flags, "choices_follow_order") if is_rare and _follow(first_of_each) else flags


def _follow(choices: list[tuple[str, str]]) -> bool:
    """Whether every choice is the first of its list, though the lists begin differently."""
    return all(chosen == first for chosen, first in choices) and len({first for _, first in choices}) > 1


def _ballots(brief: Brief, turns: Turns, agent_id: str) -> list[tuple[str, str]]:
    """The expert's choices, each with the first option of its list, in order."""
    own = [turn for turn in turns.values() if turn.agent_id == agent_id and turn.phase in BALLOTS]
    return [
        (turn.message.option, listed(brief, _request(turn))[0].id)
        for turn in sorted(own, key=lambda turn: (turn.round, BALLOTS.index(turn.phase)))
        if isinstance(turn.message, Proposal | Vote) and turn.message.option is not None
    ]


def _request(turn: Turn) -> TurnRequest:
    return TurnRequest(round=turn.round, phase=turn.phase, agent_id=turn.agent_id)
