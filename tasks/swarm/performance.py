"""How good an expert has proved to be at a kind of task: a Beta posterior, shrunk to how good it is elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PRIOR_RIGHT, PRIOR_WRONG = 6.0, 4.0  # as if ten tasks had been graded, six of them right
PRIOR_WEIGHT = PRIOR_RIGHT + PRIOR_WRONG


@dataclass(frozen=True, slots=True)
class Posterior:
    """Beta(right, wrong) over the share of tasks an expert gets right, after `graded` tasks of this kind."""

    right: float
    wrong: float
    graded: int = 0

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
        """Mean plus one standard deviation, capped at 1: what is untried gets a chance, without a coin."""
        return min(1.0, self.mean + self.sd)

    @property
    def log_odds(self) -> float:
        """log(p / (1 - p)) of the mean, never below 0: the optimal weight of an independent vote.

        Nitzan and Paroush, 'Optimal decision rules in uncertain dichotomous choice situations', 1982.
        """
        return max(0.0, math.log(self.mean / (1.0 - self.mean)))


PRIOR = Posterior(PRIOR_RIGHT, PRIOR_WRONG)


def posterior(scores: Mapping[str, Sequence[float]], task_type: str) -> Posterior:
    """The posterior for one task type, from all of an agent's scores in [0, 1] by task type.

    The prior is centered on the agent's record in its other task types, itself shrunk to Beta(6, 4), and weighs as
    much as ten graded tasks; its own record in this task type is counted once, so no score is used twice.
    """
    elsewhere = [score for kind, values in scores.items() if kind != task_type for score in values]
    center = (PRIOR_RIGHT + sum(elsewhere)) / (PRIOR_WEIGHT + len(elsewhere))
    here = scores.get(task_type, ())
    right = center * PRIOR_WEIGHT + math.fsum(here)
    return Posterior(right, PRIOR_WEIGHT + len(here) - right, len(here))
