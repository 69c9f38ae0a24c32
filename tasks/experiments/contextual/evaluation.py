"""What following the context is worth, from the units of the experiment itself, at every look.

Each unit is judged by the policy and the model that were there before it came, so that its score is unbiased whatever
the policy learned since: m(a) + 1{A = a}(Y − m(a))/e(a), with e the probability that was logged (Hadad et al. 2021).

Two claims. A policy is worth serving where it beats what was served: a difference of two values of one unit, whose
noise is small where they are mostly the same arm. That the context matters is shown where for every arm there are
contexts in which the policy beats it: if it did not matter, no context would have anything better than the best arm, so
that a false claim has at most the chance of one false test (an intersection-union test), however contexts are weighted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.experiments.contextual.context import Context
from tasks.experiments.contextual.policy import LinearPolicy
from tasks.experiments.inference.adaptive_inference import CAUTION, POOLED_UNITS
from tasks.statistics.confidence_sequences import half_width, lower_half_width, p_value

Array = NDArray[np.float64]
NARROWEST = 5000.0  # units at which bounds are narrowest
SOONEST = 15.0  # information at which the test of the context is most powerful: some four standard errors


@dataclass(frozen=True, slots=True)
class ReportedUnits:
    """ReportedUnits that reported, in the order of their epochs.

    Attributes:
        arm: index of the arm of each (n,); likewise `value`, `epoch`, `propensity`.
    """

    contexts: Sequence[Context]
    arm: NDArray[np.int64]
    value: Array
    epoch: NDArray[np.int64]
    propensity: Array


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores that are unbiased for each arm's outcome, unit by unit.

    Attributes:
        score: of each arm (n, K); likewise `probability` and `expected`, by the policy in force.
        followed: the arm that the policy in force was expected to do best with, (n,); -1 before the first policy.
        variance: of the arms' outcomes around what was expected (K,).
    """

    units: ReportedUnits
    score: Array
    probability: Array
    expected: Array
    followed: NDArray[np.int64]
    variance: Array


@dataclass(frozen=True, slots=True)
class Gain:
    """What the policy earns more than something else, a unit, with bounds that hold at all looks together.

    Attributes:
        than: the arm, or None for what was served.
        lower: one-sided; likewise `upper`.
    """

    than: int | None
    estimate: float
    standard_error: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """The policy's value, with a two-sided interval, and its gains.

    Attributes:
        units: that came under a policy.
        over_arms: gains over each arm; `over_served`: over what was served.
        context_p_value: of 'one arm is best in every context', valid at all looks together.
    """

    units: int
    value: float
    interval: tuple[float, float]
    over_arms: list[Gain]
    over_served: Gain
    context_p_value: float
    alpha: float

    @property
    def does_context_matter(self) -> bool:
        """Whether it is shown that no one arm is best in every context."""
        return self.context_p_value <= self.alpha

    @property
    def is_proven(self) -> bool:
        """Whether the policy is worth serving: the context matters, and following it beats what was served."""
        return self.does_context_matter and self.over_served.lower > 0

    @property
    def best_arm(self) -> Gain:
        """The gain over the arm that is hardest to beat."""
        return min(self.over_arms, key=_estimate)


def score_units(
    units: ReportedUnits, policies: Sequence[LinearPolicy | None], weights: Sequence[Sequence[float]]
) -> Scored:
    """Score units by the policies of their epochs; `weights` are those of the epochs that have none."""
    n, arms = len(units.value), len(weights[0])
    probability, expected = np.empty((n, arms)), np.empty((n, arms))
    followed = np.full(n, -1, dtype=np.int64)
    for number in sorted({int(epoch) for epoch in units.epoch}):
        rows = np.flatnonzero(units.epoch == number)
        policy, shares = policies[number], np.array(weights[number], dtype=np.float64)
        if policy is None:
            probability[rows], expected[rows] = shares, units.value[rows].mean()
            continue
        contexts = [units.contexts[int(row)] for row in rows]
        probability[rows] = policy.probabilities(contexts, shares > 0)
        expected[rows], followed[rows] = policy.expected(contexts), policy.best(contexts)
    residual = units.value - expected[np.arange(n), units.arm]
    score = expected.copy()
    score[np.arange(n), units.arm] += residual / units.propensity
    return Scored(units, score, probability, expected, followed, _variances(residual, units.arm, arms))


def policy_value(scored: Scored, sign: float, alpha: float) -> PolicyValue | None:
    """What the policies were worth over the units that came under one; None where none did."""
    rows = np.flatnonzero(scored.followed >= 0)
    if len(rows) < 2:
        return None
    of_policy, followed = (rows, scored.followed[rows]), scored.followed[rows]
    value = scored.score[of_policy]
    error = _error(scored, rows, followed, None, scored.expected[of_policy])
    width = float(half_width(error, float(len(rows)), alpha, NARROWEST))
    mean = float(value.mean())
    arms = range(scored.score.shape[1])
    return PolicyValue(
        units=len(rows),
        value=mean,
        interval=(mean - width, mean + width),
        over_arms=[_over_arm(scored, rows, sign, alpha, arm) for arm in arms],
        over_served=_over_served(scored, rows, sign, alpha),
        context_p_value=max(_p_value_against(scored, rows, sign, alpha, arm) for arm in arms),
        alpha=alpha,
    )


def arm_contrasts(scored: Scored, control: int, sign: float) -> tuple[Array, Array, Array]:
    """Means of the arms (K,), effects against the control (K,) and their standard errors (K,), over all units."""
    rows = np.arange(len(scored.score))
    mean = scored.score.mean(axis=0)
    against = np.full(len(rows), control)
    errors = []
    for arm in range(scored.score.shape[1]):
        gap = scored.expected[:, arm] - scored.expected[:, control]
        errors.append(_error(scored, rows, np.full(len(rows), arm), against, gap))
    return mean, sign * (mean - mean[control]), np.array(errors)


def arm_errors(scored: Scored) -> Array:
    """Standard errors of the arms' means (K,)."""
    rows = np.arange(len(scored.score))
    arms = range(scored.score.shape[1])
    return np.array([_error(scored, rows, np.full(len(rows), arm), None, scored.expected[:, arm]) for arm in arms])


def _over_arm(scored: Scored, rows: NDArray[np.int64], sign: float, alpha: float, arm: int) -> Gain:
    followed, other = scored.followed[rows], np.full(len(rows), arm)
    difference = sign * (scored.score[rows, followed] - scored.score[rows, other])
    gap = scored.expected[rows, followed] - scored.expected[rows, other]
    return _gain(arm, difference, _error(scored, rows, followed, other, gap), alpha)


def _p_value_against(scored: Scored, rows: NDArray[np.int64], sign: float, alpha: float, arm: int) -> float:
    """Of 'no context has anything better than this arm'; units weigh by the expected gain over its variance.

    Weights follow from what was known before the unit came, so that the sum is a martingale where the arm is best
    everywhere, and its information is also the signal that is expected of it.
    """
    mine = rows[scored.followed[rows] != arm]
    if not len(mine):
        return 1.0
    followed = scored.followed[mine]
    noise = scored.variance[followed] / scored.probability[mine, followed]
    noise = CAUTION**2 * (noise + scored.variance[arm] / scored.probability[mine, arm])
    noise = np.where(noise > 0, noise, np.inf)
    weight = sign * (scored.expected[mine, followed] - scored.expected[mine, arm]) / noise
    gained = float((weight * sign * (scored.score[mine, followed] - scored.score[mine, arm])).sum())
    information = float((np.square(weight) * np.where(np.isfinite(noise), noise, 0.0)).sum())
    if gained <= 0 or information <= 0:
        return 1.0
    return float(p_value(gained / np.sqrt(information), information, alpha, SOONEST))


def _over_served(scored: Scored, rows: NDArray[np.int64], sign: float, alpha: float) -> Gain:
    """The outcome that a unit had is unbiased for what was served; both share the unit, which takes noise off."""
    followed, served = scored.followed[rows], scored.units.arm[rows]
    difference = sign * (scored.score[rows, followed] - scored.units.value[rows])
    p = scored.probability[rows, followed]
    noise = (scored.variance[followed] * (1 - p) ** 2 / p) + (1 - p) * scored.variance[served]
    gap = scored.expected[rows, followed] - (scored.probability[rows] * scored.expected[rows]).sum(axis=1)
    spread = np.square(gap - gap.mean())
    error = CAUTION * float(np.sqrt((noise + spread).sum())) / len(rows)
    return _gain(None, difference, error, alpha)


def _gain(than: int | None, difference: Array, error: float, alpha: float) -> Gain:
    mean, n = float(difference.mean()), float(len(difference))
    width = float(lower_half_width(error, n, alpha, NARROWEST)) if error > 0 else 0.0
    return Gain(than, mean, error, mean - width, mean + width)


def _error(
    scored: Scored, rows: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64] | None, gap: Array
) -> float:
    """Expected standard error of the mean of scores of one arm a unit, less those of another.

    Expected, because the scores' own spread is smallest where the few units of an unlikely arm were unlucky
    (`inference/adaptive_inference.py`).
    """
    noise = scored.variance[one] / scored.probability[rows, one]
    if other is not None:
        noise = np.where(one == other, 0.0, noise + scored.variance[other] / scored.probability[rows, other])
    return CAUTION * float(np.sqrt((noise + np.square(gap - gap.mean())).sum())) / max(len(rows), 1)


def _variances(residual: Array, arm: NDArray[np.int64], arms: int) -> Array:
    """Of each arm's outcomes (K,), drawn towards that of all arms together."""
    square, n = np.bincount(arm, np.square(residual), arms), np.bincount(arm, minlength=arms)
    return np.asarray((square + POOLED_UNITS * np.square(residual).mean()) / (n + POOLED_UNITS), dtype=np.float64)


def _estimate(gain: Gain) -> float:
    return gain.estimate
