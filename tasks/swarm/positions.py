"""What each expert holds at each point, and when a change of mind counts.

Experts drift towards the crowd whether or not it is right (Wynn 2025; Choi 2025), so a changed option counts only if
it cites evidence about the option left or the option taken that this expert had not cited before; otherwise the earlier
option stands and the flip is recorded. Where no finding is about the options, that would make all rounds but the first
theater: there a change counts that gives a reason which this expert had not given before.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from tasks.swarm.consensus import Ballot
from tasks.swarm.evidence import any_applies, argues_against
from tasks.swarm.messages import Proposal, Turn, Turns, Vote, turn_key
from tasks.swarm.records import Brief, Record

ENOUGH_HEADS, ENOUGH_WEIGHT = 0.75, 0.8


class PositionChange(Record):
    """A change of mind: what from, what to, and what carried it.

    Attributes:
        because: `evidence`, `argument`, or None: it did not count.
    """

    agent_id: str
    round: int
    phase: str
    from_option: str
    to_option: str
    because_evidence_ids: tuple[str, ...]
    because: Literal["evidence", "argument"] | None = None


class Position(Record):
    """What an expert holds, what it has cited and said for it so far, and how it came there."""

    agent_id: str
    option: str | None = None
    cited: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    confidence: int | None = None
    changes: tuple[PositionChange, ...] = Field(default=())


def position(brief: Brief, turns: Turns, agent_id: str, until_round: int, *, with_vote: bool = True) -> Position:
    """What the expert holds after `until_round`, counting only supported changes."""
    held = Position(agent_id=agent_id)
    for number in range(1, until_round + 1):
        for phase in ("propose", "refine", "vote") if with_vote else ("propose", "refine"):
            turn = turns.get(turn_key(number, phase, agent_id))
            if turn is not None and isinstance(turn.message, Proposal | Vote):
                held = _moved(brief, held, turn, turn.message)
    return held


def ballots(brief: Brief, turns: Turns) -> list[Ballot]:
    """One ballot an expert, and a person's where one was cast."""
    cast = [
        Ballot(agent=expert.agent_id, option=position(brief, turns, expert.agent_id, brief.rounds).option)
        for expert in brief.experts
    ]
    human = [turn for turn in turns.values() if turn.phase == "human" and isinstance(turn.message, Vote)]
    return cast + [
        Ballot(agent=turn.agent_id, option=turn.message.option) for turn in human if isinstance(turn.message, Vote)
    ]


def changes(brief: Brief, turns: Turns) -> list[PositionChange]:
    """Every change of mind, counted or not, in the order of experts and rounds."""
    return [
        change for expert in brief.experts for change in position(brief, turns, expert.agent_id, brief.rounds).changes
    ]


def agreement_reached(brief: Brief, turns: Turns, number: int) -> bool:
    """Whether going on is not worth its tokens.

    At least three quarters of the experts and four fifths of their weight hold one option, and none of the evidence
    they cite for it argues against it. Experts who could not answer count against agreement.
    """
    held = [position(brief, turns, expert.agent_id, number, with_vote=False) for expert in brief.experts]
    options = {one.option for one in held if one.option is not None}
    weights = {expert.agent_id: expert.weight for expert in brief.experts}
    total = sum(weights.values())
    for option in options:
        behind = [one for one in held if one.option == option]
        share = sum(weights[one.agent_id] for one in behind) / total if total > 0 else len(behind) / len(held)
        if len(behind) >= ENOUGH_HEADS * len(held) and share >= ENOUGH_WEIGHT:
            return not _contradicted(brief, option, behind)
    return False


def is_argued(brief: Brief) -> bool:
    """Whether arguments alone can change a mind, since no finding is about any of the options."""
    return not any_applies(brief.evidence, brief.options)


def _moved(brief: Brief, held: Position, turn: Turn, message: Proposal | Vote) -> Position:
    known = {item.id: item for item in brief.evidence}
    cited = tuple(dict.fromkeys(item for item in message.evidence_ids if item in known))
    argument = _argument(message)
    update: dict[str, Any] = {"cited": tuple(dict.fromkeys((*held.cited, *cited))), "said": (*held.said, argument)}
    options = {option.id: option for option in brief.options}
    if message.option is None or message.option not in options:
        return held.model_copy(update=update)
    taken = {"option": message.option, "confidence": message.confidence}
    if held.option in (None, message.option):
        return held.model_copy(update=update | taken)
    both = (options[str(held.option)], options[message.option])
    new = tuple(item for item in cited if item not in held.cited and any_applies([known[item]], both))
    is_new_argument = is_argued(brief) and bool(argument) and argument not in held.said
    because: Literal["evidence", "argument"] | None = "evidence" if new else "argument" if is_new_argument else None
    change = PositionChange(
        agent_id=held.agent_id,
        round=turn.round,
        phase=turn.phase,
        from_option=str(held.option),
        to_option=message.option,
        because_evidence_ids=new,
        because=because,
    )
    update["changes"] = (*held.changes, change)
    return held.model_copy(update=update | (taken if because else {}))


def _argument(message: Proposal | Vote) -> str:
    """What an expert says for its option, so that the same words again are the same argument."""
    words = message.reason if isinstance(message, Vote) else f"{message.claim} {message.reasoning}"
    return " ".join(words.lower().split())


def _contradicted(brief: Brief, option: str, behind: list[Position]) -> bool:
    chosen = next(one for one in brief.options if one.id == option)
    cited = {item for one in behind for item in one.cited}
    return any(item.id in cited and argues_against(item, chosen) for item in brief.evidence)
