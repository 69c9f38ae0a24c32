"""What comes of a debate, typed: ballots, their count, and how the options stand."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.swarm.records import Record


class Ballot(Record):
    """One expert's vote as it is counted; `ranking` where it ranks all options, best first."""

    agent: str
    option: str | None
    ranking: tuple[str, ...] = ()


class Count(Record):
    """What a rule makes of the ballots.

    Attributes:
        outcome: `majority`, `plurality`, `tie`, `no_quorum`.
        agreement: share of valid ballots (or of weight) for the decision; not a probability of being right.
        notes: rules applied, such as how a tie was broken.
    """

    method: str
    decision: str | None
    outcome: Literal["majority", "plurality", "tie", "no_quorum"]
    tally: dict[str, int] = Field(default_factory=dict)
    shares: dict[str, float] = Field(default_factory=dict)
    agreement: float = 0.0
    tied: tuple[str, ...] = ()
    valid: int = 0
    invalid: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    condorcet_winner: str | None = None
    has_cycle: bool = False
    notes: tuple[str, ...] = ()


class Standing(Record):
    """An option as the evidence sees it: posterior of its effect (log ratio), and how likely it is the best."""

    option: str
    mean: float
    sd: float
    probability_best: float
    evidence_ids: tuple[str, ...] = ()
