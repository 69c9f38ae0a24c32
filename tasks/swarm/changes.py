"""When a record began to count: what works changes at some time that nobody is told, so every time is weighed. Pure.

A change makes all earlier grades of a kind of task say nothing of today, whoever got them: that the one who was asked
fails is a reason to doubt the others' records too. Each stretch is the belief that the last change came just before it,
weighed by how well its own grades were foretold from there on (Adams and MacKay, 'Bayesian online changepoint
detection', 2007; Fearnhead and Liu, 'On-line inference for multiple changepoint problems', 2007).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

CHANGES_EACH = 200  # occasions, on average, until what works changes
FORETOLD_RIGHT, FORETOLD_WEIGHT = 0.6, 20.0  # of somebody of whom a stretch holds nothing
LEAST_WEIGHT = 1e-3  # of a stretch that is still followed
MOST_OCCASIONS = 1_000  # that are looked at, the newest

Occasion = Sequence[tuple[str, float]]  # agents who were graded together, each with its score from 0 to 1
Tally = tuple[float, float]  # what was right, and what was wrong


@dataclass(frozen=True, slots=True)
class Stretch:
    """The grades since a time, and how likely it is that the last change came then."""

    weight: float
    tallies: Mapping[str, Tally]


NO_GRADES: Sequence[Stretch] = (Stretch(1.0, {}),)


def stretches(occasions: Sequence[Occasion]) -> Sequence[Stretch]:
    """Times at which what works may last have changed, from graded work of one kind, the oldest first.

    Weights sum to 1; the longest stretch comes first.
    """
    return reduce(after, occasions[-MOST_OCCASIONS:], NO_GRADES)


def after(known: Sequence[Stretch], occasion: Occasion) -> Sequence[Stretch]:
    """The stretches after one more occasion, before which something may have changed."""
    changed = 1.0 / CHANGES_EACH
    longer = [Stretch(one.weight * (1.0 - changed), one.tallies) for one in known]
    followed = [_graded(one, occasion) for one in (*longer, Stretch(changed, {}))]
    least = LEAST_WEIGHT * sum(one.weight for one in followed)
    kept = [*(one for one in followed[:-1] if one.weight > least), followed[-1]]
    total = sum(one.weight for one in kept)
    return tuple(Stretch(one.weight / total, one.tallies) for one in kept)


def since(times: Sequence[Stretch], agent: str) -> list[tuple[float, Tally]]:
    """What one agent did since each time, with the time's weight; times since which it did the same are one."""
    weights: dict[Tally, float] = defaultdict(float)
    for one in times:
        weights[one.tallies.get(agent, (0.0, 0.0))] += one.weight
    return [(weight, tally) for tally, weight in weights.items()]


def _graded(stretch: Stretch, occasion: Occasion) -> Stretch:
    """The stretch with these grades, which count for or against it as far as they were foretold."""
    weight, tallies = stretch.weight, dict(stretch.tallies)
    for agent, score in occasion:
        right, wrong = tallies.get(agent, (0.0, 0.0))
        foretold = (FORETOLD_RIGHT * FORETOLD_WEIGHT + right) / (FORETOLD_WEIGHT + right + wrong)
        weight *= foretold**score * (1.0 - foretold) ** (1.0 - score)
        tallies[agent] = (right + score, wrong + 1.0 - score)
    return Stretch(weight, tallies)
