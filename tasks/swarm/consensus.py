"""From ballots to a decision. Every rule names itself, its ties and what it left out.

Agreement is how much of the (weighted) vote the decision has. It is no probability of being right: experts who read
the same evidence agree whether or not it is true.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Literal

from pydantic import Field

from tasks.errors import OutOfRangeError
from tasks.swarm.records import Record

TIE_RULE = "a tie decides nothing"
TIE = 1e-12


class Ballot(Record):
    """One expert's vote as it is counted; `ranking` where it ranks all options, best first."""

    agent: str
    option: str | None
    ranking: tuple[str, ...] = ()


class Count(Record):
    """What a rule makes of the ballots.

    Attributes:
        outcome: `majority`, `plurality`, `tie`, `no_quorum`.
        decision: None where there is no quorum, and where two options are ahead of the others together.
        agreement: share of valid ballots (or of weight) for the decision, or for each that is tied; not a probability
            of being right.
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


def majority_vote(ballots: Sequence[Ballot], options: Sequence[str]) -> Count:
    """One expert, one vote; more than half is a majority, the most is a plurality."""
    counted = _sift(ballots, options)
    tally = Counter(counted.choices.values())
    total = len(counted.choices)
    shares = {option: tally[option] / total for option in sorted(tally)} if total else {}
    return _conclude("majority_vote", counted, shares, tally, ())


def weighted_vote(ballots: Sequence[Ballot], options: Sequence[str], weights: Mapping[str, float]) -> Count:
    """Votes weigh as much as their experts have proved right; a negative weight counts as 0, never against.

    Raises:
        OutOfRangeError: if a weight is not a number.
    """
    kept = {agent: max(0.0, _finite(agent, weight)) for agent, weight in weights.items()}
    counted = _sift(ballots, options)
    total = math.fsum(kept.get(agent, 0.0) for agent in counted.choices)
    if counted.choices and total <= 0.0:
        plain = majority_vote(ballots, options)
        notes = ("no voter has a weight above 0: counted as a majority vote", *plain.notes)
        return plain.model_copy(update={"method": "weighted_vote", "notes": notes})
    tally = Counter(counted.choices.values())
    shares = {
        option: math.fsum(kept.get(agent, 0.0) for agent, choice in counted.choices.items() if choice == option) / total
        for option in sorted(tally)
    }
    cut = [f"negative weight of {agent} counted as 0" for agent, weight in weights.items() if weight < 0]
    return _conclude("weighted_vote", counted, shares, tally, tuple(sorted(cut)))


def condorcet(rankings: Sequence[Sequence[str]], options: Sequence[str]) -> tuple[str | None, dict[str, int], bool]:
    """The option that beats every other in pairs, each pair's wins as `A>B`, and whether the pairs form a cycle."""
    beats = {
        f"{a}>{b}": sum(ranking.index(a) < ranking.index(b) for ranking in rankings)
        for a, b in permutations(sorted(options), 2)
    }
    half = len(rankings) / 2
    winners = [a for a in sorted(options) if all(beats[f"{a}>{b}"] > half for b in options if b != a)]
    beaten = [a for a in options if any(beats[f"{b}>{a}"] > half for b in options if b != a)]
    return (winners[0] if winners else None), beats, len(rankings) > 0 and len(beaten) == len(options)


class _Sifted:
    """Ballots that count, and why the others do not."""

    def __init__(self) -> None:
        self.choices: dict[str, str] = {}
        self.rankings: dict[str, tuple[str, ...]] = {}
        self.invalid: list[str] = []
        self.duplicates: list[str] = []
        self.voters: set[str] = set()
        self.options: tuple[str, ...] = ()


def _sift(ballots: Sequence[Ballot], options: Sequence[str]) -> _Sifted:
    """The first ballot of each expert that names an option of the menu; the order of ballots does not matter."""
    sifted = _Sifted()
    sifted.options = tuple(options)
    by_agent: dict[str, list[Ballot]] = {}
    for ballot in ballots:
        by_agent.setdefault(ballot.agent, []).append(ballot)
    for agent, cast in sorted(by_agent.items()):
        sifted.voters.add(agent)
        choices = {ballot.ranking[0] if ballot.ranking else ballot.option for ballot in cast}
        choice = next(iter(choices)) if len(choices) == 1 else None
        if len(cast) > 1:
            sifted.duplicates.append(agent)
        if choice is None or choice not in options:
            sifted.invalid.append(agent)
            continue
        sifted.choices[agent] = choice
        if set(cast[0].ranking) == set(options):
            sifted.rankings[agent] = cast[0].ranking
    return sifted


def _conclude(
    method: str, counted: _Sifted, shares: Mapping[str, float], tally: Mapping[str, int], notes: tuple[str, ...]
) -> Count:
    known = {
        "method": method,
        "tally": {option: tally[option] for option in sorted(tally)},
        "shares": dict(shares),
        "valid": len(counted.choices),
        "invalid": tuple(counted.invalid),
        "duplicates": tuple(counted.duplicates),
    }
    if not shares or len(counted.choices) * 2 <= len(counted.voters):
        missing = f"{len(counted.choices)} of {len(counted.voters)} experts cast a valid vote; more than half must"
        return Count(**known, decision=None, outcome="no_quorum", notes=(*notes, missing))
    most = max(shares.values())
    tied = tuple(sorted(option for option, share in shares.items() if share >= most - TIE))
    decision = tied[0] if len(tied) == 1 else None
    winner, has_cycle, ranked_notes = _ranked(counted, decision)
    known |= {"decision": decision, "agreement": most, "condorcet_winner": winner, "has_cycle": has_cycle}
    if decision is None:
        return Count(**known, outcome="tie", tied=tied, notes=(*notes, TIE_RULE, *ranked_notes))
    outcome = "majority" if most > 0.5 + TIE else "plurality"
    return Count(**known, outcome=outcome, notes=(*notes, *ranked_notes))


def _ranked(counted: _Sifted, decision: str | None) -> tuple[str | None, bool, tuple[str, ...]]:
    """What full rankings add, where every counted expert gave one."""
    if not counted.rankings or len(counted.rankings) < len(counted.choices):
        return None, False, ()
    winner, beats, has_cycle = condorcet(list(counted.rankings.values()), counted.options)
    if has_cycle:
        return winner, True, ("the rankings form a cycle: every option loses to another",)
    if winner is None or decision is None or winner == decision:
        return winner, False, ()
    wins, losses = beats[f"{winner}>{decision}"], beats[f"{decision}>{winner}"]
    return winner, False, (f"in pairs {winner} beats {decision} {wins}-{losses}",)


def _finite(agent: str, weight: float) -> float:
    try:
        number = float(weight)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise OutOfRangeError(f"weight of {agent}", weight, "a finite number")
    return number
