"""How an experiment spends its error α: over directions, looks and comparisons, or by a plan over a few looks.

An A/B test is not even-handed, on purpose. Between two equal arms 'one of them wins' is false either way, and no
even-handed test that says so in at most 3 % finds more than 74 % of what a 5 % test of the same size finds in 80 %
(Neyman and Pearson). That the control wins changes nothing, it is served anyway: 'an arm beats the control' gets .025,
'the control beats an arm' .004, and of two arms that are not the control either gets .015. So two equal arms have a
winner in at most 3 %, whichever they are and whenever one looks; beside the control in 2.9 %: the rest is left to what
no normal approximation sees.

That an arm beats every other one is proven when each of those comparisons is: an intersection of claims, which needs no
correction for their number (Berger 1982, *Multiparameter hypothesis testing and acceptance sampling*). Effects against
the control, each a claim of its own, do.

Scheduled looks have group-sequential bounds: Lan & DeMets (1983), with the exit probabilities by the recursion of
Armitage, McPherson & Rowe (1969).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from tasks.experiments.design import CURRENT_RULE, Design
from tasks.experiments.inference.winner_boundary import ARMS_INTERIM_SHARE, INTERIM_SHARE
from tasks.experiments.records import ExperimentType

Array = NDArray[np.float64]
WEIGHTED_SHARE = 0.5  # of α: scores weighted by 1/e are heavy-tailed, and at full α 7 % err in 100 looks (simulated)
PLANNED_SHARES = (0.5, 0.08, 0.3)  # of α: an arm beats the control, the control an arm, an arm another arm
OPEN_SHARES = (0.8, 0.2, 0.5)  # of α, where no size is planned at which it would be spent: two equal arms in at most α
RUNNING_SHARE = 0.3  # rule 1: of α for all looks at an A/B test together
FINAL_SHARE = 0.75  # rule 1: of α, two-sided level at which an arm must beat another in the test at the planned size
CONTROL_SHARE = 0.15  # rule 1: of α, the level at which the control must beat an arm in that test
NODES = 160
WIDEST_BOUND = 9.0


@dataclass(frozen=True, slots=True)
class SpendingRule:
    """How α is spent.

    Attributes:
        arms: number of arms.
        control: index of the control.
        is_hybrid: a boundary while it runs, and one test at the planned size.
        is_weighted: a sequence of weighted scores, after adaptive allocation, which gets half of α.
        is_scheduled: spends α by O'Brien and Fleming's plan over the planned size; else a sequence with all of α.
        version: 1 for experiments that were created under the first rule, which they keep.
    """

    alpha: float
    arms: int
    is_hybrid: bool = False
    is_scheduled: bool = False
    is_weighted: bool = False
    control: int = 0
    version: int = CURRENT_RULE

    @classmethod
    def of(cls, design: Design, arms: int, control: int, *, is_planned: bool) -> SpendingRule:
        """The rule of an experiment."""
        is_fixed = not design.is_adaptive and is_planned
        is_sequential = design.experiment_type == ExperimentType.SEQUENTIAL
        return cls(
            design.alpha,
            arms,
            is_hybrid=is_fixed and not is_sequential,
            is_scheduled=is_fixed and is_sequential and design.scheduled_looks is not None,
            is_weighted=design.is_adaptive,
            control=control,
            version=design.decision_rule,
        )

    def levels(self) -> Array:
        """One-sided level (K, K) of 'the row's arm is better than the column's', of each pair by itself."""
        over_control, of_control, between = PLANNED_SHARES if self.is_hybrid else OPEN_SHARES
        shares = np.full((self.arms, self.arms), between)
        shares[:, self.control], shares[self.control] = over_control, of_control
        return self.alpha * shares

    def interim_shares(self) -> Array:
        """Share (K, K) of each pair's level that the line has while the experiment runs."""
        shares = np.full((self.arms, self.arms), ARMS_INTERIM_SHARE)
        shares[:, self.control] = shares[self.control] = INTERIM_SHARE
        return shares

    @property
    def running_alpha(self) -> float:
        """Level of one comparison's confidence sequence: of weighted scores, of guardrails, and all of rule 1's."""
        is_first = self.version == 1
        share = RUNNING_SHARE if self.is_hybrid and is_first else WEIGHTED_SHARE if self.is_weighted else 1.0
        return self.alpha * share / (self.arms - 1)

    @property
    def final_alpha(self) -> float:
        """Rule 1: two-sided level of the test at the planned size, where an arm is claimed to be better."""
        return self.alpha * FINAL_SHARE / (self.arms - 1)

    def final_alphas(self) -> Array:
        """The same of every pair (K, K), where the row's arm is claimed to be better."""
        shares = np.full((self.arms, self.arms), FINAL_SHARE)
        shares[self.control] = CONTROL_SHARE
        return self.alpha * shares / (self.arms - 1)


def two_sided_spending(information: ArrayLike, alpha: float, version: int = CURRENT_RULE) -> Array:
    """Error of both sides spent up to an information fraction: each side spends its half by the formula.

    Rule 1 gave both sides together what the formula gives one: bounds that are too low early and too high at the end.
    """
    if version == 1:
        return obrien_fleming_spending(information, alpha)
    return 2 * obrien_fleming_spending(information, alpha / 2)


def obrien_fleming_spending(information: ArrayLike, alpha: float) -> Array:
    """Error one side spends up to an information fraction in (0, 1]: very little early, nearly all at the end."""
    return np.asarray(2 * ndtr(-ndtri(1 - alpha / 2) / np.sqrt(information)), dtype=np.float64)


def two_sided_bounds(information: ArrayLike, spent: ArrayLike) -> Array:
    """Bounds on |z| at each look such that the error spent up to look k is `spent[k]`."""
    t, budget = np.asarray(information, dtype=np.float64), np.diff(np.asarray(spent, dtype=np.float64), prepend=0.0)
    unit, weight = leggauss(NODES)
    bounds = np.empty_like(t)
    position, mass = np.zeros(1), np.ones(1)
    for look, (now, step) in enumerate(zip(t, np.diff(t, prepend=0.0), strict=True)):
        spread = float(np.sqrt(step))
        edge = _edge(position, mass, spread, max(float(budget[look]), 1e-14), float(np.sqrt(now)))
        bounds[look] = edge / np.sqrt(now)
        grid = edge * unit
        density = np.exp(-0.5 * np.square((grid[:, None] - position) / spread)) / (spread * np.sqrt(2 * np.pi))
        position, mass = grid, edge * weight * (density @ mass)
    return bounds


def _edge(position: Array, mass: Array, spread: float, budget: float, scale: float) -> float:
    """The score beyond which exactly the budgeted probability leaves; the widest one where less would."""
    from scipy.optimize import brentq  # takes .4 s, and few experiments have scheduled looks

    widest = WIDEST_BOUND * scale
    if _leaving(widest, position, mass, spread) > budget:
        return widest
    if _leaving(0.0, position, mass, spread) <= budget:
        return 0.0
    return float(brentq(_excess, 0.0, widest, (position, mass, spread, budget), xtol=1e-13, rtol=1e-14))


def _leaving(edge: float, position: Array, mass: Array, spread: float) -> float:
    """Probability that the score lies beyond an edge."""
    return float(mass @ (ndtr((-edge - position) / spread) + ndtr((position - edge) / spread)))


def _excess(edge: float, position: Array, mass: Array, spread: float, budget: float) -> float:
    return _leaving(edge, position, mass, spread) - budget
