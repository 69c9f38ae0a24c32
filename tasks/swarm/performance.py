"""How good an expert has proved to be at a kind of task: a Beta posterior, and what becomes of a declared level.

A declared level is where we begin, not what we hold on to: it weighs as much as eight graded tasks. Half-life and
optimism were chosen on 600 simulated runs of 200 decisions (tests/tasks/swarm/test_learning.py has the simulation).
Regret against always asking the best one, on 600 others: equal levels 11.9 ± 0.3, levels that say the opposite of the
truth 6.7 ± 0.3, another best expert from decision 100 on 16.5 ± 0.3, where a half-life of fifty tasks and .7 standard
deviations of optimism had 11.6, 6.5 and 17.3 ± 0.3. Tried and left on fewer runs: Thompson sampling (2 to 3 more each),
no forgetting, forgetting also what was not asked, what is recent alone for the place on a team. On 900 further runs
another best expert cost 16.3 ± 0.3, and nothing below was better there: a likelihood ratio that tells a change in an
expert's own record (2 to 3 more), a quicker half-life beside the slow one, right answers that fade faster than wrong
ones (1 more), other weights of a declared level, half-lives of 8 to 50 tasks, optimism from 0 to 0.6.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

PRIOR_RIGHT, PRIOR_WRONG = 6.0, 4.0  # as if ten tasks had been graded, six of them right
PRIOR_WEIGHT = PRIOR_RIGHT + PRIOR_WRONG
HALF_LIFE_TASKS = 12  # of the weight of a score, for who is asked next: what was twelve tasks ago counts half
ELSEWHERE = 0.2  # of a score's weight, where it is of another kind of task
OPTIMISM = 0.3  # standard deviations by which what is less tried is preferred: it gets a chance, without a coin
# A declared level of 0 is believed to be right in 40 % of tasks, one of 1 in 80 %; as if eight had been graded.
LEVEL_WEIGHT, RIGHT_AT_NO_LEVEL, RIGHT_PER_LEVEL = 8.0, 0.4, 0.4
LOWEST_LEVEL = 0.01


@dataclass(frozen=True, slots=True)
class Posterior:
    """Beta(right, wrong) over the share of tasks an expert gets right, after `graded` tasks of this kind.

    Attributes:
        seen_right, seen_wrong: what of it was graded in this kind of task, old scores counting less: who is asked next
            depends on what an expert does now, what it has shown in all (`mean`) on no order.
    """

    right: float
    wrong: float
    graded: int = 0
    seen_right: float = field(default=0.0, compare=False)
    seen_wrong: float = field(default=0.0, compare=False)

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
        """Mean plus 0.3 standard deviations, capped at 1."""
        return min(1.0, self.mean + OPTIMISM * self.sd)

    @property
    def log_odds(self) -> float:
        """log(p / (1 - p)) of the mean, never below 0: the optimal weight of an independent vote.

        Nitzan and Paroush, 'Optimal decision rules in uncertain dichotomous choice situations', 1982.
        """
        return max(0.0, math.log(self.mean / (1.0 - self.mean)))


PRIOR = Posterior(PRIOR_RIGHT, PRIOR_WRONG)


def posterior(scores: Mapping[str, Sequence[float]], task_type: str) -> Posterior:
    """The posterior for one task type, from all of an agent's scores in [0, 1] by task type, the oldest first.

    The prior is centered on the agent's record in its other task types, itself shrunk to Beta(6, 4), and weighs as
    much as ten graded tasks; its own record in this task type is counted once, so no score is used twice.
    """
    elsewhere = [score for kind, values in scores.items() if kind != task_type for score in values]
    center = (PRIOR_RIGHT + ELSEWHERE * math.fsum(elsewhere)) / (PRIOR_WEIGHT + ELSEWHERE * len(elsewhere))
    here = scores.get(task_type, ())
    right = center * PRIOR_WEIGHT + math.fsum(here)
    return Posterior(right, PRIOR_WEIGHT + len(here) - right, len(here), *_recent(here))


def proven_level(level: float, record: Posterior) -> float:
    """A declared level after what was seen: unchanged without a record, in the end what the record says.

    May rise above 1 where the record is better than any level claims.
    """
    right = LEVEL_WEIGHT * (RIGHT_AT_NO_LEVEL + RIGHT_PER_LEVEL * min(level, 1.0))
    declared = Posterior(right, LEVEL_WEIGHT - right)
    seen = Posterior(right + record.seen_right, declared.wrong + record.seen_wrong)
    return max(LOWEST_LEVEL, level + (seen.optimistic - declared.optimistic) / RIGHT_PER_LEVEL)


def _recent(scores: Sequence[float]) -> tuple[float, float]:
    """What was right and what was wrong, each score weighing less the more came after it."""
    weights = [0.5 ** (later / HALF_LIFE_TASKS) for later in range(len(scores) - 1, -1, -1)]
    right = math.fsum(weight * score for weight, score in zip(weights, scores, strict=True))
    return right, math.fsum(weights) - right
