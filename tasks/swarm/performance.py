"""How good an expert has proved to be at a kind of task: a Beta posterior, and what becomes of a declared level.

A declared level is where we begin, not what we hold on to: it weighs as much as twelve graded tasks. Who is asked next
depends on what an expert does now, so on grades since what works last changed, as far as that can be told (`changes`).
DOUBT, weights and optimism were chosen on 2,500 simulated runs of 200 decisions (tests/tasks/swarm/test_learning.py has
the simulation). Regret against always asking the best one, on 3,000 others: equal levels 11.4 ± 0.15, levels that say
the opposite of the truth 9.9 ± 0.2, another best expert from decision 100 on 16.0 ± 0.15. The rule before, by which a
grade counted half after twelve tasks, had 12.0, 6.6 and 16.5 ± 0.15 there, and 110 other sets of its constants nothing
below 16.0 on the runs they were chosen on. Who is told of the change would have some 14.4. Tried and left: sharper and
flatter weights of the times, another share expected after a change than before (.2 to .5 more each), the standard
deviation within a time alone, a part of the whole record beside it, Thompson sampling.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tasks.swarm.changes import Tally

PRIOR_RIGHT, PRIOR_WRONG = 6.0, 4.0  # as if ten tasks had been graded, six of them right
PRIOR_WEIGHT = PRIOR_RIGHT + PRIOR_WRONG
ELSEWHERE = 0.2  # of a score's weight, where it is of another kind of task
OPTIMISM = 0.55  # standard deviations by which what is less tried is preferred: it gets a chance, without a coin
# A level of 0 claims to be right in 40 % of tasks, one of 1 in 80 %; it is believed less, as if twelve had been graded.
RIGHT_AT_NO_LEVEL, RIGHT_PER_LEVEL = 0.4, 0.4
LEVEL_WEIGHT, DOUBT = 12.0, 0.05
LOWEST_LEVEL = 0.01


@dataclass(frozen=True, slots=True)
class Posterior:
    """Beta(right, wrong) over the share of tasks an expert gets right, after `graded` tasks of this kind.

    Attributes:
        center: share of right answers that was expected before any of them was graded.
        since: what was right and wrong in this kind of task since each time at which what works may last have changed,
            with that time's weight. Who is asked next depends on it, what an expert has shown in all (`mean`) does not.
    """

    right: float
    wrong: float
    graded: int = 0
    center: float = field(default=PRIOR_RIGHT / PRIOR_WEIGHT, compare=False)
    since: tuple[tuple[float, Tally], ...] = field(default=((1.0, (0.0, 0.0)),), compare=False)

    @property
    def mean(self) -> float:
        """Expected share of right answers."""
        return self.right / (self.right + self.wrong)

    @property
    def sd(self) -> float:
        """Standard deviation of that share."""
        total = self.right + self.wrong
        return math.sqrt(self.right * self.wrong / (total * total * (total + 1.0)))

    @property
    def optimistic(self) -> float:
        """Mean of what it does now plus .55 standard deviations, capped at 1."""
        return self.optimistic_from(self.center, PRIOR_WEIGHT)

    def optimistic_from(self, center: float, weight: float) -> float:
        """The same where this share of right answers was expected before, which weighs as much as so many tasks."""
        shares = [
            (likely, (center * weight + right) / (weight + right + wrong), weight + right + wrong)
            for likely, (right, wrong) in self.since
        ]
        mean = math.fsum(likely * share for likely, share, _ in shares)
        square = math.fsum(
            likely * (share**2 + share * (1.0 - share) / (total + 1.0)) for likely, share, total in shares
        )
        return min(1.0, mean + OPTIMISM * math.sqrt(max(0.0, square - mean**2)))

    @property
    def log_odds(self) -> float:
        """log(p / (1 - p)) of the mean, never below 0: the optimal weight of an independent vote.

        Nitzan and Paroush, 'Optimal decision rules in uncertain dichotomous choice situations', 1982.
        """
        return max(0.0, math.log(self.mean / (1.0 - self.mean)))


PRIOR = Posterior(PRIOR_RIGHT, PRIOR_WRONG)


def posterior(
    scores: Mapping[str, Sequence[float]], task_type: str, since: Sequence[tuple[float, Tally]] | None = None
) -> Posterior:
    """The posterior for one task type, from all of an agent's scores in [0, 1] by task type, the oldest first.

    The prior is centered on the agent's record in its other task types, itself shrunk to Beta(6, 4), and weighs as
    much as ten graded tasks; its own record in this task type is counted once, so no score is used twice.

    Args:
        since: see `Posterior`; nothing has changed where it is left out.
    """
    elsewhere = [score for kind, values in scores.items() if kind != task_type for score in values]
    center = (PRIOR_RIGHT + ELSEWHERE * math.fsum(elsewhere)) / (PRIOR_WEIGHT + ELSEWHERE * len(elsewhere))
    here = scores.get(task_type, ())
    seen = math.fsum(here)
    right, whole = center * PRIOR_WEIGHT + seen, ((1.0, (seen, len(here) - seen)),)
    wrong = PRIOR_WEIGHT + len(here) - right
    return Posterior(right, wrong, len(here), center, whole if since is None else tuple(since))


def proven_level(level: float, record: Posterior) -> float:
    """A declared level after what was seen: unchanged without a record, in the end what the record says.

    May rise above 1 where the record is better than any level claims.
    """
    believed = RIGHT_AT_NO_LEVEL - DOUBT + RIGHT_PER_LEVEL * min(level, 1.0)
    seen, declared = (one.optimistic_from(believed, LEVEL_WEIGHT) for one in (record, PRIOR))
    return max(LOWEST_LEVEL, level + (seen - declared) / RIGHT_PER_LEVEL)
